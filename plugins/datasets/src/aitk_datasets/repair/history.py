"""What was done to a dataset, read from its journals; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from attrs import field, frozen

from aitk_datasets.repair.journal import FINAL, OperationState, RowState, load, load_all
from aitk_datasets.repair.system import REAL
from aitk_datasets.repair.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_datasets.repair.journal import Record
    from aitk_datasets.repair.plan import Plan
    from aitk_datasets.repair.system import FileSystem


@frozen(kw_only=True)
class RowReport:
    """One action and what became of it."""

    path: str
    target: str | None
    reason: str
    kind: str
    state: RowState
    detail: str
    quarantine: str
    """Where the file lies while it is not in its place, relative to the dataset."""


@frozen(kw_only=True)
class Operation:
    """An operation on a dataset, past or half done."""

    id: str
    state: OperationState
    """`applying`, `undoing`, `emptying`: begun, not finished; killed, stopped, or still at it."""
    plan_hash: str
    created_at: float
    """Unix seconds."""
    finished_at: float | None
    counts: Mapping[str, int] = field(factory=dict)
    """Of actions, by state."""
    quarantined_files: int = 0
    """That the quarantine holds while it is not undone."""
    quarantined_bytes: int = 0
    rows: tuple[RowReport, ...] = ()


def quarantine_of(record: Record, row: int, part: str, path: str) -> str:
    """Return the place of a file in an operation's quarantine; `part` is `old` or `new`."""
    store = record.plan.actions[row].store
    inside = path[len(store) + 1 :] if store else path
    above = f"{store}/" if store else ""
    return f"{above}.aitk/quarantine/{record.id}/{part}/{inside}"


def report(record: Record) -> Operation:
    """Return what a journal says, for those who list and show."""
    held = [
        action.identity.size
        for row, action in enumerate(record.plan.actions)
        if action.identity is not None and record.state_of(row) in ("done", "refused")
        if record.state != "emptied"
    ]
    return Operation(
        id=record.id,
        state=record.state,
        plan_hash=record.plan.hash,
        created_at=record.created_at,
        finished_at=record.finished_at,
        counts=record.counts(),
        quarantined_files=len(held),
        quarantined_bytes=sum(held),
        rows=tuple(
            RowReport(
                path=action.path,
                target=action.target,
                reason=action.reason,
                kind=action.kind,
                state=record.state_of(row),
                detail=record.facts[row].detail if row in record.facts else "",
                quarantine=quarantine_of(record, row, "old", action.path),
            )
            for row, action in enumerate(record.plan.actions)
        ),
    )


def operations(root: Path, *, system: FileSystem = REAL) -> tuple[Operation, ...]:
    """Return the operations on a dataset, the oldest first.

    Raises:
        FileMissingError: There is no such folder.
        ConflictError: A journal was written by a later version, or not by us.
    """
    with Tree(root, system) as tree:
        return tuple(report(record) for record in load_all(tree))


def find_operation(root: Path, operation: str, *, system: FileSystem = REAL) -> Operation | None:
    """Return an operation, or None where it never began.

    Raises:
        NotFoundError: There is no operation of that id.
        FileMissingError: There is no such folder.
        ConflictError: Its journal was written by a later version, or not by us.
    """
    with Tree(root, system) as tree:
        record = load(tree, operation)
        return report(record) if record is not None else None


def standing_plan(
    root: Path, plan_hash: str, *, system: FileSystem = REAL
) -> tuple[Plan, Operation] | None:
    """Return the plan of that hash that was carried out, or was begun, and its operation.

    Raises:
        FileMissingError: There is no such folder.
        ConflictError: A journal was written by a later version, or not by us.
    """
    with Tree(root, system) as tree:
        for record in reversed(load_all(tree)):
            if record.plan.hash == plan_hash and record.state not in ("undoing", "undone"):
                return record.plan, report(record)
    return None


def generated_captions(root: Path, *, system: FileSystem = REAL) -> Mapping[str, str]:
    """Return the captions that we wrote: path to SHA-256 of what was written.

    A caption of another content is a person's: it was edited since.

    Raises:
        FileMissingError: There is no such folder.
    """
    with Tree(root, system) as tree:
        return captions_in(tree).generated


def refused_captions(root: Path, *, system: FileSystem = REAL) -> frozenset[str]:
    """Return the paths of captions that we wrote and somebody refused: none is made there again.

    Raises:
        FileMissingError: There is no such folder.
    """
    with Tree(root, system) as tree:
        return frozenset(captions_in(tree).refused)


@frozen(kw_only=True)
class Captions:
    """What the journals say of captions that we wrote."""

    generated: Mapping[str, str]
    """Those that stand: path to SHA-256 of what was written."""
    filled: AbstractSet[str]
    """Those of them that took the place of an empty one."""
    refused: AbstractSet[str]
    """Those that were refused, and not written again since."""


def captions_in(tree: Tree) -> Captions:
    """Return what is known of captions in an open dataset."""
    generated: dict[str, str] = {}
    filled, refused = set[str](), set[str]()
    for record in load_all(tree):
        if record.state == "undone" or not record.is_staged:
            continue
        for row, action in enumerate(record.plan.actions):
            state = record.state_of(row)
            if action.is_generated and action.new_sha256 and state not in FINAL:
                is_first = action.path not in generated
                generated[action.path] = action.new_sha256
                refused.discard(action.path)
                # Our own caption, written again, stands where the empty one stood.
                if action.kind == "fill_caption" and is_first:
                    filled.add(action.path)
            elif action.kind == "refuse_caption" and state in ("done", "deleted"):
                generated.pop(action.path, None)
                filled.discard(action.path)
                refused.add(action.path)
    return Captions(generated=generated, filled=filled, refused=refused)
