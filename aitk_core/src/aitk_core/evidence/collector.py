"""Collects a run's evidence from the backend: structured metrics first, the log as fallback.

One run costs six requests over the client's two connections: its row, losses, log, GPUs,
processor and the other jobs. One more comes for the validation loss and each further metric
where the run has them, and for each further 20,000 logged steps (the loss route's page). The
learning rate is read from the log's bars, which show it at every step.
"""

from __future__ import annotations

import asyncio
import math
from array import array
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aitk_core.backend.protocol import LOG_TAIL_BYTES
from aitk_core.errors import BackendError, JobNotFoundError
from aitk_core.evidence.config import read_config
from aitk_core.evidence.failures import find_failures
from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.peers import peers_of
from aitk_core.evidence.records import (
    LEARNING_RATE,
    LOSS,
    VALIDATION_LOSS,
    LogFacts,
    RunEvidence,
    Series,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping, Sequence

    from aitk_core.backend.protocol import Backend
    from aitk_core.backend.records import JobRow, LogChunk, MetricPage
    from aitk_core.evidence.failures import FailureCatalogue, FailureHit, FoundFailures
    from aitk_core.evidence.logscan import LogScan
    from aitk_core.protocols import ToolContext

T = TypeVar("T")

KEPT_LINES: Final = 20_000
"""Largest `lines` argument of any tool of the contract."""
_OTHER_KEYS: Final = 6
"""Further metrics read at most; the trainer's modes add up to three (API.md section 12.3)."""


async def collect_run(
    context: ToolContext,
    job_id: str,
    *,
    config: Mapping[str, Any] | None = None,
    row: JobRow | None = None,
    with_system: bool = True,
    log_bytes: int = LOG_TAIL_BYTES,
) -> RunEvidence:
    """Return what the backend knows of a run.

    Args:
        context: Its backend is asked, its workers scan the log.
        job_id: The job.
        config: A job config that is to count in place of the job's own.
        row: The job's row, where it was read a moment ago.
        with_system: Whether to ask for the machine and for who else runs.
        log_bytes: Of the log's end, at most.

    Raises:
        JobNotFoundError: There is no such job.
        BackendError: The job's row, or both its metrics and its log, could not be read. Less
            than that is an incomplete answer, with the reasons in `missing`.
    """
    backend = context.backend
    job = row if row is not None else await backend.job(job_id)
    run_config = read_config(config if config is not None else job.config)
    missing: dict[str, str] = {}
    losses, chunk, gpu, cpu = await asyncio.gather(
        optional("metrics", backend.metric_series(job_id, LOSS), missing),
        optional("log", backend.log_tail(job_id, max_bytes=log_bytes), missing),
        optional("gpu", backend.gpu(), missing) if with_system else _nothing(),
        optional("cpu", backend.cpu(), missing) if with_system else _nothing(),
    )
    if losses is None and chunk is None:
        raise BackendError(
            f"neither metrics nor log of job {job_id!r} could be read: {missing['log']}",
            remedy="see the backend's own log; nothing was changed",
            job_id=job_id,
        )
    keys = losses.keys if losses is not None else ()
    further, rows = await asyncio.gather(
        _further(backend, job_id, keys, missing),
        optional("jobs", backend.jobs(), missing) if with_system else _nothing(),
    )
    log = None
    if chunk is not None:
        log = await context.run(_scan, chunk, job)
    hits = await _hits(context, job, log, missing)
    series = _series([losses, *further], log)
    return RunEvidence(
        job=job,
        config=run_config,
        series=series,
        metric_keys=keys,
        log=log,
        hits=hits,
        gpu=gpu,
        cpu=cpu,
        active_jobs=None if rows is None else sum(row.is_active for row in rows.jobs),
        peers=None if rows is None else peers_of(job, rows.jobs),
        collected_at=context.now(),
        missing=missing,
    )


async def _further(
    backend: Backend, job_id: str, keys: tuple[str, ...], missing: dict[str, str]
) -> list[MetricPage | None]:
    """Return the validation loss and what else was recorded, such as losses of its parts."""
    others = [key for key in keys if key not in (LOSS, VALIDATION_LOSS, LEARNING_RATE)]
    wanted = [key for key in (VALIDATION_LOSS,) if key in keys] + others[:_OTHER_KEYS]
    return await asyncio.gather(
        *(optional(f"metric {key}", backend.metric_series(job_id, key), missing) for key in wanted)
    )


async def _nothing() -> None:
    """Stand for what was not asked for."""


async def optional(what: str, request: Awaitable[T], missing: dict[str, str]) -> T | None:
    """Return what a request gives, or None with the reason noted in `missing`.

    Raises:
        JobNotFoundError: The job is gone.
    """
    try:
        return await request
    except JobNotFoundError:
        raise
    except BackendError as error:
        missing[what] = f"{error.code}: {error}"
        return None


def bar_name(job: JobRow) -> str | None:
    """Return what the training bar of a job is called.

    It bears the name in the config that the run was started with, whichever one counts.
    """
    return read_config(job.config).name or job.name


def is_tail(chunk: LogChunk) -> bool:
    """Tell whether a log that was asked for as a whole has older text than the answer."""
    # The route itself cuts what is longer, and does not say so.
    return chunk.truncated or chunk.offset > LOG_TAIL_BYTES


def _scan(chunk: LogChunk, job: JobRow) -> LogFacts:
    return LogFacts(
        scan=scan_log(chunk.text, bar_name=bar_name(job), keep_lines=KEPT_LINES),
        size_bytes=chunk.offset,
        truncated=is_tail(chunk),
    )


def failures_of(catalogue: FailureCatalogue, job: JobRow, log: LogFacts | None) -> FoundFailures:
    """Look for known failures in a run's log, and in its row where it failed."""
    row_text = job.info if job.status == "error" else None
    return find_failures(catalogue, None if log is None else log.scan, row_text)


async def _hits(
    context: ToolContext, job: JobRow, log: LogFacts | None, missing: dict[str, str]
) -> tuple[FailureHit, ...]:
    """Return the known failures that the log and a failed job's row show."""
    catalogue = await context.failure_catalogue()
    found = await context.run(failures_of, catalogue, job, log)
    for name in found.given_up:
        missing[f"failures of catalogue {name}"] = "its expressions took too long for this log"
    return found.hits


def _series(pages: Iterable[MetricPage | None], log: LogFacts | None) -> dict[str, Series]:
    found: dict[str, Series] = {}
    for page in pages:
        if page is not None and len(page):
            found[page.key] = Series(
                key=page.key,
                steps=page.steps,
                wall_times=page.wall_times,
                values=page.values,
                source="metrics",
                truncated=page.truncated,
            )
    if log is not None:
        add_from_bars(found, log.scan)
    return found


def add_from_bars(found: dict[str, Series], scan: LogScan) -> None:
    """Add what the training bar showed of a metric that the database did not give."""
    readings = scan.readings
    for key, values in ((LOSS, readings.loss), (LEARNING_RATE, readings.lr)):
        shown = None if key in found else _of_bars(key, readings.step, values)
        if shown is not None:
            found[key] = shown


def _of_bars(key: str, steps: Sequence[int], values: Sequence[float]) -> Series | None:
    rows = [
        (step, value)
        for step, value in zip(steps, values, strict=True)
        if not math.isnan(value)  # that bar did not show it
    ]
    if not rows:
        return None
    return Series(
        key=key,
        steps=array("q", [step for step, _ in rows]),
        wall_times=array("d", [float("nan")] * len(rows)),
        values=array("d", [value for _, value in rows]),
        source="log",
    )
