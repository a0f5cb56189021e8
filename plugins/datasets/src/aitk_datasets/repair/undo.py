"""Taking an operation back, and deciding about one that was cut off."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from aitk_core.errors import ConflictError, NotFoundError
from aitk_datasets.repair.faults import typed_errors
from aitk_datasets.repair.journal import FINAL, JOURNALS, QUARANTINE, load, load_all, operation_ids
from aitk_datasets.repair.lock import locked
from aitk_datasets.repair.run import BATCH, resume, verify
from aitk_datasets.repair.stage import make_own_folders, remove_empty
from aitk_datasets.repair.system import REAL, remove_if_there
from aitk_datasets.repair.tree import OWN, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aitk_datasets.repair.journal import Record
    from aitk_datasets.repair.run import Outcome
    from aitk_datasets.repair.system import Check, FileSystem


def undo(
    root: Path,
    operation: str,
    *,
    now: float,
    check: Check | None = None,
    batch: int = BATCH,
    system: FileSystem = REAL,
) -> Outcome:
    """Take an operation back: names, bytes and times of the files as they were.

    What somebody put into an old place stays, and so does what somebody changed since; the
    outcome names both. A second call does nothing; one after a kill continues.

    Args:
        root: The dataset's folder.
        operation: Its id.
        now: Unix seconds.
        check: Called between actions; what it raises stops the undo where it is.
        batch: Actions between two waits for the disk, at least 1.
        system: The file system's calls.

    Raises:
        NotFoundError: There is no such operation.
        ConflictError: A later operation changed the same files, or one is under way.
        NotPermittedError: The dataset cannot be written.
        FileMissingError: There is no such folder.
    """
    with Tree(root, system) as tree:
        load(tree, operation)
        with locked(tree):
            records = load_all(tree)
            record = next((one for one in records if one.id == operation), None)
            if record is None:
                raise NotFoundError(
                    f"operation {operation} never began", remedy="there is nothing to take back"
                )
            if record.state == "undone":
                return verify(tree, record)
            _check_order(record, records)
            return resume(tree, record, "backward", now=now, check=check, batch=batch)


def recover(
    root: Path,
    *,
    prefer: Literal["continue", "undo"],
    now: float,
    check: Check | None = None,
    batch: int = BATCH,
    system: FileSystem = REAL,
) -> tuple[Outcome, ...]:
    """Bring every operation that was cut off to an end, and remove what never began.

    An undo that began is always continued; an apply is continued or undone as `prefer` says.
    What stands as no step leaves it is told in the outcome, and not touched.

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
                if record.is_open:
                    is_back = record.state == "undoing" or prefer == "undo"
                    outcomes.append(
                        resume(
                            tree,
                            record,
                            "backward" if is_back else "forward",
                            now=now,
                            check=check,
                            batch=batch,
                        )
                    )
    return tuple(reversed(outcomes))


def _check_order(record: Record, records: Iterable[Record]) -> None:
    """See that no later operation stands on this one.

    Raises:
        ConflictError: One does.
    """
    mine = _paths(record)
    for other in records:
        if other.id > record.id and other.state != "undone" and mine & _paths(other):
            raise ConflictError(
                f"operation {other.id} changed some of the same files later",
                remedy=f"undo {other.id} first",
                operation=other.id,
                paths=sorted(mine & _paths(other))[:20],
            )


def _paths(record: Record) -> set[str]:
    """Return the names whose files an operation changed, or may have changed."""
    return {
        path
        for row, action in enumerate(record.plan.actions)
        if record.state_of(row) not in FINAL | {"undone", "left"}
        for path in (action.path, action.target)
        if path
    }


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
