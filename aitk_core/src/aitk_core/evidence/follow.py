"""Follows a run: every look asks the backend for what is new, and costs no more than that.

    follower = RunFollower(context, job_id)
    while True:
        tick = await follower.tick()
        evidence = await context.run(follower.evidence)

A look makes one request for the job's row, one for the loss, one for the log, and where they
are wanted one for the GPUs and one for the processor; a metric besides the loss costs one more
where the run has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from aitk_core.backend.records import CpuInfo, GpuAnswer, JobRow
from aitk_core.evidence.collector import KEPT_LINES, add_from_bars, bar_name, failures_of, optional
from aitk_core.evidence.config import read_config
from aitk_core.evidence.failures import FailureCatalogue
from aitk_core.evidence.growing import GrowingLog, GrowingSeries
from aitk_core.evidence.liveness import launched_at
from aitk_core.evidence.records import LEARNING_RATE, LOSS, VALIDATION_LOSS, RunEvidence

if TYPE_CHECKING:
    from aitk_core.backend.records import LogChunk
    from aitk_core.evidence.growing import Growth
    from aitk_core.evidence.records import LogFacts, Series
    from aitk_core.protocols import ToolContext

WINDOW_POINTS: Final = 2000
"""Ours: ten times what the most demanding method of `aitk_core.statistics` needs at least, so
that verdicts are possible, and a fixed cost for judging a run of any length."""

_NAMES: Final = {
    LOSS: "metrics",
    VALIDATION_LOSS: "validation metrics",
    LEARNING_RATE: "learning rate",
}
"""What a metric is called in `missing`; the first two as `collect_run` calls them."""


@frozen(kw_only=True)
class Tick:
    """What one look found."""

    at: float
    """Unix seconds."""
    job: JobRow
    gpu: GpuAnswer | None = None
    cpu: CpuInfo | None = None
    added: Mapping[str, int] = field(factory=dict)
    """Points that are new since the look before, by metric; a key that was not read is absent."""
    dropped: Mapping[str, int] = field(factory=dict)
    """Points that were known and are so no more: the run went back to an earlier step."""
    log_bytes: int = 0
    """By how much the log grew; negative where another one took its place."""
    log_restarted: bool = False
    """Another log took the place of the one read before, which no longer counts."""
    missing: Mapping[str, str] = field(factory=dict)
    """What could not be read this time, and why."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each thing that was thrown away."""
        said = [
            f"{count} points of {key} were dropped: the run went back to an earlier step"
            for key, count in self.dropped.items()
        ]
        if self.log_restarted:
            said.append("the log began anew: what stood in the one before no longer counts")
        return tuple(said)


class RunFollower:
    """Keeps what is known of one run up to date.

    The first look reads everything there is, as `collect_run` does: the log's last 5 MiB and
    the metrics up to the client's limit. Later looks read what is new. For one task only; after
    a look that was cancelled, make another follower.
    """

    def __init__(
        self,
        context: ToolContext,
        job_id: str,
        *,
        config: Mapping[str, Any] | None = None,
        keys: tuple[str, ...] = (VALIDATION_LOSS, LEARNING_RATE),
        system: bool = True,
        window: int = WINDOW_POINTS,
        keep_lines: int = KEPT_LINES,
    ) -> None:
        """Ask for nothing yet.

        Args:
            context: Its backend is asked, its workers read the log.
            job_id: The job.
            config: A job config that is to count in place of the job's own.
            keys: Metrics to read beside the loss, where the run has them.
            system: Whether to ask for GPUs and processor.
            window: Newest points of a metric that `evidence` shows, 1 or more.
            keep_lines: Newest lines of the log that it shows, 0 or more.
        """
        self._context = context
        self._job_id = job_id
        self._config = config
        self._system = system
        self._window = window
        self._keep_lines = keep_lines
        self._series = {key: GrowingSeries(key) for key in dict.fromkeys((LOSS, *keys))}
        self._keys: tuple[str, ...] = ()
        self._log: GrowingLog | None = None
        self._failures = FailureCatalogue()
        self._tick: Tick | None = None

    async def tick(self, *, job: JobRow | None = None, with_log: bool = True) -> Tick:
        """Look at the run once.

        Args:
            job: Its row, where somebody has just read it; None to ask for it.
            with_log: Whether to read on in the log; it is read all the same where another launch
                of the job may have begun one, and at the first look.

        Raises:
            JobNotFoundError: There is no such job, or no longer.
            BackendError: The job's row could not be read; nothing was changed, so the next
                look may go on. Whatever else could not be read is named in `missing`.
        """
        backend, job_id = self._context.backend, self._job_id
        job = await backend.job(job_id) if job is None else job
        missing: dict[str, str] = {}
        log, before = self._log, self._tick
        if log is not None and before is not None and _is_other_launch(before.job, job):
            # A log that grew past the old offset by now would seem to go on (API.md 4.8).
            log = None
        loss, chunk, (gpu, cpu) = await asyncio.gather(
            optional(_NAMES[LOSS], self._series[LOSS].advance(backend, job_id), missing),
            self._chunk(log, missing, wanted=with_log or log is None),
            self._machine(missing),
        )
        grown = {} if loss is None else {LOSS: loss, **await self._further(loss, missing)}
        size, restarted = self._size_bytes, False
        if chunk is not None:
            restarted = await self._context.run(self._take, log, chunk, job)
        self._failures = await self._context.failure_catalogue()
        tick = Tick(
            at=self._context.now(),
            job=job,
            gpu=gpu,
            cpu=cpu,
            added={key: growth.added for key, growth in grown.items()},
            dropped={key: growth.dropped for key, growth in grown.items() if growth.dropped},
            log_bytes=self._size_bytes - size,
            log_restarted=restarted,
            missing=missing,
        )
        self._tick = tick
        return tick

    def evidence(self) -> RunEvidence:
        """Return the newest points and lines as evidence, as of the last look.

        Takes time that depends on the window, not on the length of the run; call it through
        `context.run`.

        Raises:
            ValueError: There was no look yet.
        """
        tick = self._tick
        if tick is None:
            raise ValueError("there was no look at the run yet")
        log = None if self._log is None else self._log.facts(self._window)
        return RunEvidence(
            job=tick.job,
            config=read_config(self._config if self._config is not None else tick.job.config),
            series=self._shown(log),
            metric_keys=self._keys,
            log=log,
            # Through the lines that are shown, whose number is bounded.
            hits=failures_of(self._failures, tick.job, log).hits,
            gpu=tick.gpu,
            cpu=tick.cpu,
            collected_at=tick.at,
            missing=tick.missing,
        )

    async def _chunk(
        self, log: GrowingLog | None, missing: dict[str, str], *, wanted: bool
    ) -> LogChunk | None:
        """Return what is new in the log, None where it was not wanted or could not be read."""
        if not wanted:
            return None
        backend, job_id = self._context.backend, self._job_id
        asked = backend.log_tail(job_id) if log is None else backend.log_since(job_id, log.offset)
        return await optional("log", asked, missing)

    @property
    def _size_bytes(self) -> int:
        return 0 if self._log is None else self._log.size_bytes

    async def _machine(self, missing: dict[str, str]) -> tuple[GpuAnswer | None, CpuInfo | None]:
        if not self._system:
            return None, None
        backend = self._context.backend
        return await asyncio.gather(
            optional("gpu", backend.gpu(), missing), optional("cpu", backend.cpu(), missing)
        )

    async def _further(self, loss: Growth, missing: dict[str, str]) -> dict[str, Growth]:
        """Read the metrics beside the loss that the run has, or had until now."""
        self._keys = loss.keys
        wanted = [
            series
            for key, series in self._series.items()
            if key != LOSS and (key in loss.keys or len(series))
        ]
        grown = await asyncio.gather(
            *(
                optional(
                    _NAMES.get(series.key, series.key),
                    series.advance(self._context.backend, self._job_id),
                    missing,
                )
                for series in wanted
            )
        )
        return {
            series.key: growth
            for series, growth in zip(wanted, grown, strict=True)
            if growth is not None
        }

    def _take(self, log: GrowingLog | None, chunk: LogChunk, job: JobRow) -> bool:
        """Read a piece of the log; tell whether it took the place of what was read before."""
        had_text = self._size_bytes > 0
        # What was left out between two answers may hold anything: what came before is not known
        # to belong to what comes after.
        goes_on = log is not None and not chunk.reset and not chunk.truncated
        if log is None or not goes_on:
            log = GrowingLog(bar_name=bar_name(job), keep_lines=self._keep_lines)
        log.take(chunk)
        self._log = log
        return had_text and not goes_on

    def _shown(self, log: LogFacts | None) -> dict[str, Series]:
        found = {
            key: series
            for key, known in self._series.items()
            if (series := known.last(self._window)) is not None
        }
        if log is not None:
            add_from_bars(found, log.scan)
        return found


def of_this_launch(evidence: RunEvidence) -> RunEvidence:
    """Return the evidence without what an earlier launch of the same job left (PITFALLS 38).

    A job that waits has the log and the metrics of its last launch. One that was launched has
    a log of its own from then on, and the metrics of the one before until its first step.
    """
    job, loss, log = evidence.job, evidence.loss, evidence.log
    if job.status == "queued":
        why = "the job waits to run; what it wrote before belongs to an earlier launch"
        missing = {**evidence.missing, _NAMES[LOSS]: why, "log": why}
        return evolve(evidence, series={}, log=None, missing=missing)
    launched = launched_at(job)
    if job.status != "running" or loss is None or log is None or launched is None:
        return evidence
    # Other writes move that time as well, but a log with steps in it is that of a run that logs.
    if not loss.wall_times[-1] < launched or len(log.scan.readings) > 1:
        return evidence
    why = "no step of this launch yet; those in the metrics belong to an earlier one"
    return evolve(evidence, series={}, missing={**evidence.missing, _NAMES[LOSS]: why})


def _is_other_launch(before: JobRow, now: JobRow) -> bool:
    """Tell whether the trainer was launched between two looks at a job's row."""
    if now.status != "running":
        return False
    fell = before.step is not None and now.step is not None and now.step < before.step
    return before.status != "running" or before.pid != now.pid or fell
