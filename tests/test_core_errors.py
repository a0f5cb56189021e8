"""Errors and hooks are documented as they are."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from aitk_core import errors, hookspecs, specs

ROOT = Path(__file__).parents[1]

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.AitkError)
}
HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("aitk_")}


def tree(kind: type[errors.AitkError]) -> list[tuple[str, int]]:
    """Return the classes below one another, in the order of the module, with their depth."""
    found = [(kind.__name__, 0)]
    for below in CLASSES.values():
        if below.__bases__[0] is kind:
            found += [(name, depth + 1) for name, depth in tree(below)]
    return found


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    rows = re.findall(
        r"^    ([│ ├└─]*)(\w+) +([A-Z_]+) +(\d{3})(.*)$", errors.__doc__ or "", re.MULTILINE
    )
    shown = [(name, len(indent) // 4) for indent, name, *_ in rows]
    assert shown == tree(errors.AitkError)
    for _, name, code, status, more in rows:
        kind = CLASSES[name]
        assert (kind.code, kind.status) == (code, int(status)), name
        assert ("also ValueError" in more) == issubclass(kind, ValueError), name


def test_no_code_stands_for_two_errors() -> None:
    codes = [kind.code for kind in CLASSES.values()]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_an_error_is_json_with_what_to_do(kind: type[errors.AitkError]) -> None:
    bare = kind("it went wrong").to_json()
    assert bare == {"code": kind.code, "message": "it went wrong"}
    full = kind("it went wrong", remedy="do this", job_id="x").to_json()
    assert json.loads(json.dumps(full)) == {
        **bare,
        "remedy": "do this",
        "details": {"job_id": "x"},
    }


def test_every_hook_shows_the_spec_it_wants() -> None:
    declared = {"aitk_schemas": "yield files("}
    for name, hook in HOOKS.items():
        text = inspect.getdoc(hook) or ""
        kind = re.search(r"\w+Spec", str(inspect.signature(hook).return_annotation))
        wanted = f"yield {kind.group()}(" if kind else declared[name]
        assert wanted in text, name
        assert kind is None or hasattr(specs, kind.group()), name


def test_every_hook_is_in_the_guide_for_contributors() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [name for name in HOOKS if f"`{name}`" not in guide] == []


def test_the_registry_reads_every_hook() -> None:
    source = (ROOT / "aitk_core/src/aitk_core/registry.py").read_text(encoding="utf-8")
    assert [name for name in HOOKS if f'"{name}"' not in source] == []
