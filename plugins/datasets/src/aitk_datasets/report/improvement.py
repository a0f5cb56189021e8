"""What auto-improve-dataset answers: the contract's sections, the plan, and what became of it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.evidence.dataset import DatasetEvidence
from aitk_core.protocols import Outcomes
from aitk_core.wording import counted, shown
from aitk_datasets.folder.names import is_media
from aitk_datasets.repair.choose import Options
from aitk_datasets.repair.emptying import Emptied, Emptying
from aitk_datasets.repair.history import Operation
from aitk_datasets.repair.latents import StaleCache
from aitk_datasets.repair.plan import Plan
from aitk_datasets.repair.run import Outcome
from aitk_datasets.report.earlier import earlier_notes, emptying, problems, recovered
from aitk_datasets.report.inspection import dataset_analysis
from aitk_datasets.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SHOWN: Final = 100
"""Ours: actions, files and conflicts that the answer lists; counts are of all."""
_PATH_CHARS: Final = 1024
_OPERATIONS: Final = 20
_TEXT_CHARS: Final = 200


@frozen(kw_only=True)
class Improvement:
    """All that the answer is made of."""

    target: Target
    options: Options
    before: tuple[DatasetEvidence, Outcomes]
    after: tuple[DatasetEvidence, Outcomes] | None
    plan: Plan | None
    outcome: Outcome | None
    emptying: Emptying | None
    emptied: Emptied | None
    found: tuple[Operation, ...]
    """Half done when the call began."""
    recovered: tuple[Outcome, ...]
    """What the call made of those that it was not asked about."""
    stale: tuple[StaleCache, ...]
    operations: tuple[Operation, ...]
    is_applied: bool
    undone: str | None
    config_name: str | None
    notes: tuple[str, ...]


def build(made: Improvement) -> dict[str, Any]:
    """Return the document of auto-improve-dataset."""
    evidence = made.before[0]
    path = shown(made.target.shown, _PATH_CHARS)
    return {
        "generated_at": _moment(evidence.collected_at),
        "dataset_path": path,
        "config_name": made.config_name,
        "config_source": "config" if made.target.source == "config" else None,
        "applied": made.emptied is not None or (made.outcome is not None and made.undone is None),
        "options": {
            "fill_missing_captions": made.options.fill_missing_captions,
            "fill_empty_captions": made.options.fill_empty_captions,
            "quarantine_duplicates": made.options.quarantine_duplicates,
            "quarantine_corrupt": made.options.quarantine_corrupt,
            "near_duplicates": made.options.near_duplicates,
            "apply_rotation": made.options.apply_rotation,
            "convert_formats": made.options.convert_formats,
            "reencode_captions": made.options.reencode_captions,
            "resize_above": made.options.resize_above,
            "trigger_word": made.options.trigger_word or "",
        },
        "analysis_before": dataset_analysis(path, *made.before),
        "inspection": _inspection(path, made),
        "plan_actions": _plan_actions(made),
        "plan": None if made.plan is None else _plan(made.plan),
        "apply_result": _result(made) if made.undone is None else {"skipped": True},
        "undo_result": _changes(made.outcome)
        if made.undone is not None and made.outcome is not None
        else {"skipped": True},
        "analysis_after": {"skipped": True}
        if made.after is None
        else dataset_analysis(path, *made.after),
        "quarantine_result": {"skipped": True}
        if made.emptying is None
        else emptying(made.emptying, made.emptied),
        "recovered": recovered(made.recovered),
        "stale_latents": _stale(made.stale),
        "operations": [
            {
                "id": one.id,
                "state": one.state,
                "created_at": _moment(one.created_at),
                "actions": sum(one.counts.values()),
                "skipped": one.counts.get("skipped", 0),
                "quarantined_files": one.quarantined_files,
                "quarantined_bytes": one.quarantined_bytes,
            }
            for one in made.operations[-_OPERATIONS:]
        ],
        "notes": [
            *earlier_notes(made.found, made.recovered, made.outcome, made.operations),
            *made.notes,
            *made.before[1].notes,
        ],
    }


def _moment(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    return at.replace("+00:00", "Z")


def _inspection(path: str, made: Improvement) -> dict[str, Any]:
    evidence = made.before[0]
    by_reason: dict[str, list[str]] = {}
    for request in made.plan.requests if made.plan is not None else ():
        by_reason.setdefault(request.reason, []).append(request.path)

    def files(*starts: str) -> list[str]:
        return [
            shown(one)
            for reason, paths in by_reason.items()
            if reason.startswith(starts)
            for one in paths
        ][:_SHOWN]

    removals = {one.path for one in _requests(made, "remove_image")}
    corrupt = [one for one in removals if not _reason(made, one).startswith("DUPLICATE")]
    return {
        "dataset_path": path,
        "exists": True,
        "missing_caption_files": files("CAPTION_MISSING"),
        "empty_caption_files": files("CAPTION_EMPTY"),
        "duplicate_files": files("DUPLICATE"),
        "corrupt_files": [shown(one) for one in sorted(corrupt)][:_SHOWN],
        "scanned_images": len(evidence.images),
    }


def _requests(made: Improvement, kind: str) -> Iterable[Any]:
    requests = () if made.plan is None else made.plan.requests
    return [request for request in requests if request.kind == kind]


def _reason(made: Improvement, path: str) -> str:
    return next((one.reason for one in _requests(made, "remove_image") if one.path == path), "")


def _plan_actions(made: Improvement) -> list[dict[str, Any]]:
    """Return the contract's counts: what is planned, by kind."""
    options = made.options
    captions = Counter(request.reason for request in _requests(made, "write_caption"))
    removals = [request.reason for request in _requests(made, "remove_image")]
    duplicates = sum(reason.startswith("DUPLICATE") for reason in removals)
    rewrites = len(list(_requests(made, "rewrite_image")))
    actions = () if made.plan is None else made.plan.actions
    refused = sum(action.kind == "refuse_caption" for action in actions)
    counts: Mapping[str, tuple[int, bool]] = {
        "create_missing_captions": (captions["CAPTION_MISSING"], options.fill_missing_captions),
        "fill_empty_captions": (captions["CAPTION_EMPTY"], options.fill_empty_captions),
        "quarantine_duplicates": (duplicates, options.quarantine_duplicates),
        "quarantine_corrupt": (len(removals) - duplicates, options.quarantine_corrupt),
        "rewrite_images": (
            rewrites,
            options.apply_rotation or options.convert_formats or options.resize_above is not None,
        ),
        "reencode_captions": (
            len(list(_requests(made, "reencode_caption"))),
            options.reencode_captions,
        ),
        "refuse_captions": (refused, bool(refused)),
    }
    return [
        {"action": name, "count": count, "enabled": enabled}
        for name, (count, enabled) in counts.items()
    ]


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "hash": plan.hash,
        "action_count": len(plan.actions),
        "actions": [
            {
                "kind": action.kind,
                "path": shown(action.path),
                "reason": action.reason,
                "text": None if action.text is None else shown(action.text, _TEXT_CHARS),
            }
            for action in plan.actions[:_SHOWN]
        ],
        "conflicts": [
            {
                "code": conflict.code,
                "paths": [shown(path) for path in conflict.paths[:10]],
                "message": shown(conflict.message, 300),
            }
            for conflict in plan.conflicts[:_SHOWN]
        ],
        "kept_captions": [
            {"path": shown(kept.path), "needed_by": shown(kept.needed_by)}
            for kept in plan.kept[:_SHOWN]
        ],
        "quarantined_bytes": plan.quarantined_bytes,
    }


def _stale(found: Sequence[StaleCache]) -> dict[str, Any]:
    reused = sum(one.is_reused for one in found)
    advice = None
    if reused:
        advice = (
            "delete the files that are reused before the next training: the trainer knows them by "
            "the picture's name and size, and would train the old picture"
        )
    elif found:
        advice = "nothing need be done: the trainer reads none of these files again"
    return {
        "count": len(found),
        "reused_count": reused,
        "files": [
            {
                "path": shown(one.path),
                "of": shown(one.of),
                "cache": one.cache,
                "is_reused": one.is_reused,
            }
            for one in sorted(found, key=lambda one: not one.is_reused)[:_SHOWN]
        ],
        "advice": advice,
    }


def _changes(outcome: Outcome) -> dict[str, Any]:
    return {
        "operation_id": outcome.operation.id,
        "state": outcome.operation.state,
        "changed": outcome.changed,
        "was_done": outcome.was_done,
        "is_finished": outcome.is_finished,
        "problems": problems(outcome),
    }


def _result(made: Improvement) -> dict[str, Any]:
    """Return the contract's counts of what was done."""
    if made.outcome is None:
        return {"skipped": True}
    done = [row for row in made.outcome.operation.rows if row.state == "done"]
    kinds = Counter(row.kind for row in done)
    moved = [
        {"type": _moved(row.reason, row.path), "path": shown(row.quarantine)}
        for row in done
        if row.kind == "move"
    ]
    types = Counter(one["type"] for one in moved)
    return {
        "captions_created": kinds["create_caption"],
        "empty_captions_filled": kinds["fill_caption"],
        "captions_refused": kinds["refuse_caption"],
        "duplicates_quarantined": types["duplicate_image"],
        "corrupt_quarantined": types["corrupt_image"],
        "moved_files": moved[:_SHOWN],
        **_changes(made.outcome),
    }


def _of_quarantine(told: Mapping[str, Any]) -> list[str]:
    of = f"the quarantine of operation {told['operation_id']}"
    if told["deleted"] is not None:
        end = "the operation can still be undone in part"
        if not told["can_be_undone"]:
            end = "the operation cannot be undone any more"
        lines = [f"{counted(told['deleted'], 'file')} deleted from {of}; {end}."]
    elif not told["can_be_undone"]:
        lines = [f"{of} was emptied before; the operation cannot be undone any more."]
    else:
        files = counted(told["file_count"], "file")
        lines = [
            f"{files}, {told['bytes']} bytes, would be deleted for good from {of}.",
            f"Nothing was deleted. Delete with apply and plan_hash {told['hash']}.",
        ]
    if told["foreign_count"]:
        files = counted(told["foreign_count"], "file")
        lines.append(f"{files} there, such as {told['foreign'][0]}: not ours, so kept.")
    return lines + [f"- {one['detail']}: {', '.join(one['paths'])}" for one in told["problems"][:5]]


def _moved(reason: str, path: str) -> str:
    what = "image" if is_media(path) else "caption"
    return f"duplicate_{what}" if reason.startswith("DUPLICATE") else f"corrupt_{what}"


def summarize(data: Mapping[str, Any]) -> str:
    """Return a few lines for a person."""
    earlier = [f"- {note}" for note in data["notes"] if "operation" in note]
    stale = data["stale_latents"]
    if stale["reused_count"]:
        files = counted(stale["reused_count"], "cached file")
        earlier.append(f"- {files} of the trainer's: {stale['advice']}")
    if "operation_id" in data["quarantine_result"]:
        return "\n".join([*_of_quarantine(data["quarantine_result"]), *earlier])
    if "operation_id" in data["undo_result"]:
        back = data["undo_result"]
        line = (
            f"{data['dataset_path']}: operation {back['operation_id']} taken back, "
            f"{counted(back['changed'], 'action')}; {counted(len(back['problems']), 'problem')}."
        )
        return "\n".join([line, *earlier])
    planned = [one for one in data["plan_actions"] if one["count"]]
    lines = [f"{data['dataset_path']}: " + ("nothing to do." if not planned else "")]
    verb = "done" if data["applied"] else "planned"
    lines += [f"- {one['action']}: {one['count']} {verb}" for one in planned]
    plan = data["plan"]
    if planned and not data["applied"]:
        lines.append(f"Nothing was changed. Apply with plan_hash {plan['hash']}.")
    result = data["apply_result"]
    if "operation_id" in result:
        lines.append(
            f"Operation {result['operation_id']}: {counted(result['changed'], 'action')}; "
            "take it back with undo."
        )
    lines += [f"- {conflict['message']}" for conflict in (plan or {}).get("conflicts", ())[:5]]
    if {"create_missing_captions", "fill_empty_captions"} & {one["action"] for one in planned}:
        lines.append("Captions are made from file names: placeholders, better written by a person.")
    return "\n".join(lines + earlier)
