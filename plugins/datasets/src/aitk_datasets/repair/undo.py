"""Taking an operation back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.errors import ConflictError, NotFoundError
from aitk_datasets.repair.journal import FINAL, load, load_all
from aitk_datasets.repair.lock import locked
from aitk_datasets.repair.run import BATCH, resume, verify
from aitk_datasets.repair.system import REAL
from aitk_datasets.repair.tree import Tree

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
        ConflictError: A later operation changed the same files, one is under way, or its quarantine
            was emptied.
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
            if record.state == "emptied":
                raise ConflictError(
                    f"operation {operation} cannot be undone any more: its quarantine was emptied",
                    remedy="put the files back from a copy of your own",
                    operation=operation,
                )
            _check_order(record, records)
            return resume(tree, record, "backward", now=now, check=check, batch=batch)


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
                remedy=f"undo {other.id} first"
                if other.state != "emptied"
                else "neither can be undone: the quarantine of the later one was emptied",
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
