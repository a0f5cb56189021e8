"""Deciding about operations that were cut off: a process was killed, a disk was full."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from attrs import evolve

from aitk_core.errors import ConflictError
from aitk_datasets.repair.faults import typed_errors
from aitk_datasets.repair.history import report
from aitk_datasets.repair.journal import JOURNALS, QUARANTINE, load_all, operation_ids
from aitk_datasets.repair.lock import is_held, locked
from aitk_datasets.repair.run import BATCH, resume
from aitk_datasets.repair.stage import make_own_folders, remove_empty
from aitk_datasets.repair.system import REAL, remove_if_there
from aitk_datasets.repair.tree import OWN, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aitk_datasets.repair.history import Operation
    from aitk_datasets.repair.journal import Record
    from aitk_datasets.repair.moves import Direction
    from aitk_datasets.repair.run import Outcome
    from aitk_datasets.repair.system import Check, FileSystem

Preference = Literal["continue", "undo", "settle"]


def cut_off(root: Path, *, system: FileSystem = REAL) -> tuple[Operation, ...]:
    """Return the operations that were cut off and that nobody is at; nothing is written.

    Raises:
        FileMissingError: There is no such folder.
        ConflictError: A journal was written by a later version, or not by us.
    """
    with Tree(root, system) as tree:
        if is_held(tree):
            return ()
        return tuple(report(record) for record in load_all(tree) if record.is_cut_off)


def recover(
    root: Path,
    *,
    prefer: Preference,
    now: float,
    leave: str | None = None,
    check: Check | None = None,
    batch: int = BATCH,
    system: FileSystem = REAL,
) -> tuple[Outcome, ...]:
    """Bring every operation that was cut off to an end, and remove what never began.

    An undo that began is always continued; an apply is continued or undone as `prefer` says:
    `settle` continues it where files may have moved, since its plan was confirmed, and takes it
    back where none did, since there is nothing to lose. What stands as no step leaves it is a
    person's to decide: it is told in the outcome of the call that found it, and not touched.

    Args:
        root: The dataset's folder.
        prefer: What becomes of an apply.
        now: Unix seconds.
        leave: Id of an operation that the caller is about to continue or take back itself.
        check: Called between files; what it raises stops the recovery there.
        batch: Actions between two waits for the disk, at least 1.
        system: The file system's calls.

    Returns:
        The outcomes, each with why the operation went that way, the oldest first.

    Raises:
        ConflictError: Another change is under way.
        NotPermittedError: The dataset cannot be written.
        FileMissingError: There is no such folder.
    """
    outcomes = []
    with Tree(root, system) as tree:
        if tree.lstat(OWN) is None:
            return ()
        make_own_folders(tree)
        with locked(tree):
            records = load_all(tree)
            with typed_errors(tree):
                _remove_unbegun(tree, records)
            # The newest first: each finds the files as it left them.
            for record in reversed(records):
                if record.is_cut_off and record.id != leave:
                    direction, why = _way(record, prefer)
                    outcome = resume(tree, record, direction, now=now, check=check, batch=batch)
                    outcomes.append(evolve(outcome, why=why))
    return tuple(reversed(outcomes))


def _way(record: Record, prefer: Preference) -> tuple[Direction, str]:
    if record.state == "undoing":
        return "backward", "it was being taken back"
    if prefer == "settle" and not record.is_staged:
        return "backward", "nothing had been moved yet"
    if prefer == "undo":
        return "backward", "that was asked for"
    return "forward", "its plan had been confirmed, and files may have been moved"


def _remove_unbegun(tree: Tree, records: Iterable[Record]) -> None:
    """Remove journals without a whole plan, and folders without a journal, where empty."""
    known = {record.id for record in records}
    for operation in operation_ids(tree):
        if operation not in known:
            remove_if_there(tree.system, tree.entry(f"{JOURNALS}/{operation}.jsonl"))
    for name in tree.names(QUARANTINE):
        if name not in known:
            with suppress(NotADirectoryError, ConflictError):
                remove_empty(tree, {f"{QUARANTINE}/{name}"})
