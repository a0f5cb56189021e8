"""One look at a run: what is new is read, judged by the installed analyzers, put into numbers."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Final

from attrs import evolve

from aitk_core.errors import BackendError, NotFoundError
from aitk_core.evidence.follow import RunFollower, of_this_launch
from aitk_core.evidence.liveness import Observation, assess_liveness, launched_at
from aitk_core.evidence.records import LOSS, VALIDATION_LOSS
from aitk_guardrails.rules.reading import Reading

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.follow import Tick
    from aitk_core.evidence.liveness import Liveness
    from aitk_core.evidence.records import RunEvidence
    from aitk_core.protocols import Outcomes, ToolContext
    from aitk_guardrails.rules.memory import Memory

_NEWEST: Final = 5
"""Ours: gaps between steps whose median is the speed now: a pause for a sample does not move it.
A run that stands still has no speed; that is for the stall."""
_GPU_EVERY: Final = 6
"""Ours: looks of which one asks for the GPU's memory; the peak of a run lasts longer."""
_LOG_EVERY: Final = 3
"""Ours: looks of which one reads the log, where rows are read for many watches at once."""
_MEMORY: Final = "memory"
"""Category of failures in the catalogues."""


class Looker:
    """Follows one run for one watch; another server that takes over makes its own."""

    def __init__(self, context: ToolContext, job_id: str) -> None:
        """Ask for nothing yet."""
        self._context = context
        self._follower = RunFollower(context, job_id, keys=(VALIDATION_LOSS,), system=False)
        self._before: Tick | None = None
        self._since_log = 0
        self._looks = 0

    async def look(self, memory: Memory, row: JobRow | None = None) -> Reading:
        """Look once.

        Args:
            memory: Of the watch; read only.
            row: The job's row, where it was just read for all watches at once.

        Raises:
            JobNotFoundError: There is no such job, or no longer.
            BackendError: The job's row could not be read.
        """
        context, before = self._context, self._before
        with_log = self._wants_log(row)
        tick = await self._follower.tick(job=row, with_log=with_log)
        self._before = tick
        self._since_log = 0 if with_log else self._since_log + 1
        evidence = await context.run(self._evidence)
        outcomes = await context.analyze("run", evidence)
        free = await context.run(_free_disk, self._outputs())
        reading = await context.run(_reading, tick, before, evidence, outcomes, memory, free)
        return evolve(reading, gpu_used_mib=await self._gpu_used(tick.job))

    async def _gpu_used(self, job: JobRow) -> float | None:
        """Return the memory in use on the job's first GPU, asked for at every sixth look."""
        self._looks += 1
        if job.status != "running" or self._looks % _GPU_EVERY != 1:
            return None
        try:
            found = (await self._context.backend.gpu()).gpus
        except BackendError:
            return None
        first = (job.gpu_ids or "").partition(",")[0]
        return next((gpu.memory_used_mib for gpu in found if str(gpu.index) == first), None)

    def _wants_log(self, row: JobRow | None) -> bool:
        """Tell whether this look reads on in the log.

        A run whose losses come says there what else there is to say; then every third look is
        enough. Whatever else happens is looked into at once.
        """
        before = self._before
        if before is None or row is None or not before.added.get(LOSS):
            return True
        moved = row.info != before.job.info or row.status != before.job.status
        return moved or bool(before.missing) or self._since_log >= _LOG_EVERY - 1

    def _evidence(self) -> RunEvidence:
        return of_this_launch(self._follower.evidence())

    def _outputs(self) -> Path | None:
        try:
            return self._context.paths.root("outputs")
        except NotFoundError:
            return None


def _reading(
    tick: Tick,
    before: Tick | None,
    evidence: RunEvidence,
    outcomes: Outcomes,
    memory: Memory,
    free_disk_bytes: int | None,
) -> Reading:
    job = tick.job
    grew = _grew(tick, before, memory)
    alive = _liveness(tick, before, evidence, memory, grew=grew)
    launched = launched_at(job) if job.status == "running" else None
    return Reading(
        at=tick.at,
        status=job.status,
        step=job.step,
        total_steps=job.planned_steps,
        progress_percent=job.progress_percent,
        info=job.info or "",
        phase=alive.phase,
        liveness=alive,
        findings=tuple(
            finding for analysis in outcomes.analyses.values() for finding in analysis.findings
        ),
        oom_count=_oom_count(evidence),
        iter_per_sec=_iter_per_sec(evidence, alive),
        free_disk_bytes=free_disk_bytes,
        running_s=None if launched is None else max(0.0, tick.at - launched),
        validation_rise=_validation_rise(evidence),
        grew=grew,
        launched=launched,
        missing=tuple(tick.missing),
    )


def _grew(tick: Tick, before: Tick | None, memory: Memory) -> bool:
    """Tell whether there is a sign of work since the last look, this server's or another's."""
    if before is None:
        # What the first look of a server reads may be what the one before it had read.
        return memory.last_step is None or tick.job.step != memory.last_step
    moved = before.job.step != tick.job.step or before.job.status != tick.job.status
    return moved or tick.log_bytes != 0 or any(tick.added.values())


def _liveness(
    tick: Tick, before: Tick | None, evidence: RunEvidence, memory: Memory, *, grew: bool
) -> Liveness:
    observation = None
    if before is not None:
        steps = (
            None
            if before.job.step is None or tick.job.step is None
            else tick.job.step - before.job.step
        )
        # From when something last moved, so that looks close together add up.
        since = tick.at if grew else (memory.grew_at or before.at)
        observation = Observation(
            seconds=max(tick.at - since, tick.at - before.at),
            steps=steps,
            log_bytes=tick.log_bytes,
        )
    alive = assess_liveness(
        tick.job, now=tick.at, loss=evidence.loss, log=evidence.log, observation=observation
    )
    if alive.verdict == "undetermined" and tick.job.status == "running" and not grew:
        return _silent(alive, tick.at - (memory.grew_at or tick.at))
    return alive


def _silent(alive: Liveness, silence_s: float) -> Liveness:
    """Judge a run without metrics by the time in which no look saw anything move."""
    if alive.limit_s is None or silence_s <= alive.limit_s:
        return alive
    return evolve(
        alive,
        verdict="stuck",
        silence_s=silence_s,
        failed=True,
        reason=f"nothing moved for {silence_s:.0f} s, {alive.limit_s:.0f} s are allowed in "
        f"{alive.phase}",
    )


def _oom_count(evidence: RunEvidence) -> int | None:
    if evidence.log is None:
        return None
    # A traceback names the same failure on several lines.
    places = {
        hit.traceback or hit.number for hit in evidence.hits if hit.signature.category == _MEMORY
    }
    return len(places)


def _iter_per_sec(evidence: RunEvidence, alive: Liveness) -> float | None:
    """Return the speed now; None where it does not train, or no step has a time."""
    import numpy as np

    from aitk_core.statistics.speed import gaps_of, median_of

    loss, job = evidence.loss, evidence.job
    if job.status != "running" or alive.phase != "training" or loss is None or len(loss) <= 1:
        return None
    times = np.asarray(loss.wall_times[-4 * _NEWEST :], dtype=np.float64)
    if not np.isfinite(times).all():
        return None
    per_step = gaps_of(times, np.asarray(loss.steps[-4 * _NEWEST :])).per_step_s[-_NEWEST:]
    if not len(per_step):
        return None
    middle = median_of(per_step)
    return 1 / middle if middle > 0 else None


def _validation_rise(evidence: RunEvidence) -> float | None:
    series = evidence.validation_loss
    values = [v for v in (series.values if series else ()) if math.isfinite(v) and v > 0]
    return values[-1] / min(values) - 1 if values else None


def _free_disk(folder: Path | None) -> int | None:
    if folder is None:
        return None
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
