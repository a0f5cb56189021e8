"""A call that is cancelled ends between two files: what was done stays, and can be taken back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.errors import ConflictError
from aitk_datasets.repair.history import generated_captions, operations
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.recovery import recover
from aitk_datasets.repair.system import METHODS, FileSystem
from aitk_datasets.repair.undo import undo
from support.repairs import (
    KILLED,
    NOW,
    QUICK,
    all_contents,
    applied,
    everything,
    files_of,
    in_a_process,
    state_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_datasets.repair.plan import Plan
    from support.repairs import State

WRITTEN, ACTIONS = 6, 12
"""Files that the plan of `everything` writes, and its actions."""


class CancelledError(Exception):
    """What a frontend's cancellation becomes in the thread."""


class Until:
    """Ends the work once so much is done; keeps what it was told."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.told: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.told.append((done, total))
        if self.most is not None and done >= self.most:
            raise CancelledError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "set"


def paths_of(plan: Plan, actions: int) -> set[str]:
    """Names that the first actions concern."""
    named = [(action.path, action.target) for action in plan.actions[:actions]]
    return {path for pair in named for path in pair if path is not None}


def rest_of(state: State, plan: Plan, actions: int) -> State:
    return {path: found for path, found in state.items() if path not in paths_of(plan, actions)}


@pytest.mark.parametrize("methods", [METHODS, METHODS[1:]], ids=["atomic", "link"])
def test_an_apply_cancelled_after_each_file_in_turn_leaves_a_prefix_that_undo_takes_back(
    root: Path, methods: Any
) -> None:
    system = FileSystem(durable=False, methods=methods)
    plan = plan_repair(root, everything(root))
    before = state_of(root)
    for done in range(ACTIONS):
        with pytest.raises(CancelledError):
            applied(root, plan, check=Until(WRITTEN + done), batch=5, system=system)
        assert all_contents(root) >= {data for data, _, _ in before.values()}
        assert rest_of(state_of(root), plan, done) == rest_of(before, plan, done)
        changed = {path for path, found in state_of(root).items() if before.get(path) != found}
        assert changed | (set(before) - set(state_of(root))) == paths_of(plan, done)
        if not done:
            assert operations(root) == ()
            continue
        told = operations(root)[-1]
        assert (told.state, told.counts) == ("applied", {"done": done, "skipped": ACTIONS - done})
        assert recover(root, prefer="continue", now=NOW, system=system) == ()
        back = undo(root, told.id, now=NOW, system=system)
        assert (back.is_finished, back.changed, back.problems) == (True, done, ())
        assert state_of(root) == before
    assert not [path for path in files_of(root, hidden=True) if "quarantine/" in path]


def test_what_a_cancelled_apply_did_not_reach_is_planned_anew(root: Path) -> None:
    requests = everything(root)
    plan = plan_repair(root, requests)
    with pytest.raises(CancelledError):
        applied(root, plan, check=Until(WRITTEN + 5))
    assert "none.txt" not in generated_captions(root)
    with pytest.raises(ConflictError, match="no longer as planned"):
        applied(root, plan)
    rest = plan_repair(root, requests)
    outcome = applied(root, rest)
    assert (outcome.is_finished, outcome.operation.counts) == (True, {"unchanged": 2, "done": 7})
    assert "none.txt" in generated_captions(root)
    assert {"rot.jpg", "deep.png"} == {
        row.path for row in outcome.operation.rows if row.state == "unchanged"
    }


def test_an_undo_cancelled_after_each_file_in_turn_is_gone_on_with(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    before = state_of(root)
    for done in range(ACTIONS):
        operation = applied(root, plan).operation.id
        standing = state_of(root)
        with pytest.raises(CancelledError):
            undo(root, operation, now=NOW, check=Until(done), batch=5, system=QUICK)
        left = paths_of(plan, ACTIONS - done)
        assert {path: found for path, found in state_of(root).items() if path in left} == {
            path: found for path, found in standing.items() if path in left
        }
        assert rest_of(state_of(root), plan, ACTIONS - done) == rest_of(
            before, plan, ACTIONS - done
        )
        assert operations(root)[-1].state == "undoing"
        # Also by whoever would rather continue: it was decided already.
        (outcome,) = recover(root, prefer="continue", now=NOW, system=QUICK)
        assert (outcome.is_finished, outcome.changed) == (True, ACTIONS - done)
        assert state_of(root) == before


def test_a_cancel_while_files_are_written_leaves_no_trace(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    before = state_of(root)
    for written in range(WRITTEN):
        with pytest.raises(CancelledError):
            applied(root, plan, check=Until(written))
        assert (operations(root), state_of(root)) == ((), before)
        assert not list(root.glob(".aitk/quarantine/*"))


def test_what_a_kill_left_between_two_steps_is_not_left_by_a_cancel(root: Path) -> None:
    """Without an exchange a picture is away for a moment: only a run may end there, no word."""
    plan = plan_repair(root, everything(root))
    before = state_of(root)

    def killed(kind: str, name: str) -> None:
        if (kind, name) == ("open", "rot.jpg") and not (root / "rot.jpg").exists():
            os._exit(KILLED)

    system = FileSystem(step=killed, durable=False, methods=("reserve",))
    assert in_a_process(lambda: applied(root, plan, system=system))
    assert not (root / "rot.jpg").exists()
    with pytest.raises(CancelledError):
        recover(root, prefer="continue", now=NOW, check=Until(0), system=QUICK)
    assert operations(root)[-1].state == "applying"
    (outcome,) = recover(root, prefer="undo", now=NOW, system=QUICK)
    assert outcome.is_finished
    assert state_of(root) == before


def test_progress_counts_files_written_then_actions(root: Path) -> None:
    plan = plan_repair(root, everything(root))
    told = Until()
    outcome = applied(root, plan, check=told)
    assert list(dict.fromkeys(told.told)) == [
        (done, WRITTEN + ACTIONS) for done in range(WRITTEN + ACTIONS)
    ]
    told = Until()
    undo(root, outcome.operation.id, now=NOW, check=told, system=QUICK)
    assert told.told == [(done, ACTIONS) for done in range(ACTIONS)]
