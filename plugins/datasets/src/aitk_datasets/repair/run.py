"""Running an operation in one direction, from wherever it stands, to where it ends."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from aitk_datasets.folder.names import fold, is_media, stem_of
from aitk_datasets.repair import names
from aitk_datasets.repair.decide import End
from aitk_datasets.repair.faults import NO_ROOM, typed_errors
from aitk_datasets.repair.history import Operation, report
from aitk_datasets.repair.journal import FINAL, JOURNALS, Journal, use_spare
from aitk_datasets.repair.moves import Direction, Mover
from aitk_datasets.repair.stage import prepare_stores, probe_folders, stage, sweep
from aitk_datasets.repair.system import Abilities, remove_if_there
from aitk_datasets.repair.tree import Tree, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_datasets.repair.journal import Record
    from aitk_datasets.repair.plan import Action, Plan
    from aitk_datasets.repair.system import Check

BATCH: Final = 100
"""Actions between two waits for the disk (datasets.md C1)."""

_SETTLED: Final = {
    "forward": FINAL | {"done"},
    "backward": FINAL | {"undone", "left"},
}


@frozen(kw_only=True)
class Problem:
    """An action that did not come to its end."""

    paths: tuple[str, ...]
    state: str
    """`failed`, `conflict`, `left`, `refused`, or `stopped` where the system gave an error."""
    detail: str


@frozen(kw_only=True)
class Outcome:
    """What a call did to a dataset."""

    operation: Operation
    changed: int = 0
    """Actions that this call did or took back."""
    problems: tuple[Problem, ...] = ()
    is_finished: bool = True
    """False: something is left to do, by a person or by `recover`."""
    was_done: bool = False
    """There was nothing to do: an earlier call did it."""
    why: str = ""
    """Why the operation was gone on with, where that was not what was asked for."""


def resume(
    tree: Tree,
    record: Record,
    direction: Direction,
    *,
    now: float,
    check: Check | None,
    batch: int,
) -> Outcome:
    """Go on with an operation that began; the lock is held."""
    with typed_errors(tree):
        journal = Journal.resume(tree, record)
    with journal:
        return run_operation(tree, journal, direction, now=now, check=check, batch=batch)


def run_operation(
    tree: Tree,
    journal: Journal,
    direction: Direction,
    *,
    now: float,
    check: Check | None,
    batch: int,
) -> Outcome:
    """Run an operation with its journal open; the lock is held."""
    record = journal.record
    if direction == "backward" and record.state != "undoing":
        with typed_errors(tree):
            journal.state("undoing", now)
    is_fresh = direction == "forward" and not record.is_staged
    abilities = _prepared(tree, journal, direction, check)
    runner = _Runner(
        tree=tree,
        journal=journal,
        mover=Mover(tree=tree, record=record, abilities=abilities),
        direction=direction,
        before=written_by(record.plan) if is_fresh else 0,
    )
    if direction == "forward":
        runner.leave_needed_captions()
    try:
        runner.run(check, batch)
    except BaseException:
        if runner.is_stopped:
            # Should this fail, the operation is half done as after a kill, and can be continued.
            with suppress(OSError):
                runner.leave_rest(now)
        raise
    return runner.finish(now)


def _prepared(
    tree: Tree, journal: Journal, direction: Direction, check: Check | None
) -> Mapping[str, Abilities]:
    """Make folders and new files where that is still to be done; take all back if it fails."""
    record = journal.record
    made = 0

    def checked() -> None:
        nonlocal made
        if check is not None:
            check(made, units_of(record.plan))
        made += 1

    try:
        with typed_errors(tree):
            abilities = _stores(tree, record, direction)
            if direction == "forward" and not record.is_staged:
                probe_folders(tree, record, abilities)
                stage(tree, journal, checked)
    except Exception:
        if direction == "forward" and not record.is_staged:
            # Should this fail too, the journal still tells `recover`.
            with suppress(OSError):
                _abandon(tree, record)
        raise
    return abilities


def _stores(tree: Tree, record: Record, direction: Direction) -> Mapping[str, Abilities]:
    try:
        return prepare_stores(tree, record)
    except OSError as error:
        # The way back is what the spare bytes are for.
        if direction == "forward" or error.errno not in NO_ROOM or not use_spare(tree):
            raise
    return prepare_stores(tree, record)


def _abandon(tree: Tree, record: Record) -> None:
    """Remove every trace of an operation of which nothing was done."""
    sweep(tree, record)
    remove_if_there(tree.system, tree.entry(f"{JOURNALS}/{record.id}.jsonl"))
    tree.sync([JOURNALS])


@define(kw_only=True)
class _Runner:
    tree: Tree
    journal: Journal
    mover: Mover
    direction: Direction
    before: int = 0
    """What this call did before the first action: files that it wrote."""
    changed: int = 0
    problems: list[Problem] = field(factory=list)
    is_stopped: bool = False
    """The caller asked for an end."""
    _moved: dict[tuple[str, str], list[str]] = field(factory=dict)
    """Pictures that the plan moves, by folder and folded stem."""

    def leave_needed_captions(self) -> None:
        """Keep captions that a picture needs which came after the plan was made."""
        plan = self.journal.record.plan
        moved = {action.path for action in plan.actions if action.kind == "move"}
        listings: dict[str, names.Listing] = {}
        for row in self._todo():
            action = plan.actions[row]
            folder, name = split(action.path)
            if not _is_caption_move(action):
                continue
            if folder not in listings:
                listings[folder] = names.Listing.of(self.tree.names(folder))
            stem = name[: -len(plan.caption_ext)]
            owners = (names.join(folder, owner) for owner in listings[folder].owners(stem))
            if (owner := next((path for path in owners if path not in moved), None)) is not None:
                detail = f"{owner!r} needs it"
                self.journal.rows([row], "failed", detail)

    def run(self, check: Check | None, batch: int) -> None:
        """Run all rows, a batch at a time, until the system refuses."""
        todo = self._todo()
        for start in range(0, len(todo), max(1, batch)):
            chunk = todo[start : start + max(1, batch)]
            try:
                self._run_batch(chunk, check, (self.before + start, self.before + len(todo)))
            except OSError as error:
                path = str(error.filename or self.tree.path.name)
                detail = f"{error.strerror}: stopped here; continue or undo the operation"
                self.problems.append(Problem(paths=(path,), state="stopped", detail=detail))
                return

    def leave_rest(self, now: float) -> None:
        """End an apply where it was stopped, so that nobody has to decide about the rest.

        What was done can be taken back; where nothing was, nothing stays. An undo, and a row that
        an earlier, killed run may have left between two steps, are gone on with instead.
        """
        record, rest = self.journal.record, self._todo()
        states = {record.state_of(row) for row in rest}
        if self.direction == "backward" or states - {"planned", "conflict"}:
            return
        if set(record.counts()) <= FINAL | {"planned"}:
            _abandon(self.tree, record)
            return
        left = [row for row in rest if record.state_of(row) == "planned"]
        self.journal.rows(left, "skipped", "the call was cancelled before it")
        self.finish(now)

    def _must_stay(self, row: int) -> bool:
        """Tell whether a caption's own picture was to go first, and did not."""
        action = self.journal.record.plan.actions[row]
        if self.direction == "backward" or not _is_caption_move(action):
            return False
        return any(self.tree.lstat(path) is not None for path in self._pictures(action.path))

    def _pictures(self, caption: str) -> Sequence[str]:
        """Return the pictures of the plan with which a caption goes."""
        plan = self.journal.record.plan
        if not self._moved:
            for action in plan.actions:
                if action.kind == "move" and not _is_caption_move(action):
                    folder, name = split(action.path)
                    key = folder, fold(stem_of(name))
                    self._moved.setdefault(key, []).append(action.path)
        folder, name = split(caption)
        return self._moved.get((folder, fold(name[: -len(plan.caption_ext)])), ())

    def _todo(self) -> Sequence[int]:
        record = self.journal.record
        rows = range(len(record.plan.actions))
        ordered = rows if self.direction == "forward" else reversed(rows)
        return [row for row in ordered if record.state_of(row) not in _SETTLED[self.direction]]

    def _run_batch(self, rows: Sequence[int], check: Check | None, at: tuple[int, int]) -> None:
        record = self.journal.record
        before = {row: record.state_of(row) for row in rows}
        self.journal.rows(rows, "started" if self.direction == "forward" else "undoing")
        ends: dict[int, End] = {}
        try:
            for number, row in enumerate(rows):
                self._ask(check, at[0] + number, at[1])
                steps = self.mover.steps
                if self._must_stay(row):
                    ends[row] = End("conflict", "its picture is still there", ("live",))
                    continue
                ends[row] = self.mover.run(row, self.direction, before[row])
                self.changed += self.mover.steps > steps
        except BaseException:
            with suppress(OSError):
                self._note(ends)
                # Other than by a word between two files, a row may stand half way.
                for row in rows[len(ends) + (not self.is_stopped) :]:
                    self.journal.rows([row], before[row])
            raise
        self._note(ends)

    def _ask(self, check: Check | None, done: int, total: int) -> None:
        """Tell how far it is, and take an end where the caller wants one."""
        if check is not None:
            try:
                check(done, total)
            except BaseException:
                self.is_stopped = True
                raise

    def _note(self, ends: Mapping[int, End]) -> None:
        """Make the moves last, and only then say that they are done."""
        self.mover.sync()
        well = [row for row, end in ends.items() if not end.detail]
        if well:
            self.journal.rows(well, ends[well[0]].state)
        for row, end in ends.items():
            if end.detail:
                paths = self.mover.paths(row, end)
                self.journal.rows([row], end.state, end.detail)
                self.problems.append(Problem(paths=paths, state=end.state, detail=end.detail))

    def finish(self, now: float) -> Outcome:
        """Note the end where everything is done."""
        record = self.journal.record
        is_finished = not self._todo()
        if is_finished:
            try:
                sweep(self.tree, record)
                self.journal.state("applied" if self.direction == "forward" else "undone", now)
            except OSError as error:
                is_finished = False
                path, detail = str(error.filename or ""), f"{error.strerror}: not noted as ended"
                self.problems.append(Problem(paths=(path,), state="stopped", detail=detail))
        failed = (
            Problem(paths=(record.plan.actions[row].path,), state="failed", detail=fact.detail)
            for row, fact in sorted(record.facts.items())
            if fact.state == "failed"
        )
        return Outcome(
            operation=report(record),
            changed=self.changed,
            problems=(*failed, *self.problems),
            is_finished=is_finished,
        )


def written_by(plan: Plan) -> int:
    """Return how many files are written before the first action."""
    return sum(action.target is not None for action in plan.actions)


def units_of(plan: Plan) -> int:
    """Return how much there is to do: files to write, then actions."""
    return written_by(plan) + len(plan.actions)


def _is_caption_move(action: Action) -> bool:
    return action.kind == "move" and not is_media(action.path)


def verify(tree: Tree, record: Record) -> Outcome:
    """Look whether what an ended operation did still stands; nothing is written."""
    look = Abilities(method="atomic", can_exchange=False)
    abilities = dict.fromkeys((action.store for action in record.plan.actions), look)
    mover = Mover(tree=tree, record=record, abilities=abilities)
    problems = []
    for row, action in enumerate(record.plan.actions):
        if record.state_of(row) in ("done", "undone"):
            direction: Direction = "backward" if record.state == "undone" else "forward"
            if not mover.stands(row, direction):
                detail = "changed since by somebody"
                problems.append(Problem(paths=(action.path,), state="left", detail=detail))
    return Outcome(operation=report(record), problems=tuple(problems), was_done=True)
