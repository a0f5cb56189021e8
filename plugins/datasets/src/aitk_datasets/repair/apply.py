"""Carrying out a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.errors import ConflictError
from aitk_datasets.repair.faults import typed_errors
from aitk_datasets.repair.journal import QUARANTINE, Journal, load_all, make_spare
from aitk_datasets.repair.lock import locked
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.run import BATCH, resume, run_operation, units_of, verify
from aitk_datasets.repair.stage import check_space, make_own_folders, new_id
from aitk_datasets.repair.system import REAL
from aitk_datasets.repair.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_datasets.repair.journal import Record
    from aitk_datasets.repair.plan import Plan
    from aitk_datasets.repair.run import Outcome
    from aitk_datasets.repair.system import Check, FileSystem


def apply_plan(
    root: Path,
    plan: Plan,
    *,
    plan_hash: str,
    now: float,
    check: Check | None = None,
    batch: int = BATCH,
    system: FileSystem = REAL,
) -> Outcome:
    """Carry out a plan; a second time it does nothing, and one that was cut off it continues.

    Args:
        root: The dataset's folder.
        plan: As `plan_repair` gave it.
        plan_hash: What whoever confirmed the plan was shown.
        now: Unix seconds.
        check: Called between files with how many were written or moved, and how many there are.
            What it raises ends the operation there: what was done stays and can be taken back, the
            rest is left. While new files are being written nothing has been changed yet, and
            nothing stays.
        batch: Actions between two waits for the disk, at least 1.
        system: The file system's calls.

    Raises:
        ConflictError: The hash is another plan's, a file is not as planned, another operation is
            half done or under way, the disk is too full. Nothing was changed.
        NotPermittedError: A folder concerned cannot be written. Nothing was changed.
        FileMissingError: There is no such folder.
    """
    if plan.hash != plan_hash:
        raise ConflictError(
            "the plan is not the one that was confirmed", remedy="plan again and confirm that plan"
        )
    with Tree(root, system) as tree:
        make_own_folders(tree)
        with locked(tree):
            earlier = _earlier(tree, plan_hash)
            if earlier is not None and earlier.is_open:
                return resume(tree, earlier, "forward", now=now, check=check, batch=batch)
            standing = verify(tree, earlier) if earlier is not None else None
            if standing is not None and not standing.problems:
                return standing
            found = _planned_again(root, plan, check, system)
            if standing is not None and found != plan:
                return standing
            # Else nothing was done yet, or what was done is gone: as much to do as at first.
            _check_unchanged(plan, found)
            check_space(tree, plan)
            return _begin(tree, plan, now=now, check=check, batch=batch)


def _earlier(tree: Tree, plan_hash: str) -> Record | None:
    """Return the operation of this plan that stands.

    Raises:
        ConflictError: It is being undone, or another one is half done.
    """
    records = load_all(tree)
    same = [
        one
        for one in records
        if one.plan.hash == plan_hash and one.state != "undone" and "skipped" not in one.counts()
    ]
    for record in records:
        if record.is_open and not record.is_waiting and record not in same:
            raise ConflictError(
                f"operation {record.id} on this dataset is half done",
                remedy="continue or undo that operation first",
                operation=record.id,
                state=record.state,
            )
    if same and same[-1].state == "undoing":
        raise ConflictError(
            f"operation {same[-1].id} with this plan is being undone",
            remedy="finish the undo, then plan again",
            operation=same[-1].id,
        )
    return same[-1] if same else None


def _planned_again(root: Path, plan: Plan, check: Check | None, system: FileSystem) -> Plan:
    """Plan again: contents, identities, owners of captions, names taken meanwhile."""
    total = units_of(plan)
    return plan_repair(
        root,
        plan.requests,
        caption_ext=plan.caption_ext,
        check=None if check is None else lambda *_: check(0, total),
        system=system,
    )


def _check_unchanged(plan: Plan, found: Plan) -> None:
    """See that the plan is still what follows from the files.

    Raises:
        ConflictError: It is not.
    """
    if found == plan:
        return
    differing = set(plan.actions) ^ set(found.actions)
    paths = sorted({action.path for action in differing})[:20]
    raise ConflictError(
        "the files are no longer as planned"
        + (f", the first is {paths[0]!r}" if paths else "")
        + "; nothing was changed",
        remedy="plan again",
        paths=paths,
    )


def _begin(tree: Tree, plan: Plan, *, now: float, check: Check | None, batch: int) -> Outcome:
    operation = new_id(tree, now)
    with typed_errors(tree):
        make_spare(tree)
        tree.system.mkdir(tree.entry(f"{QUARANTINE}/{operation}"))
        tree.sync([QUARANTINE])
        journal = Journal.begin(tree, operation, plan, now)
    with journal:
        return run_operation(tree, journal, "forward", now=now, check=check, batch=batch)
