"""Taking an operation back: what comes back, what is refused, in which order."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from aitk_core.errors import ConflictError
from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.plan import (
    Rewrite,
    remove_image,
    rewrite_image,
)
from aitk_datasets.repair.planning import plan_repair
from support.repairs import (
    NOW,
    all_contents,
    applied,
    contents_of,
    everything,
    state_of,
    turned,
    undone,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


def test_undo_twice_does_nothing_the_second_time(root: Path) -> None:
    outcome = applied(root, plan_repair(root, everything(root)))
    assert undone(root, outcome).changed == 12
    again = undone(root, outcome)
    assert (again.was_done, again.changed, again.problems) == (True, 0, ())


def test_undo_refuses_a_place_that_is_taken_and_restores_the_rest(root: Path) -> None:
    before_requests = everything(root)
    before = state_of(root)
    outcome = applied(root, plan_repair(root, before_requests))
    (root / "pair.png").write_bytes(b"another picture")
    (root / "rot.jpg").write_bytes(b"edited since")
    back = undone(root, outcome)
    assert not back.is_finished
    refused = {problem.paths[0]: problem for problem in back.problems}
    assert set(refused) == {"pair.png", "rot.jpg"}
    assert refused["pair.png"].paths[1].endswith("/old/pair.png")
    now = contents_of(root)
    assert (now.pop("pair.png"), now.pop("rot.jpg")) == (b"another picture", b"edited since")
    assert {path: data for path, (data, _, _) in before.items() if path in now} == now
    assert all_contents(root) >= {data for data, _, _ in before.values()}
    # Nobody waits for it, and it can be finished once the places are free.
    (root / "pair.png").unlink()
    (root / "rot.jpg").unlink()
    assert undone(root, outcome).is_finished
    assert state_of(root) == before


def test_what_stands_later_is_undone_first(root: Path) -> None:
    write(root, {"a.jpg": turned(1)})
    before = state_of(root)
    plan = plan_repair(root, [rewrite_image("a.jpg", Rewrite(upright=True), reason="x")])
    first = apply_plan(root, plan, plan_hash=plan.hash, now=NOW)
    plan = plan_repair(root, [remove_image("a.jpg", reason="x")])
    second = apply_plan(root, plan, plan_hash=plan.hash, now=NOW + 5)
    with pytest.raises(ConflictError) as caught:
        undone(root, first)
    assert second.operation.id in caught.value.remedy
    undone(root, second)
    undone(root, first)
    assert state_of(root) == before


def test_a_dataset_that_was_copied_can_still_be_taken_back(root: Path, tmp_path: Path) -> None:
    """Other inodes, other times: then the bytes decide."""
    requests = everything(root)
    before = contents_of(root)
    outcome = applied(root, plan_repair(root, requests))
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    back = undone(copy, outcome)
    assert (back.is_finished, back.problems) == (True, ())
    assert contents_of(copy) == before
