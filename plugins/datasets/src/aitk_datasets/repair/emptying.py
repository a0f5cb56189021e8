"""Deleting what an operation keeps in its quarantine: the one thing that nothing takes back.

Only files that the journal knows, by inode, size and time or else by their bytes. What else lies in
the folder is somebody's, and stays. A deletion that was cut off is never finished by itself: until
somebody asks again, undo gives back what is left.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from aitk_core.errors import ConflictError, NotFoundError
from aitk_datasets.digests import sha256_of_bytes
from aitk_datasets.repair.faults import typed_errors
from aitk_datasets.repair.history import Operation, quarantine_of, report
from aitk_datasets.repair.journal import QUARANTINE, Journal, load
from aitk_datasets.repair.lock import locked
from aitk_datasets.repair.plan import canonical
from aitk_datasets.repair.run import BATCH, Problem
from aitk_datasets.repair.stage import make_own_folders, remove_empty
from aitk_datasets.repair.system import REAL
from aitk_datasets.repair.tree import Identity, Tree, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aitk_datasets.repair.journal import Record
    from aitk_datasets.repair.system import Check, FileSystem

_WHY_NOT: Final = {
    "applying": "it is half done: bring it to its end first",
    "undoing": "it is being taken back: finish that first",
    "undone": "it was taken back: its files are in their old places",
}


@frozen(kw_only=True)
class Kept:
    """A file in the quarantine that the journal knows."""

    row: int
    path: str
    """Where it lies, relative to the dataset."""
    was: str
    """Where it was."""
    identity: Identity


@frozen(kw_only=True)
class Emptying:
    """What would be deleted for good."""

    operation: Operation
    files: tuple[Kept, ...] = ()
    foreign: tuple[str, ...] = ()
    """What else lies in the folder, and stays."""

    @property
    def size(self) -> int:
        """Return how many bytes would be deleted."""
        return sum(kept.identity.size for kept in self.files)

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the operation and the files: what whoever confirms it names."""
        files = [(kept.path, kept.identity.size, kept.identity.sha256) for kept in self.files]
        return sha256_of_bytes(canonical([self.operation.id, files]))


@frozen(kw_only=True)
class Emptied:
    """What was deleted."""

    plan: Emptying
    operation: Operation
    deleted: int = 0
    problems: tuple[Problem, ...] = ()
    is_finished: bool = field()
    """False: some files are left, and could not be deleted."""


def plan_emptying(
    root: Path, operation: str, *, check: Check | None = None, system: FileSystem = REAL
) -> Emptying:
    """Return what emptying the quarantine of an operation would delete; nothing is written.

    Raises:
        NotFoundError: There is no such operation.
        ConflictError: It did not come to its end, or was taken back.
        FileMissingError: There is no such folder.
    """
    with Tree(root, system) as tree, typed_errors(tree):
        return _plan(tree, _emptiable(tree, operation), check)


def empty_quarantine(
    root: Path,
    operation: str,
    *,
    plan_hash: str,
    now: float,
    check: Check | None = None,
    batch: int = BATCH,
    system: FileSystem = REAL,
) -> Emptied:
    """Delete what an operation keeps in its quarantine; after that it cannot be undone.

    Args:
        root: The dataset's folder.
        operation: Its id.
        plan_hash: What whoever confirmed the deletion was shown.
        now: Unix seconds.
        check: Called between files; what it raises ends the deletion there.
        batch: Files between two waits for the disk, at least 1.
        system: The file system's calls.

    Raises:
        NotFoundError: There is no such operation.
        ConflictError: The files are not those that were shown, the operation did not come to its
            end or was taken back, or another change is under way. Nothing was deleted.
        NotPermittedError: The dataset cannot be written.
        FileMissingError: There is no such folder.
    """
    with Tree(root, system) as tree:
        _emptiable(tree, operation)
        make_own_folders(tree)
        with locked(tree):
            record = _emptiable(tree, operation)
            with typed_errors(tree):
                plan = _plan(tree, record, check)
            if plan.hash != plan_hash:
                raise ConflictError(
                    "the quarantine does not hold what was looked at",
                    remedy="look at it again without apply, and give the hash of that",
                    plan_hash=plan.hash,
                )
            if record.state == "emptied":
                return Emptied(plan=plan, operation=report(record), is_finished=True)
            with typed_errors(tree):
                journal = Journal.resume(tree, record)
            with journal:
                return _delete(tree, journal, plan, now=now, check=check, batch=max(1, batch))


def _emptiable(tree: Tree, operation: str) -> Record:
    record = load(tree, operation)
    if record is None:
        raise NotFoundError(
            f"operation {operation} never began", remedy="there is nothing to delete"
        )
    if record.state in _WHY_NOT:
        raise ConflictError(
            f"the quarantine of {operation} is not emptied: {_WHY_NOT[record.state]}",
            remedy="list the operations, and name one that was applied",
            operation=operation,
            state=record.state,
        )
    return record


def _plan(tree: Tree, record: Record, check: Check | None) -> Emptying:
    rows = len(record.plan.actions)
    files = []
    for row, action in enumerate(record.plan.actions):
        if check is not None:
            check(0, rows)
        if action.identity is not None:
            path = quarantine_of(record, row, "old", action.path)
            if _holds(tree, path, action.identity):
                files.append(Kept(row=row, path=path, was=action.path, identity=action.identity))
    known = {kept.path for kept in files}
    foreign = [path for path in _everything(tree, record) if path not in known]
    return Emptying(operation=report(record), files=tuple(files), foreign=tuple(foreign))


def _holds(tree: Tree, path: str, identity: Identity) -> bool:
    """Tell whether a name stands for the file that was put there, or for its copy."""
    with suppress(FileNotFoundError, ConflictError):
        found = tree.lstat(path)
        if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != identity.size:
            return False
        return identity.is_exactly(found) or tree.identify(path).sha256 == identity.sha256
    return False


def _everything(tree: Tree, record: Record) -> Iterator[str]:
    """Yield what lies in the operation's folders, folders themselves left out."""
    for store in sorted({"", *(action.store for action in record.plan.actions)}):
        yield from _below(tree, "/".join(part for part in (store, QUARANTINE, record.id) if part))


def _below(tree: Tree, folder: str) -> Iterator[str]:
    with suppress(FileNotFoundError, ConflictError):
        for name in tree.names(folder):
            path = f"{folder}/{name}"
            found = tree.lstat(path)
            if found is not None and stat.S_ISDIR(found.st_mode):
                yield from _below(tree, path)
            elif found is not None:
                yield path


def _delete(
    tree: Tree, journal: Journal, plan: Emptying, *, now: float, check: Check | None, batch: int
) -> Emptied:
    with typed_errors(tree):
        journal.state("emptying", now)
    problems: list[Problem] = []
    deleted = 0
    for start in range(0, len(plan.files), batch):
        gone: list[Kept] = []
        try:
            for number, kept in enumerate(plan.files[start : start + batch]):
                if check is not None:
                    check(start + number, len(plan.files))
                if (trouble := _delete_one(tree, kept)) is None:
                    gone.append(kept)
                else:
                    problems.append(trouble)
        finally:
            # Also where the call was cancelled: the journal is to know what is gone.
            with suppress(OSError):
                _note(tree, journal, gone)
        deleted += len(gone)
    if not problems:
        try:
            remove_empty(tree, _folders(plan.files))
            journal.state("emptied", now)
        except OSError as error:
            detail = f"{error.strerror}: not noted as ended"
            problems.append(Problem(paths=(str(error.filename),), state="stopped", detail=detail))
    return Emptied(
        plan=plan,
        operation=report(journal.record),
        deleted=deleted,
        problems=tuple(problems),
        is_finished=not problems,
    )


def _delete_one(tree: Tree, kept: Kept) -> Problem | None:
    if not _holds(tree, kept.path, kept.identity):
        detail = "changed since it was looked at: left"
        return Problem(paths=(kept.path,), state="left", detail=detail)
    try:
        tree.system.unlink(tree.entry(kept.path))
    except OSError as error:
        return Problem(paths=(kept.path,), state="stopped", detail=str(error.strerror))
    return None


def _note(tree: Tree, journal: Journal, gone: Sequence[Kept]) -> None:
    if gone:
        tree.sync(_folders(gone))
        journal.rows([kept.row for kept in gone], "deleted")


def _folders(files: Sequence[Kept]) -> set[str]:
    return {split(kept.path)[0] for kept in files}
