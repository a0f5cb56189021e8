"""A whole config, judged by the key table and its rules."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from aitk_core.configkeys import problems as codes
from aitk_core.configkeys.json_values import plain_copy, require_json, shown
from aitk_core.configkeys.paths import from_pointer
from aitk_core.configkeys.problems import listed, problem
from aitk_core.configkeys.rules import rule_problems
from aitk_core.configkeys.table import key_table
from aitk_core.configkeys.values import text_problems, tree_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.configkeys.paths import Keys
    from aitk_core.configkeys.problems import PatchProblem
    from aitk_core.configkeys.table import KeyTable


def check_config(config: Mapping[str, Any]) -> tuple[PatchProblem, ...]:
    """Return what is wrong with a whole job config, at most 200 problems.

    Args:
        config: As the backend stores it: `{"job", "config": {"name", "process": [...]}}`.

    Raises:
        InvalidArgumentsError: It is no JSON: NaN, an infinity, nested deeper than 64 levels.
        TooLargeError: It is more than a config can be.
    """
    require_json(config, what="the config")
    table, plain = key_table(), plain_copy(config)
    known = chain(tree_problems(table, (), plain), whole_problems(table, plain))
    left_out = _uncovered(table, plain)
    return listed(
        chain(
            text_problems((), plain),
            (each for each in known if not _below(each.pointer, left_out)),
            (_not_covered(plain, pointer) for pointer in left_out),
        )
    )


def _uncovered(table: KeyTable, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the places whose keys the table does not list, as JSON Pointers."""
    inner = config.get("config")
    processes = inner.get("process") if isinstance(inner, Mapping) else None
    job = config.get("job")
    places = tuple(
        f"/config/process/{index}"
        for index, block in enumerate(processes if isinstance(processes, list) else ())
        if isinstance(block, Mapping) and not table.covers(job, block.get("type"))
    )
    # Jobs of other kinds have keys of their own beside `process`, too.
    return ("/config", *places) if places and job != "extension" else places


def _below(pointer: str, places: tuple[str, ...]) -> bool:
    return any(pointer.startswith(f"{place}/") for place in places)


def _not_covered(config: Mapping[str, Any], pointer: str) -> PatchProblem:
    keys = from_pointer(pointer)
    kind = config["config"]["process"][int(keys[-1])]["type"] if len(keys) > 1 else config["job"]
    return problem(
        codes.NOT_COVERED,
        keys,
        f"the keys of {shown(kind)} are not in the key table, so they were not checked",
        value=kind,
    )


def whole_problems(table: KeyTable, config: Any) -> Iterator[PatchProblem]:
    """Yield what no single value shows: missing keys and broken rules.

    Args:
        table: The key table.
        config: Any JSON value that has passed `require_json`, in dicts and lists.
    """
    yield from _missing(table, (), config)
    inner = config.get("config") if isinstance(config, Mapping) else None
    processes = inner.get("process") if isinstance(inner, Mapping) else None
    for index, block in enumerate(processes if isinstance(processes, list) else ()):
        if isinstance(block, Mapping):
            keys = ("config", "process", str(index))
            yield from _process_missing(table, keys, block)
            yield from rule_problems(table, keys, block)


def _process_missing(
    table: KeyTable, keys: Keys, block: Mapping[str, Any]
) -> Iterator[PatchProblem]:
    yield from _missing(table, keys, block)
    name = "caption" if table.captions(block.get("type")) else "model"
    # An absent block, like a null one, is an empty one to the trainer.
    yield from _missing(table, (*keys, name), {} if block.get(name) is None else block[name])


def _missing(table: KeyTable, keys: Keys, block: Any) -> Iterator[PatchProblem]:
    section = table.section_at(keys)
    if section is None or not isinstance(block, Mapping):
        return
    for key in section.keys:
        if key.required and key.name not in block:
            yield problem(
                codes.REQUIRED_MISSING,
                (*keys, key.name),
                f"{key.name!r} is required and missing",
                remedy="give a value",
                expected=list(key.types),
                effect="raises",
            )
    below = block.get("config")
    if not keys and isinstance(below, Mapping):
        yield from _missing(table, ("config",), below)
