"""auto-improve-dataset."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field

from aitk_core.errors import BackendError, ConflictError, InvalidArgumentsError, TooLargeError
from aitk_core.evidence.dataset import DatasetEvidence
from aitk_core.protocols import Outcomes, ToolContext
from aitk_core.records.results import ToolResult
from aitk_core.wording import counted
from aitk_datasets.arguments import AutoImproveDataset
from aitk_datasets.folder.use import use_of
from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.choose import Options, refusals_of, requests_for
from aitk_datasets.repair.emptying import Emptied, Emptying, empty_quarantine, plan_emptying
from aitk_datasets.repair.history import (
    Operation,
    find_operation,
    generated_captions,
    operations,
    refused_captions,
    standing_plan,
)
from aitk_datasets.repair.latents import stale_latents
from aitk_datasets.repair.plan import Plan
from aitk_datasets.repair.planning import plan_repair
from aitk_datasets.repair.recovery import cut_off, recover
from aitk_datasets.repair.run import Outcome
from aitk_datasets.repair.undo import undo
from aitk_datasets.report.improvement import Improvement, build, summarize
from aitk_datasets.scan.collect import collect_dataset
from aitk_datasets.target import Target, find_target
from aitk_datasets.underway import conduct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aitk_datasets.repair.latents import StaleCache
    from aitk_datasets.repair.system import Check
    from aitk_datasets.underway import Work

T = TypeVar("T")


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
    _check_request(arguments)
    target = await find_target(
        context,
        dataset_path=arguments.dataset_path,
        job_id=arguments.job_id,
        config_name=arguments.config_name,
    )
    call = _Call(arguments, context, target)
    call.found = await context.run(cut_off, target.folder)
    is_change = arguments.apply or arguments.undo is not None
    if is_change and arguments.empty_quarantine is None:
        call.notes += await _refuse_in_use(context, target.folder, force=arguments.force)
        await call.look()
        # Only now: whatever refuses the call has left everything as it was.
        await call.settle()
    else:
        await call.look()
    if arguments.empty_quarantine is not None:
        await call.empty(arguments.empty_quarantine)
    elif arguments.undo is not None:
        await call.take_back(arguments.undo)
    else:
        await call.repair()
    return await call.answer()


@define
class _Call:
    """One call under way: what was seen, and what was done so far."""

    arguments: AutoImproveDataset
    context: ToolContext
    target: Target
    notes: list[str] = field(factory=list)
    found: tuple[Operation, ...] = ()
    """Operations that were half done when the call began."""
    confirmed: Plan | None = None
    """Of the hash that was given, where an earlier call began it."""
    recovered: tuple[Outcome, ...] = ()
    plan: Plan | None = None
    outcome: Outcome | None = None
    emptying: Emptying | None = None
    emptied: Emptied | None = None
    _seen: tuple[DatasetEvidence, Outcomes] | None = None

    @property
    def seen(self) -> tuple[DatasetEvidence, Outcomes]:
        """Return the dataset as it was when it was last looked at."""
        if self._seen is None:
            raise RuntimeError("not looked at yet")
        return self._seen

    async def look(self) -> None:
        """Look at the dataset."""
        self._seen = await _look(self.context, self.target, self.arguments.max_dataset_files)

    async def settle(self) -> None:
        """Bring to its end what was half done, but for what the call is about.

        Raises:
            NotFoundError: There is no such operation to take back.
        """
        folder, own = self.target.folder, self.arguments.undo
        if own is not None:
            await self.context.run(find_operation, folder, own)
        elif self.arguments.plan_hash is not None:
            standing = await self.context.run(standing_plan, folder, self.arguments.plan_hash)
            if standing is not None:
                self.confirmed, own = standing[0], standing[1].id
        self.recovered = await self._conduct(
            partial(recover, folder, prefer="settle", now=self.context.now(), leave=own),
            "settling an earlier operation",
        )
        if self.recovered:
            await self.look()

    async def empty(self, operation: str) -> None:
        """Show what a quarantine holds, and delete it where asked."""
        if not self.arguments.apply:
            self.emptying = await self.context.run(plan_emptying, self.target.folder, operation)
            return
        plan_hash = self.arguments.plan_hash or ""
        work = partial(
            empty_quarantine,
            self.target.folder,
            operation,
            plan_hash=plan_hash,
            now=self.context.now(),
        )
        self.emptied = await self._conduct(work, "deleting")
        self.emptying = self.emptied.plan

    async def take_back(self, operation: str) -> None:
        """Undo an operation."""
        work = partial(undo, self.target.folder, operation, now=self.context.now())
        self.outcome = await self._conduct(work, "taking back")

    async def repair(self) -> None:
        """Plan, or take the plan that was confirmed before, and apply it where asked.

        Raises:
            ConflictError: Another plan was confirmed.
        """
        self.notes += await self.context.run(_refused, self.target.folder)
        self.plan = self.confirmed
        if self.plan is None:
            options = None if self.arguments.refuse_captions else self.options()
            work = partial(_plan, self.target, self.seen[0], options)
            self.plan = await self._conduct(work, "planning")
            _check_confirmed(self.arguments.plan_hash, self.plan, self.recovered)
        if self.arguments.apply and self.plan.actions:
            self.outcome = await self._conduct(
                partial(
                    apply_plan,
                    self.target.folder,
                    self.plan,
                    plan_hash=self.plan.hash,
                    now=self.context.now(),
                ),
                "applying",
                len(self.plan.requests),
            )

    async def _conduct(self, work: Work[T], message: str, before: int = 0) -> T:
        before += len(self.seen[0].images)
        return await conduct(self.context, work, message=message, before=before)

    def options(self) -> Options:
        """Return what may be done."""
        return _options(self.arguments, self.target)

    async def answer(self) -> ToolResult:
        """Return what was planned and done, and look once more where something was."""
        before, after = self.seen, None
        if self.outcome is not None and self.outcome.changed:
            await self.look()
            after = self.seen
        outcomes = (*self.recovered, self.outcome) if self.outcome is not None else self.recovered
        folder = self.target.folder
        improvement = Improvement(
            target=self.target,
            options=self.options(),
            before=before,
            after=after,
            plan=self.plan,
            outcome=self.outcome,
            emptying=self.emptying,
            emptied=self.emptied,
            found=self.found,
            recovered=self.recovered,
            stale=await self.context.run(_stale, folder, self.plan, outcomes),
            operations=await self.context.run(operations, folder),
            is_applied=self.arguments.apply,
            undone=self.arguments.undo,
            config_name=self.arguments.config_name,
            notes=tuple(self.notes),
        )
        data: dict[str, Any] = await self.context.run(build, improvement)
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


def _check_confirmed(plan_hash: str | None, plan: Plan, recovered: Sequence[Outcome]) -> None:
    """See that the plan is the one that was confirmed, where one was.

    Raises:
        ConflictError: It is not.
    """
    if plan_hash in (None, plan.hash):
        return
    why = "files or options have changed"
    if recovered:
        ids = ", ".join(one.operation.id for one in recovered)
        why = f"an earlier operation ({ids}) was found half done and brought to its end first"
    raise ConflictError(
        f"the plan is not the one that was looked at: {why}",
        remedy="plan again, look at that plan and give its hash",
        plan_hash=plan.hash,
        recovered=[one.operation.id for one in recovered],
    )


def _options(arguments: AutoImproveDataset, target: Target) -> Options:
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
    extension = target.use.caption_ext if target.use is not None else ".txt"
    if options is None:
        requests = refusals_of(generated_captions(target.folder))
    else:
        refused = refused_captions(target.folder)
        requests = requests_for(evidence, options, refused=refused)
    return plan_repair(target.folder, requests, caption_ext=extension, check=check)


def _refused(folder: Path) -> list[str]:
    count = len(refused_captions(folder))
    note = f"{counted(count, 'caption')} made of file names refused: none is made there again"
    return [f"{note}; undo that operation to allow it"] if count else []


def _stale(folder: Path, plan: Plan | None, outcomes: Sequence[Outcome]) -> tuple[StaleCache, ...]:
    """Return what the trainer cached of what was changed, or would be where nothing was yet."""
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
