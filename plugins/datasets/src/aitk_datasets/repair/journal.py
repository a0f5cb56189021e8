"""What was begun, how far it got: one file of checked lines for each operation.

Why lines and not a database: where the files stand decides what is left to do (datasets.md C3), so
the journal has to hold only the plan, the identities of the new files and the direction, each
written once and never changed. Appending needs no rollback file when the disk is full, no locks of
a library on a network folder, and reads with any editor. Every line carries the beginning of its
own SHA-256; a line that a power cut tore is the last one, and is dropped.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from attrs import asdict, define, field, frozen

from aitk_core.convert import structure
from aitk_core.errors import AitkError, ConflictError, NotFoundError
from aitk_datasets.digests import sha256_of_bytes
from aitk_datasets.repair.faults import NO_ROOM
from aitk_datasets.repair.plan import Plan, canonical, from_json, to_json
from aitk_datasets.repair.system import remove_if_there
from aitk_datasets.repair.tree import OWN, Identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitk_datasets.repair.system import Entry
    from aitk_datasets.repair.tree import Tree

JOURNALS: Final = f"{OWN}/journal"
QUARANTINE: Final = f"{OWN}/quarantine"
SPARE: Final = f"{OWN}/spare"
"""A file to be given up when the disk is full, so that a way back can still be noted."""
SPARE_BYTES: Final = 1 << 20

_CHECK = 16
"""Hexadecimal digits of the SHA-256 before a line: 64 bits, against accidents."""
_ID = re.compile(r"[0-9]{6}-[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")
_LONGEST = 1 << 28

OperationState = Literal["applying", "applied", "undoing", "undone", "emptying", "emptied"]
"""`emptying`: some of what the quarantine holds is deleted; `emptied`: all of it, so that the
operation cannot be undone."""

RowState = Literal[
    "planned",
    "started",
    "done",
    "unchanged",
    "failed",
    "skipped",
    "conflict",
    "undoing",
    "undone",
    "left",
    "refused",
    "deleted",
]
"""`unchanged`: the new file would equal the old; `failed`: it could not be made; `skipped`: its
call was cancelled first; `conflict`: what is on the disk fits no step; `left`: changed by somebody
since, and theirs; `refused`: not taken back, since its place is taken or the file is gone from the
quarantine; `deleted`: the old file was deleted from the quarantine, as somebody asked."""

FINAL: Final = frozenset[RowState]({"unchanged", "failed", "skipped"})
"""Rows with nothing to do in either direction."""


@frozen(kw_only=True)
class Fact:
    """What the journal last said about one row."""

    state: RowState
    detail: str = ""


@define(kw_only=True)
class Record:
    """An operation as its journal tells it."""

    id: str
    plan: Plan
    created_at: float
    """Unix seconds."""
    state: OperationState = "applying"
    is_staged: bool = False
    """Whether all new files are there: only then may anything change its name."""
    new: dict[int, Identity] = field(factory=dict)
    """Of the new files, by row."""
    facts: dict[int, Fact] = field(factory=dict)
    finished_at: float | None = None
    length: int = 0
    """Bytes of the journal that are whole."""

    @property
    def is_open(self) -> bool:
        """Tell whether something is left to do."""
        return self.state in ("applying", "undoing")

    @property
    def is_waiting(self) -> bool:
        """Tell whether all that is left to do is a person's."""
        todo = {"planned", "started"} if self.state == "applying" else {"done", "undoing"}
        return self.is_open and self.is_staged and not todo & set(self.counts())

    @property
    def is_cut_off(self) -> bool:
        """Tell whether it can be gone on with, and does not wait for a person."""
        unsettled = {"conflict", "refused"} & set(self.counts())
        return self.is_open and not (self.is_waiting and unsettled)

    def state_of(self, row: int) -> RowState:
        """Return the state of a row."""
        fact = self.facts.get(row)
        return fact.state if fact else "planned"

    def counts(self) -> Mapping[str, int]:
        """Return how many rows are in which state."""
        counts: dict[str, int] = {}
        for row in range(len(self.plan.actions)):
            state = self.state_of(row)
            counts[state] = counts.get(state, 0) + 1
        return counts

    def take(self, entry: Mapping[str, Any]) -> None:
        """Follow one line."""
        kind = entry["kind"]
        if kind == "staged":
            self.is_staged = True
            self.new = {int(row): structure(Identity, value) for row, value in entry["new"].items()}
        elif kind == "rows":
            for row in entry["rows"]:
                self.facts[row] = Fact(state=entry["state"], detail=entry.get("detail", ""))
        elif kind == "state":
            self.state = entry["state"]
            self.finished_at = None if self.is_open else entry["at"]


def _line(value: Mapping[str, Any]) -> bytes:
    body = canonical(value)
    return sha256_of_bytes(body)[:_CHECK].encode("ascii") + b" " + body + b"\n"


def _entries(data: bytes) -> Iterable[tuple[Mapping[str, Any], int]]:
    """Yield the whole lines of a journal, each with the offset of its end."""
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        check, _, body = data[start:end].partition(b" ")
        if sha256_of_bytes(body)[:_CHECK].encode("ascii") != check:
            return
        yield json.loads(body), end + 1
        start = end + 1


def parse(operation: str, data: bytes) -> Record | None:
    """Return what a journal says, or None where it was cut off before anything could begin."""
    record: Record | None = None
    for entry, end in _entries(data):
        if record is None:
            plan = from_json(entry["plan"])
            record = Record(id=operation, plan=plan, created_at=entry["at"])
        else:
            record.take(entry)
        record.length = end
    return record


def operation_ids(tree: Tree) -> list[str]:
    """Return the ids of the operations that have a journal, the oldest first."""
    if tree.lstat(JOURNALS) is None:
        return []
    names = (name.removesuffix(".jsonl") for name in tree.names(JOURNALS))
    return [name for name in names if _ID.fullmatch(name)]


def load(tree: Tree, operation: str) -> Record | None:
    """Return an operation, or None where it never began.

    Raises:
        NotFoundError: There is no operation of that id.
        ConflictError: Its journal was written by a later version, or not by us.
    """
    if not _ID.fullmatch(operation) or tree.lstat(f"{JOURNALS}/{operation}.jsonl") is None:
        raise NotFoundError(
            f"no operation {operation[:64]!r} in this dataset",
            remedy="list the operations of the dataset, and name one of them",
        )
    data, _ = tree.read(f"{JOURNALS}/{operation}.jsonl", _LONGEST)
    try:
        return parse(operation, data)
    except (AitkError, KeyError, TypeError, ValueError) as error:
        raise ConflictError(
            f"the journal of {operation} cannot be read",
            remedy="use the version that wrote it; the files are in the quarantine",
        ) from error


def load_all(tree: Tree) -> list[Record]:
    """Return all operations that began, the oldest first."""
    found = (load(tree, operation) for operation in operation_ids(tree))
    return [record for record in found if record is not None]


class Journal:
    """The journal of one operation, open to be added to; only while the lock is held."""

    def __init__(self, tree: Tree, record: Record, descriptor: int) -> None:
        """Take an open journal."""
        self.record = record
        self._tree = tree
        self._descriptor = descriptor
        self._name = f"{record.id}.jsonl"

    @classmethod
    def begin(cls, tree: Tree, operation: str, plan: Plan, now: float) -> Self:
        """Write the plan, durably, before anything happens."""
        entry = tree.entry(f"{JOURNALS}/{operation}.jsonl")
        record = Record(id=operation, plan=plan, created_at=now)
        journal = cls(tree, record, tree.system.create(entry))
        try:
            journal._write({"kind": "plan", "at": now, "plan": to_json(plan)})
            tree.sync([JOURNALS])
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def resume(cls, tree: Tree, record: Record) -> Self:
        """Open the journal of an operation that began; a torn end is cut off."""
        entry = tree.entry(f"{JOURNALS}/{record.id}.jsonl")
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(entry.name, flags, dir_fd=entry.folder)
        if os.fstat(descriptor).st_size != record.length:
            tree.system.truncate(descriptor, record.length, entry.name)
        return cls(tree, record, descriptor)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def staged(self, new: Mapping[int, Identity]) -> None:
        """Note the new files."""
        rows = {str(row): asdict(identity) for row, identity in new.items()}
        self._add({"kind": "staged", "new": rows})

    def rows(self, rows: Iterable[int], state: RowState, detail: str = "") -> None:
        """Note where rows stand, unless the journal says so already."""
        fact = Fact(state=state, detail=detail)
        news = [row for row in rows if self.record.facts.get(row) != fact]
        if news:
            self._add({"kind": "rows", "rows": news, "state": state, "detail": detail})

    def state(self, state: OperationState, now: float) -> None:
        """Note where the operation stands."""
        self._add({"kind": "state", "state": state, "at": now})

    def _add(self, entry: Mapping[str, Any]) -> None:
        self._write(entry)
        self.record.take(entry)

    def _write(self, entry: Mapping[str, Any]) -> None:
        line = _line(entry)
        try:
            self._put(line)
        except OSError as error:
            if error.errno not in NO_ROOM or not use_spare(self._tree):
                raise
            self._tree.system.truncate(self._descriptor, self.record.length, self._name)
            self._put(line)
        self.record.length += len(line)

    def _put(self, line: bytes) -> None:
        os.lseek(self._descriptor, self.record.length, os.SEEK_SET)
        self._tree.system.write(self._descriptor, line, self._name)
        self._tree.system.sync(self._descriptor, self._name)


def use_spare(tree: Tree) -> bool:
    """Give the spare bytes up; tell whether there were any."""
    if tree.lstat(SPARE) is None:
        return False
    remove_if_there(tree.system, tree.entry(SPARE))
    return True


def make_spare(tree: Tree) -> None:
    """Set bytes aside for a full disk, where none are."""
    entry: Entry = tree.entry(SPARE)
    found = tree.lstat(SPARE)
    if found is not None and found.st_size == SPARE_BYTES:
        return
    remove_if_there(tree.system, entry)
    descriptor = tree.system.create(entry)
    try:
        # Not zeros: some file systems store none of those.
        tree.system.write(descriptor, os.urandom(SPARE_BYTES), entry.name)
        tree.system.sync(descriptor, entry.name)
    finally:
        os.close(descriptor)
