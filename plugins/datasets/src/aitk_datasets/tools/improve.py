"""auto-improve-dataset."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aitk_core.errors import BackendError, ConflictError, InvalidArgumentsError, TooLargeError
from aitk_core.records.results import ToolResult
from aitk_datasets.folder.use import use_of
from aitk_datasets.said import counted
from aitk_datasets.target import find_target
from aitk_datasets.underway import conduct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aitk_core.evidence.dataset import DatasetEvidence
    from aitk_core.protocols import Outcomes, ToolContext
    from aitk_datasets.arguments import AutoImproveDataset
    from aitk_datasets.repair.choose import Options
    from aitk_datasets.repair.emptying import Emptied, Emptying
    from aitk_datasets.repair.history import Operation
    from aitk_datasets.repair.latents import StaleCache
    from aitk_datasets.repair.plan import Plan
    from aitk_datasets.repair.run import Outcome
    from aitk_datasets.repair.system import Check
    from aitk_datasets.target import Target


async def auto_improve_dataset(arguments: AutoImproveDataset, context: ToolContext) -> ToolResult:
    """Plan the repair of a dataset, carry it out where asked, or take one back.

    A call that changes anything first brings to an end what an earlier, killed call left half
    done. A call that is cancelled ends between two files.

    Raises:
        InvalidArgumentsError: No folder is named, it is none, or the request contradicts itself.
        PathOutsideRootsError: It lies in no root.
        TooLargeError: It holds more pictures than may be looked at.
        ConflictError: Another plan was confirmed, a job uses the folder, or somebody else is at it.
        NotFoundError: There is no such operation to take back.
    """
    from aitk_datasets.report.improvement import Improvement, build, summarize

    target = await find_target(
        context,
        dataset_path=arguments.dataset_path,
        job_id=arguments.job_id,
        config_name=arguments.config_name,
    )
    _check_request(arguments)
    options = _options(arguments, target)
    notes: list[str] = []
    found = await context.run(_cut_off, target.folder)
    confirmed: tuple[Plan, Operation] | None = None
    recovered: tuple[Outcome, ...] = ()
    is_repair = arguments.empty_quarantine is None
    if is_repair and (arguments.apply or arguments.undo is not None):
        notes += await _refuse_in_use(context, target.folder, force=arguments.force)
        if arguments.undo is None and arguments.plan_hash is not None:
            confirmed = await context.run(_standing, target.folder, arguments.plan_hash)
        own = arguments.undo if confirmed is None else confirmed[1].id
        recovered = await conduct(
            context,
            partial(_recover, target.folder, context.now(), own),
            message="bringing an earlier operation to its end",
        )
    before = await _look(context, target, arguments.max_dataset_files)
    plan: Plan | None = None
    outcome: Outcome | None = None
    emptying: Emptying | None = None
    emptied: Emptied | None = None
    if arguments.empty_quarantine is not None:
        emptying = await context.run(_plan_emptying, target.folder, arguments.empty_quarantine)
        if arguments.apply:
            emptied = await conduct(
                context,
                partial(_empty, target.folder, arguments, context.now()),
                message="deleting",
                before=len(before[0].images),
            )
            emptying = emptied.plan
    elif arguments.undo is not None:
        outcome = await conduct(
            context,
            partial(_undo, target.folder, arguments.undo, context.now()),
            message="taking back",
            before=len(before[0].images),
        )
    else:
        notes += await context.run(_refused, target.folder)
        plan = await _confirmed_plan(arguments, context, target, before[0], options, confirmed)
        if arguments.apply and plan.actions:
            outcome = await conduct(
                context,
                partial(_apply, target.folder, plan, context.now()),
                message="applying",
                before=len(before[0].images) + len(plan.requests),
            )
    after = None
    if outcome is not None and outcome.changed:
        after = await _look(context, target, arguments.max_dataset_files)
    outcomes = (*recovered, outcome) if outcome is not None else recovered
    improvement = Improvement(
        target=target,
        options=options,
        before=before,
        after=after,
        plan=plan,
        outcome=outcome,
        emptying=emptying,
        emptied=emptied,
        found=found,
        recovered=recovered,
        stale=await context.run(_stale, target.folder, plan, outcomes),
        operations=await context.run(_operations, target.folder),
        is_applied=arguments.apply,
        undone=arguments.undo,
        config_name=arguments.config_name,
        notes=tuple(notes),
    )
    data: dict[str, Any] = await context.run(build, improvement)
    return ToolResult(data=data, summary=summarize(data))


def _check_request(arguments: AutoImproveDataset) -> None:
    """See that one thing is asked for, and that a deletion was looked at.

    Raises:
        InvalidArgumentsError: It is not so.
    """
    asked = [
        name
        for name, is_asked in (
            ("empty_quarantine", arguments.empty_quarantine is not None),
            ("undo", arguments.undo is not None),
            ("refuse_captions", arguments.refuse_captions),
        )
        if is_asked
    ]
    fault = None
    if len(asked) > 1:
        fault = asked[1], f"{asked[0]} and {asked[1]} exclude each other"
    elif asked == ["empty_quarantine"] and arguments.apply and arguments.plan_hash is None:
        fault = "plan_hash", "is required to delete: the hash of what would be deleted"
    if fault is not None:
        raise InvalidArgumentsError(
            f"{fault[0]}: {fault[1]}",
            remedy="ask for one thing; to delete, look at what would be deleted first",
            faults=[{"path": f"/{fault[0]}", "message": fault[1]}],
        )


async def _confirmed_plan(
    arguments: AutoImproveDataset,
    context: ToolContext,
    target: Target,
    evidence: DatasetEvidence,
    options: Options,
    confirmed: tuple[Plan, Operation] | None,
) -> Plan:
    """Return the plan: that of an earlier call where its hash is given again, else a new one.

    Raises:
        ConflictError: Another plan's hash was given.
    """
    if confirmed is not None:
        return confirmed[0]
    plan = await conduct(
        context,
        partial(_plan, target, evidence, None if arguments.refuse_captions else options),
        message="planning",
        before=len(evidence.images),
    )
    if arguments.plan_hash not in (None, plan.hash):
        raise ConflictError(
            "the plan is not the one that was looked at: files or options have changed",
            remedy="plan again, look at that plan and give its hash",
            plan_hash=plan.hash,
        )
    return plan


def _options(arguments: AutoImproveDataset, target: Target) -> Options:
    from aitk_datasets.repair.choose import Options

    configured = target.use.trigger_word if target.use is not None else None
    return Options(
        fill_missing_captions=arguments.fill_missing_captions,
        fill_empty_captions=arguments.fill_empty_captions,
        quarantine_duplicates=arguments.quarantine_duplicates,
        near_duplicates=arguments.near_duplicates,
        quarantine_corrupt=arguments.quarantine_corrupt,
        apply_rotation=arguments.apply_rotation,
        convert_formats=arguments.convert_formats,
        reencode_captions=arguments.reencode_captions,
        resize_above=arguments.resize_above,
        trigger_word=arguments.trigger_word or configured,
    )


async def _look(
    context: ToolContext, target: Target, most: int
) -> tuple[DatasetEvidence, Outcomes]:
    from aitk_datasets.repair.history import generated_captions
    from aitk_datasets.scan.collect import collect_dataset

    generated = await context.run(generated_captions, target.folder)
    evidence = await collect_dataset(
        context, target.folder, use=target.use, max_files=most, generated=generated
    )
    if evidence.is_limited and "images" not in evidence.missing:
        raise TooLargeError(
            f"{evidence.found_images} pictures are more than {most}: a part of them is no ground "
            "for moving files",
            remedy="raise max_dataset_files",
            limit=most,
        )
    if "images" in evidence.missing:
        raise ConflictError(
            "the folder was not looked at to its end in the time of this call",
            remedy="call again: what was looked at is kept, and the next call goes on from there",
        )
    return evidence, await context.analyze("dataset", evidence)


async def _refuse_in_use(context: ToolContext, folder: Path, *, force: bool) -> list[str]:
    """Return a note where jobs could not be asked, or whose folder is changed all the same."""
    try:
        found = await context.backend.jobs(only_active=True)
    except BackendError as error:
        return [f"jobs that use the folder are not known: {error.code}"]
    users = [job.name or job.id for job in found.jobs if use_of(job.config, str(folder))]
    if users and not force:
        raise ConflictError(
            f"{', '.join(users[:3])} trains on this folder or waits to",
            remedy="stop the job first, or give force",
            jobs=users[:10],
        )
    return [f"changed while {', '.join(users[:3])} uses the folder"] if users else []


def _plan(target: Target, evidence: DatasetEvidence, options: Options | None, check: Check) -> Plan:
    """Return the plan; without options that of refusing the captions that were made."""
    from aitk_datasets.repair.choose import refusals_of, requests_for
    from aitk_datasets.repair.history import generated_captions, refused_captions
    from aitk_datasets.repair.planning import plan_repair

    extension = target.use.caption_ext if target.use is not None else ".txt"
    if options is None:
        requests = refusals_of(generated_captions(target.folder))
    else:
        refused = refused_captions(target.folder)
        requests = requests_for(evidence, options, refused=refused)
    return plan_repair(target.folder, requests, caption_ext=extension, check=check)


def _apply(folder: Path, plan: Plan, now: float, check: Check) -> Outcome:
    from aitk_datasets.repair.apply import apply_plan

    return apply_plan(folder, plan, plan_hash=plan.hash, now=now, check=check)


def _undo(folder: Path, operation: str, now: float, check: Check) -> Outcome:
    from aitk_datasets.repair.undo import undo

    return undo(folder, operation, now=now, check=check)


def _recover(folder: Path, now: float, own: str | None, check: Check) -> tuple[Outcome, ...]:
    from aitk_datasets.repair.recovery import recover

    return recover(folder, prefer="settle", now=now, leave=own, check=check)


def _refused(folder: Path) -> list[str]:
    from aitk_datasets.repair.history import refused_captions

    count = len(refused_captions(folder))
    note = f"{counted(count, 'caption')} made of file names refused: none is made there again"
    return [f"{note}; undo that operation to allow it"] if count else []


def _plan_emptying(folder: Path, operation: str) -> Emptying:
    from aitk_datasets.repair.emptying import plan_emptying

    return plan_emptying(folder, operation)


def _empty(folder: Path, arguments: AutoImproveDataset, now: float, check: Check) -> Emptied:
    from aitk_datasets.repair.emptying import empty_quarantine

    operation, plan_hash = arguments.empty_quarantine or "", arguments.plan_hash or ""
    return empty_quarantine(folder, operation, plan_hash=plan_hash, now=now, check=check)


def _cut_off(folder: Path) -> tuple[Operation, ...]:
    from aitk_datasets.repair.recovery import cut_off

    return cut_off(folder)


def _standing(folder: Path, plan_hash: str) -> tuple[Plan, Operation] | None:
    from aitk_datasets.repair.history import standing_plan

    return standing_plan(folder, plan_hash)


def _stale(folder: Path, plan: Plan | None, outcomes: Sequence[Outcome]) -> tuple[StaleCache, ...]:
    """Return what the trainer cached of what was changed, or would be where nothing was yet."""
    from aitk_datasets.repair.latents import stale_latents

    if not outcomes:
        return () if plan is None else stale_latents(folder, plan.actions)
    found: list[StaleCache] = []
    for outcome in outcomes:
        if outcome.changed:
            operation = outcome.operation
            is_back = operation.state in ("undoing", "undone")
            rows = [row for row in operation.rows if row.state in ("done", "undone")]
            found += stale_latents(folder, rows, since=operation.created_at if is_back else None)
    return tuple(found)


def _operations(folder: Path) -> tuple[Operation, ...]:
    from aitk_datasets.repair.history import operations

    return operations(folder)
