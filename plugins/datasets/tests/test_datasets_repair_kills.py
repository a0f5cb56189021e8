"""Killed after every call: nothing lost, and every way on leads to a known end.

For each number of calls, and for each way on from there, a process is ended in place of its next
call. That is done by `os._exit` in a forked copy (`support.repairs.in_a_process` says why it is
what SIGKILL is); a few points are killed by the real signal in a new interpreter besides.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import define, field

from aitk_core.errors import ConflictError
from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.emptying import empty_quarantine, plan_emptying
from aitk_datasets.repair.history import operations
from aitk_datasets.repair.plan import Plan
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.recovery import recover
from aitk_datasets.repair.system import METHODS, FileSystem, Method
from aitk_datasets.repair.undo import undo
from support.repairs import (
    NOW,
    Killer,
    State,
    all_contents,
    captioned,
    contents_of,
    everything,
    files_of,
    in_a_process,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aitk_datasets.repair.emptying import Emptied
    from aitk_datasets.repair.run import Outcome

CHAINS: tuple[tuple[Method, ...], ...] = (METHODS, ("link", "reserve"), ("reserve",))
FALLBACKS = CHAINS[1:]


@define
class Case:
    """A dataset with a plan, before and after."""

    root: Path
    methods: tuple[Method, ...]
    plan: Plan = field(init=False)
    before: State = field(init=False)
    after: dict[str, bytes] = field(init=False)
    with_caption: set[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        requests = everything(self.root)
        self.plan = plan_repair(self.root, requests)
        self.before = state_of(self.root)
        self.with_caption = captioned(self.root)
        self.apply()
        self.after = contents_of(self.root)
        self.undo()
        self.forget()

    def system(self, step: Killer | None = None) -> FileSystem:
        if step is None:
            return FileSystem(durable=False, methods=self.methods)
        return FileSystem(step=step, durable=False, methods=self.methods)

    def apply(self, step: Killer | None = None) -> Outcome:
        return apply_plan(
            self.root,
            self.plan,
            plan_hash=self.plan.hash,
            now=NOW,
            batch=5,
            system=self.system(step),
        )

    def undo(self, step: Killer | None = None) -> Outcome:
        operation = operations(self.root)[-1].id
        return undo(self.root, operation, now=NOW, batch=5, system=self.system(step))

    def go_on(self, step: Killer | None = None) -> tuple[Outcome, ...]:
        return recover(self.root, prefer="continue", now=NOW, system=self.system(step))

    def go_back(self, step: Killer | None = None) -> tuple[Outcome, ...]:
        return recover(self.root, prefer="undo", now=NOW, system=self.system(step))

    def forget(self) -> None:
        """Start anew; the files are the same ones, so the plan still fits."""
        for folder in ("journal", "quarantine"):
            shutil.rmtree(self.root / ".aitk" / folder, ignore_errors=True)

    def each_kill(self, function: Callable[[Killer], object]) -> Iterator[int]:
        """Run the function, killed after ever more calls, until it comes to its end."""
        at = 0
        while in_a_process(partial(function, Killer(at=at))):
            self.check()
            yield at
            at += 1

    def check(self) -> None:
        """What holds at every moment."""
        assert all_contents(self.root).issuperset(self.before_contents())
        trained = set(files_of(self.root))
        exceptions = set[str]()
        if self.methods != METHODS:
            # Without an exchange the old caption goes a call before the new one comes.
            exceptions = {"latin.png", "empty.png"}
        assert (self.with_caption & trained) - exceptions <= captioned(self.root)

    def before_by_path(self) -> dict[str, bytes]:
        return {path: data for path, (data, _, _) in self.before.items()}

    def before_contents(self) -> set[bytes]:
        return set(self.before_by_path().values())

    def ends_applied(self) -> None:
        """Everything is done; doing it again changes nothing; it can be taken back."""
        assert contents_of(self.root) == self.after
        standing = state_of(self.root)
        again = self.apply()
        assert (again.was_done, again.changed, again.problems) == (True, 0, ())
        assert state_of(self.root) == standing
        assert self.undo().is_finished
        self.ends_undone()

    def ends_where_it_says(self) -> None:
        """The journal tells the truth; a kill after the last note leaves nothing to recover."""
        found = operations(self.root)
        if found and found[-1].state == "applied":
            self.ends_applied()
        else:
            self.ends_undone()

    def ends_undone(self) -> None:
        """Everything is as it was, and nothing of ours lies in the quarantine."""
        assert state_of(self.root) == self.before
        assert not [
            path for path in files_of(self.root, hidden=True) if path.startswith(".aitk/quarantine")
        ]
        assert {operation.state for operation in operations(self.root)} <= {"undone"}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "set", METHODS)


@pytest.fixture(params=CHAINS, ids=lambda chain: chain[0])
def any_case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(tmp_path / "set", request.param)


def test_a_killed_apply_is_finished_by_a_second_one(case: Case) -> None:
    kills = 0
    for _ in case.each_kill(case.apply):
        outcome = case.apply()
        assert outcome.is_finished
        assert outcome.problems == ()
        case.ends_applied()
        case.forget()
        kills += 1
    assert kills > 80


def test_a_killed_apply_is_taken_back_by_an_undo(case: Case) -> None:
    for _ in case.each_kill(case.apply):
        if operations(case.root):
            assert case.undo().is_finished
            case.ends_undone()
        # Before the plan was on the disk there is nothing to take back.
        assert state_of(case.root) == case.before
        case.forget()


def test_a_killed_apply_is_recovered_forwards(case: Case) -> None:
    for _ in case.each_kill(case.apply):
        for outcome in case.go_on():
            assert outcome.is_finished
            assert outcome.problems == ()
        case.ends_where_it_says()
        case.forget()


def test_a_killed_apply_is_recovered_backwards(case: Case) -> None:
    for _ in case.each_kill(case.apply):
        assert all(outcome.is_finished for outcome in case.go_back())
        case.ends_where_it_says()
        case.forget()


@pytest.mark.parametrize("chain", FALLBACKS, ids=lambda chain: chain[0])
def test_every_way_on_serves_without_renames_that_refuse(
    tmp_path: Path, chain: tuple[Method, ...]
) -> None:
    """The four ways in turn: the calls differ, the order of the steps does not."""
    case = Case(tmp_path / "set", chain)

    def undo_if_begun() -> None:
        if operations(case.root):
            case.undo()

    ways: list[Callable[[], object]] = [case.apply, undo_if_begun, case.go_on, case.go_back]
    for at in case.each_kill(case.apply):
        ways[at % 4]()
        case.ends_where_it_says()
        case.forget()


def test_a_killed_undo_continues_as_an_undo(any_case: Case) -> None:
    case = any_case
    ways: list[Callable[[], object]] = [case.undo, case.go_on, case.go_back]
    case.apply()
    kills = 0
    for at in case.each_kill(case.undo):
        if operations(case.root)[-1].state == "undoing":
            with pytest.raises(ConflictError):
                case.apply()
            ways[at % 3]()
        else:
            case.undo()
        case.ends_undone()
        case.forget()
        case.apply()
        kills += 1
    assert kills > 40


@pytest.mark.parametrize("half", [30, 70])
def test_a_killed_recovery_is_recovered(case: Case, half: int) -> None:
    """The first kill falls while files are written, and between the moves."""
    for first, second in ((case.go_on, case.go_back), (case.go_back, case.go_on)):
        assert in_a_process(partial(case.apply, Killer(at=half)))
        for at in case.each_kill(first):
            assert all(outcome.is_finished for outcome in second())
            case.ends_where_it_says()
            case.forget()
            assert in_a_process(partial(case.apply, Killer(at=half))), at
        case.go_back()
        if operations(case.root)[-1].state == "applied":
            case.undo()
        case.ends_undone()
        case.forget()


def test_two_kills_of_one_apply_and_a_third_of_its_undo(case: Case) -> None:
    for at in range(0, 90, 7):
        in_a_process(partial(case.apply, Killer(at=at)))
        in_a_process(partial(case.apply, Killer(at=at // 2 + 9)))
        case.check()
        if operations(case.root):
            in_a_process(partial(case.undo, Killer(at=at // 3)))
            case.check()
            case.undo()
        case.ends_undone()
        case.forget()


def test_a_killed_emptying_deletes_nothing_but_what_was_shown(any_case: Case) -> None:
    """After any kill the rest is deleted when asked again, or given back; never by itself."""
    case = any_case
    copy = case.root.with_name("copy")
    operation = case.apply().operation.id
    shown = plan_emptying(case.root, operation)
    kept = {(case.root / one.path).read_bytes() for one in shown.files}
    shutil.move(case.root, copy)

    def afresh() -> None:
        shutil.rmtree(case.root, ignore_errors=True)
        shutil.copytree(copy, case.root)

    def empty(step: Killer | None = None) -> Emptied:
        plan_hash = plan_emptying(case.root, operation).hash
        return empty_quarantine(
            case.root, operation, plan_hash=plan_hash, now=NOW, batch=3, system=case.system(step)
        )

    afresh()
    standing = contents_of(case.root)
    at = 0
    while in_a_process(partial(empty, Killer(at=at))):
        assert contents_of(case.root) == standing
        left = case.before_by_path()
        assert all_contents(case.root) | kept >= set(left.values())
        assert case.go_on() == ()
        if at % 2:
            assert empty().is_finished
            with pytest.raises(ConflictError):
                case.undo()
            assert contents_of(case.root) == standing
        elif operations(case.root)[-1].state == "emptied":
            assert contents_of(case.root) == standing
        else:
            gone = {one.was for one in shown.files if not (case.root / one.path).exists()}
            back = case.undo()
            assert {one.paths[0] for one in back.problems} == gone
            now = contents_of(case.root)
            assert all(now[path] == data for path, data in left.items() if path not in gone)
        afresh()
        at += 1
    assert at > 20


SCRIPT = """
import os, signal, sys
from pathlib import Path
from support.repairs import NOW, Killer, everything
from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.history import operations
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.system import FileSystem
from aitk_datasets.repair.undo import undo

root, at = Path(sys.argv[1]), int(sys.argv[2])
kill = Killer(at=at, signal=lambda: os.kill(os.getpid(), signal.SIGKILL))
system = FileSystem(step=kill)
if sys.argv[3] == "apply":
    plan = plan_repair(root, everything(root))
    apply_plan(root, plan, plan_hash=plan.hash, now=NOW, batch=5, system=system)
else:
    undo(root, operations(root)[-1].id, now=NOW, system=system)
"""


def killed_for_real(root: Path, at: int, what: str) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[3] / "tests"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root), str(at), what],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize("at", [12, 40, 61, 70])
def test_the_real_signal_leaves_what_the_copy_leaves(tmp_path: Path, at: int) -> None:
    root = tmp_path / "set"
    everything(root)
    before = state_of(root)
    killed_for_real(root, at, "apply")
    assert all_contents(root).issuperset(data for data, _, _ in before.values())
    recover(root, prefer="continue", now=NOW)
    if operations(root):
        killed_for_real(root, at // 2, "undo")
        assert all_contents(root).issuperset(data for data, _, _ in before.values())
        undo(root, operations(root)[-1].id, now=NOW)
    assert state_of(root) == before
