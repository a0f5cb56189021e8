"""Apply and undo are nothing together, on any dataset and any wishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitk_datasets.repair.plan import (
    Rewrite,
    reencode_caption,
    remove_image,
    rewrite_image,
    write_caption,
)
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.system import METHODS, FileSystem
from aitk_datasets.repair.undo import undo
from support.repairs import (
    NOW,
    all_contents,
    applied,
    files_of,
    picture,
    state_of,
    turned,
    write,
)

if TYPE_CHECKING:
    import pytest

    from aitk_datasets.repair.plan import Request


STEMS = st.sampled_from(["a", "A", "b", "\u00e9", "e\u0301", "x.y"])
FOLDERS = st.sampled_from(["", "one/", "one/two/", "_controls/"])
FILES = st.dictionaries(
    st.tuples(FOLDERS, STEMS, st.sampled_from([".png", ".jpg", ".webp", ".bmp"])),
    st.sampled_from(["PNG", "turned", "deep", "damaged"]),
    max_size=6,
)
TEXTS = st.dictionaries(
    st.tuples(FOLDERS, STEMS, st.sampled_from([".txt", ".TXT"])),
    st.sampled_from([b"", b" \n", b"text", "caf\u00e9".encode("cp1252"), b"\xef\xbb\xbfmarked"]),
    max_size=6,
)
MADE = {
    "PNG": picture(1),
    "turned": turned(2),
    "deep": picture(3, mode="I;16"),
    "damaged": picture(4)[:50],
}
WISHES = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.sampled_from(["remove", "write", "reencode", "upright", "png", "small"]),
    ),
    max_size=8,
)


def wish(paths: list[str], number: int, kind: str) -> Request:
    path = paths[number % len(paths)]
    if kind == "remove":
        return remove_image(path, reason="x")
    if kind == "write":
        return write_caption(path, f"text {number % 2}", reason="x")
    if kind == "reencode":
        return reencode_caption(path, "cp1252" if number % 2 else "utf-8-sig", reason="x")
    rewrites = {
        "upright": Rewrite(upright=True, eight_bit=True),
        "png": Rewrite(format="PNG"),
        "small": Rewrite(long_side=4),
    }
    return rewrite_image(path, rewrites[kind], reason="x")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, texts=TEXTS, wishes=WISHES, methods=st.sampled_from([METHODS, METHODS[1:]]))
def test_apply_then_undo_is_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[tuple[str, str, str], str],
    texts: dict[tuple[str, str, str], bytes],
    wishes: list[tuple[int, str]],
    methods: Any,
) -> None:
    root = tmp_path_factory.mktemp("tree")
    tree = {"".join(parts): MADE[kind] for parts, kind in files.items()}
    tree |= {"".join(parts): data for parts, data in texts.items()}
    write(root, tree)
    requests = [wish(sorted(tree), number, kind) for number, kind in wishes if tree]
    before = state_of(root)
    plan = plan_repair(root, requests)
    assert len(plan.actions) + len(plan.conflicts) >= bool(requests)
    system = FileSystem(durable=False, methods=methods)
    outcome = applied(root, plan, system=system)
    assert outcome.is_finished
    assert {problem.state for problem in outcome.problems} <= {"failed"}
    kept = {data for data, _, _ in before.values()}
    assert all_contents(root) >= kept
    # A text that a person wrote is as it was, went with its picture, or was re-encoded on demand.
    for action in plan.actions:
        if action.kind == "fill_caption":
            assert before[action.path][0].strip(b" \n") in (b"", b"\xef\xbb\xbf")
        elif action.kind == "move" and action.path.lower().endswith(".txt"):
            stem = action.path[:-4]
            needing = [path for path in files_of(root) if path[:-4] == stem]
            assert not [path for path in needing if not path.lower().endswith(".txt")]
    concerned = {path for action in plan.actions for path in (action.path, action.target)}
    after = state_of(root)
    assert all(after[path] == before[path] for path in before if path not in concerned)
    standing = state_of(root)
    assert applied(root, plan, system=system).changed == 0
    assert state_of(root) == standing
    undo(root, outcome.operation.id, now=NOW, system=system)
    assert state_of(root) == before
