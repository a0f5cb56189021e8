"""One look at a job, or two where one cannot tell: row, metrics, log, and the verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import evolve, field, frozen

from aitk_core.backend.records import JobRow, Queue
from aitk_core.errors import BackendError, JobNotFoundError
from aitk_core.evidence.liveness import Liveness, Observation, assess_liveness
from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.records import LOSS, LogFacts, Series
from aitk_training.lifecycle import queue_state
from aitk_training.text import duration, one_line
from aitk_training.tools.outputs_jobs import Eta, LivenessState, QueueState

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aitk_core.backend.records import JobList, LogChunk, MetricPage
    from aitk_core.protocols import ToolContext

T = TypeVar("T")

_LOG_BYTES: Final = 256 * 1024
"""Ours: the end of a log that shows the phase, some thousand redraws of the bar."""
_POINTS: Final = 3000
"""Ours: newest metric points that are read, sixty times what an estimate needs."""
_RESERVE_S: Final = 5.0
"""Ours: of the call's time, kept for the requests after the pause."""
_SHORTEST_S: Final = 0.05
"""Ours: a pause below this shows nothing."""


@frozen(kw_only=True)
class Look:
    """What was seen of a job, and what follows from it."""

    job: JobRow
    liveness: Liveness
    seen_at: float
    """Unix seconds."""
    loss: Series | None = None
    log: LogFacts | None = None
    queue: QueueState | None = None
    queues: tuple[Queue, ...] = ()
    observation: Observation | None = None
    missing: Mapping[str, str] = field(factory=dict)
    """What could not be read, and why."""


async def look_at(context: ToolContext, job_id: str, *, observe_s: float) -> Look:
    """Return what the backend shows of a job; at most six requests.

    Args:
        context: Its backend is asked.
        job_id: The job.
        observe_s: Seconds between two looks at a running job whose last progress has no time,
            or is too long ago.

    Raises:
        JobNotFoundError: There is no such job.
        BackendError: Its row could not be read.
    """
    job = await context.backend.job(job_id)
    if job.status == "queued":
        return await _look_at_waiting(context, job)
    missing: dict[str, str] = {}
    if job.status != "running":
        chunk = await _optional("log", _log(context, job), missing)
        return _judged(context, job, log=await _scanned(context, job, chunk), missing=missing)
    chunk, page = await asyncio.gather(
        _optional("log", _log(context, job), missing),
        _optional("metrics", _newest_points(context, job), missing),
    )
    log = await _scanned(context, job, chunk)
    look = _judged(context, job, log=log, loss=_series(page), missing=missing)
    if _is_settled(look):
        return look
    return await _look_again(context, look, chunk, observe_s)


async def _look_at_waiting(context: ToolContext, job: JobRow) -> Look:
    missing: dict[str, str] = {}
    queues, jobs = await asyncio.gather(
        _optional("queues", context.backend.queues(), missing),
        _optional("other jobs", context.backend.jobs(), missing),
    )
    return _waiting(context, job, queues or (), jobs, missing)


def _waiting(
    context: ToolContext,
    job: JobRow,
    queues: tuple[Queue, ...],
    jobs: JobList | None,
    missing: Mapping[str, str],
) -> Look:
    rows = (job,) if jobs is None else jobs.jobs
    place = queue_state(job, rows, queues)
    if jobs is None:
        place = evolve(place, position=None)
    ahead = [f"{one_line(each.name, 60)!r} ({each.status})" for each in place.behind]
    return Look(
        job=job,
        liveness=assess_liveness(job, now=context.now(), queues=queues, ahead=ahead),
        seen_at=context.now(),
        queue=place,
        queues=queues,
        missing=missing,
    )


async def _look_again(
    context: ToolContext, first: Look, chunk: LogChunk | None, observe_s: float
) -> Look:
    """Look at row and log once more; a row that changed meanwhile is judged as it is then."""
    pause = observe_s
    remaining = context.remaining_s()
    if remaining is not None:
        pause = min(pause, remaining - _RESERVE_S)
    observed = pause >= _SHORTEST_S
    if observed:
        await asyncio.sleep(pause)
    elif first.liveness.verdict not in ("stuck", "dead"):
        return first
    missing = dict(first.missing)
    job, growth = await asyncio.gather(
        context.backend.job(first.job.id),
        _optional("second look at the log", _growth(context, chunk, first.job.id), missing),
    )
    if job.status == "queued":
        return await _look_at_waiting(context, job)
    steps = None if job.step is None or first.job.step is None else job.step - first.job.step
    observation = Observation(seconds=pause, steps=steps, log_bytes=growth or 0)
    return _judged(
        context,
        job,
        log=first.log,
        loss=first.loss,
        observation=observation if observed and (growth is not None or steps) else None,
        missing=missing,
    )


def _is_settled(look: Look) -> bool:
    """Tell whether one look decides: alive by a sign of its own.

    A verdict of stuck or dead is worth a second look, since a job can end, and a log can grow,
    between the requests.
    """
    alive = look.liveness.verdict in ("training", "sampling", "saving")
    return alive and look.loss is not None and look.liveness.silence_s is not None


def _judged(
    context: ToolContext,
    job: JobRow,
    *,
    log: LogFacts | None,
    loss: Series | None = None,
    observation: Observation | None = None,
    missing: Mapping[str, str],
) -> Look:
    now = context.now()
    liveness = assess_liveness(job, now=now, loss=loss, log=log, observation=observation)
    return Look(
        job=job,
        liveness=liveness,
        seen_at=now,
        loss=loss,
        log=log,
        observation=observation,
        missing=missing,
    )


async def _optional(what: str, request: Awaitable[T], missing: dict[str, str]) -> T | None:
    try:
        return await request
    except JobNotFoundError:
        raise
    except BackendError as error:
        missing[what] = f"{error.code}: {error}"
        return None


def _log(context: ToolContext, job: JobRow) -> Awaitable[LogChunk]:
    return context.backend.log_tail(job.id, max_bytes=_LOG_BYTES)


async def _growth(context: ToolContext, chunk: LogChunk | None, job_id: str) -> int | None:
    if chunk is None:
        return None
    later = await context.backend.log_since(job_id, chunk.offset, max_bytes=_LOG_BYTES)
    return later.offset - chunk.offset


async def _scanned(context: ToolContext, job: JobRow, chunk: LogChunk | None) -> LogFacts | None:
    if chunk is None:
        return None

    def scan() -> LogFacts:
        return LogFacts(
            scan=scan_log(chunk.text, bar_name=_bar_name(job), keep_lines=20),
            size_bytes=chunk.offset,
            truncated=chunk.truncated,
        )

    return await context.run(scan)


def _bar_name(job: JobRow) -> str | None:
    inner = (job.config or {}).get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) and name else job.name


def _newest_points(context: ToolContext, job: JobRow) -> Awaitable[MetricPage]:
    span = _POINTS * _log_every(job)
    since = job.step - span if job.step is not None and job.step > span else None
    return context.backend.metric(job.id, LOSS, since_step=since)


def _log_every(job: JobRow) -> int:
    value: Any = job.config
    for key in ("config", "process"):
        value = value.get(key) if isinstance(value, dict) else None
    process = value[0] if isinstance(value, list) and value else None
    logging = process.get("logging") if isinstance(process, dict) else None
    every = logging.get("log_every") if isinstance(logging, dict) else None
    return every if type(every) is int and every > 0 else 1


def _series(page: MetricPage | None) -> Series | None:
    if page is None or not len(page):
        return None
    return Series(
        key=page.key,
        steps=page.steps,
        wall_times=page.wall_times,
        values=page.values,
        source="metrics",
        truncated=page.truncated,
    )


def liveness_state(look: Look) -> LivenessState:
    """Return the verdict with what was seen, for the answer."""
    verdict = look.liveness
    return LivenessState(
        verdict=verdict.verdict,
        failed=verdict.failed,
        phase=verdict.phase,
        reason=one_line(verdict.reason),
        silence_s=verdict.silence_s,
        limit_s=verdict.limit_s,
        evidence=tuple(_evidence(look)),
        causes=verdict.causes,
    )


def _evidence(look: Look) -> list[str]:
    job, total = look.job, look.job.planned_steps
    seen = [f"status {job.status!r}, info {one_line(job.info, 120)!r}"]
    if job.step is not None:
        seen.append(f"step {job.step} of {total or 'unknown'} in the job's row")
    if look.loss is not None:
        age = duration(look.seen_at - look.loss.wall_times[-1])
        seen.append(f"newest metric: step {look.loss.steps[-1]}, {age} ago")
    elif job.status == "running" and "metrics" not in look.missing:
        seen.append("no metrics are recorded (yet)")
    if look.log is not None:
        seen.append(_log_evidence(look.log))
    if look.observation is not None:
        looks = look.observation
        steps = "" if looks.steps is None else f", {looks.steps} steps more"
        seen.append(f"in {looks.seconds:.3g} s: {looks.log_bytes} bytes of log{steps}")
    return seen


def _log_evidence(log: LogFacts) -> str:
    last = next((line.text for line in reversed(log.scan.lines) if line.text.strip()), None)
    told = "" if last is None else f", last line {one_line(last, 160)!r}"
    return f"log of {log.size_bytes} bytes{told}"


def time_left_of(look: Look) -> Eta | None:
    """Return the time left of a job that trains, None for any other."""
    if look.job.status != "running" or look.liveness.verdict not in (
        "training",
        "sampling",
        "saving",
    ):
        return None
    total = look.job.planned_steps
    if total is None:
        return _no_eta("the config does not say how many steps there are")
    measured = _from_metrics(look, total)
    if measured.seconds is None and measured.interval is None:
        return _from_bar(look, total) or measured
    return measured


def _no_eta(reason: str) -> Eta:
    return Eta(
        seconds=None, interval=None, interval_miss_rate=None, method="none", n=0, reason=reason
    )


def _from_metrics(look: Look, total: int) -> Eta:
    from aitk_core.statistics.eta import time_left

    loss = look.loss
    if loss is None:
        return _no_eta("no metrics are recorded (yet)")
    left = time_left(
        list(loss.wall_times),
        list(loss.steps),
        total_steps=total,
        since_step=_run_start(look),
    )
    rate = left.false_alarm_rate
    return Eta(
        seconds=left.estimate,
        interval=left.interval,
        interval_miss_rate=None if left.interval is None or rate is None else rate.rate,
        method=left.method,
        n=left.n,
        reason=left.reason,
    )


def _run_start(look: Look) -> int | None:
    """Return the step this run began at, so that the pause before a resume is left out."""
    if look.log is not None and not look.log.truncated and look.log.scan.first_step is not None:
        return look.log.scan.first_step
    if look.loss is None:
        return None
    from aitk_core.statistics.speed import find_pauses

    segments = find_pauses(list(look.loss.wall_times), list(look.loss.steps)).segments
    return segments[-1][0] if segments else None


def _from_bar(look: Look, total: int) -> Eta | None:
    """Estimate from the progress bar, whose time leaves out saving and sampling.

    Seconds are whole there, so the mean over the run is taken, and no error is known.
    """
    if look.log is None:
        return None
    readings = look.log.scan.readings
    timed = [
        (step, elapsed)
        for step, elapsed in zip(readings.step, readings.elapsed_s, strict=True)
        if elapsed >= 0
    ]
    if not timed or timed[-1][0] <= timed[0][0] or timed[-1][1] <= timed[0][1]:
        return None
    (first, began), (last, ended) = timed[0], timed[-1]
    per_step = (ended - began) / (last - first)
    return Eta(
        seconds=per_step * max(0, total - last),
        interval=None,
        interval_miss_rate=None,
        method="log_bar_mean",
        n=last - first,
        reason="mean of the log's progress bar, without saving and sampling",
    )
