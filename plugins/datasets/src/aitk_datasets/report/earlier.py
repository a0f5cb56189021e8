"""What auto-improve-dataset says of earlier operations: half done, stopped, gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.wording import counted, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitk_datasets.repair.emptying import Emptied, Emptying
    from aitk_datasets.repair.history import Operation
    from aitk_datasets.repair.run import Outcome

_SHOWN: Final = 100
_ENDED: Final = {"applied": "finished", "undone": "taken_back"}


def problems(outcome: Outcome | Emptied) -> list[dict[str, Any]]:
    """Return the actions that did not come to their end."""
    return [
        {
            "paths": [shown(path) for path in problem.paths[:10]],
            "state": problem.state,
            "detail": shown(problem.detail, 300),
        }
        for problem in outcome.problems[:_SHOWN]
    ]


def emptying(plan: Emptying, emptied: Emptied | None) -> dict[str, Any]:
    """Return what emptying a quarantine would delete, and what it deleted."""
    return {
        "operation_id": plan.operation.id,
        "hash": plan.hash,
        "file_count": len(plan.files),
        "bytes": plan.size,
        "files": [
            {"path": shown(kept.path), "was": shown(kept.was), "bytes": kept.identity.size}
            for kept in plan.files[:_SHOWN]
        ],
        "foreign_count": len(plan.foreign),
        "foreign": [shown(path) for path in plan.foreign[:_SHOWN]],
        "deleted": None if emptied is None else emptied.deleted,
        "can_be_undone": (emptied or plan).operation.state != "emptied",
        "problems": [] if emptied is None else problems(emptied),
    }


def recovered(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return what became of operations that were half done before this call."""
    return [
        {
            "operation_id": one.operation.id,
            "became": _ENDED.get(one.operation.state, "still_half_done"),
            "why": one.why,
            "changed": one.changed,
            "problems": problems(one),
        }
        for one in outcomes
    ]


def earlier_notes(
    found: Iterable[Operation],
    outcomes: Iterable[Outcome],
    own: Outcome | None,
    operations: Sequence[Operation],
) -> list[str]:
    """Return what a person should know of earlier operations.

    Args:
        found: Half done when the call began.
        outcomes: Of those that the call brought to an end on its own account.
        own: Of what the call was asked to do.
        operations: All, as they are now.
    """
    became = {one.operation.id: one for one in outcomes}
    notes = []
    for operation in found:
        begin = (
            f"an earlier operation ({operation.id}) was found half done, {_progress(operation)}: "
        )
        outcome = became.get(operation.id)
        if outcome is not None:
            ending = _ENDED.get(outcome.operation.state, "gone on with, but not to its end")
            notes.append(f"{begin}{ending.replace('_', ' ')}, because {outcome.why}")
        elif own is not None and own.operation.id == operation.id:
            ending = _ENDED.get(own.operation.state, "gone on with, but not to its end")
            notes.append(f"{begin}{ending.replace('_', ' ')}, because this call asked for it")
        else:
            notes.append(
                f"{begin}the next call that changes the folder brings it to its end first; "
                "undo takes it back"
            )
    notes += [
        f"the quarantine of operation {one.id} was emptied in part: empty_quarantine deletes the "
        "rest, undo gives back what is left"
        for one in operations
        if one.state == "emptying"
    ]
    newest = operations[-1] if operations else None
    if newest is not None and newest.state == "applied" and newest.counts.get("skipped"):
        notes.append(
            f"operation {newest.id} was cancelled after {newest.counts.get('done', 0)} of "
            f"{counted(sum(newest.counts.values()), 'action')}: the rest was left, and undo takes "
            "back what was done"
        )
    return notes


def _progress(operation: Operation) -> str:
    whole = counted(sum(operation.counts.values()), "action")
    if operation.state == "undoing":
        return f"being taken back, {operation.counts.get('undone', 0)} of {whole} done"
    return f"{operation.counts.get('done', 0)} of {whole} noted as done"
