"""Collects a run's evidence from the backend: structured metrics first, the log as fallback.

One run costs at most six requests over the client's two connections, and one more for each
further 20,000 logged steps (the loss route's page).
"""

from __future__ import annotations

import asyncio
from array import array
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aitk_core.backend.protocol import LOG_TAIL_BYTES
from aitk_core.errors import BackendError, JobNotFoundError
from aitk_core.evidence.config import read_config
from aitk_core.evidence.logscan import scan_log
from aitk_core.evidence.records import LOSS, VALIDATION_LOSS, LogFacts, RunEvidence, Series

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from aitk_core.backend.protocol import Backend
    from aitk_core.backend.records import JobRow, LogChunk, MetricPage
    from aitk_core.evidence.logscan import LogScan
    from aitk_core.protocols import ToolContext

T = TypeVar("T")

_KEPT_LINES: Final = 20_000
"""Largest `lines` argument of any tool of the contract."""


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
        _optional("metrics", backend.metric_series(job_id, LOSS), missing),
        _optional("log", backend.log_tail(job_id, max_bytes=log_bytes), missing),
        _optional("gpu", backend.gpu(), missing) if with_system else _nothing(),
        _optional("cpu", backend.cpu(), missing) if with_system else _nothing(),
    )
    if losses is None and chunk is None:
        raise BackendError(
            f"neither metrics nor log of job {job_id!r} could be read: {missing['log']}",
            remedy="see the backend's own log; nothing was changed",
            job_id=job_id,
        )
    keys = losses.keys if losses is not None else ()
    validation, active = await _further(backend, job_id, keys, missing, with_system=with_system)
    log = None
    if chunk is not None:
        log = await context.run(_scan, chunk, job)
    series = _series(losses, validation, log)
    return RunEvidence(
        job=job,
        config=run_config,
        series=series,
        metric_keys=keys,
        log=log,
        gpu=gpu,
        cpu=cpu,
        active_jobs=active,
        collected_at=context.now(),
        missing=missing,
    )


async def _further(
    backend: Backend,
    job_id: str,
    keys: tuple[str, ...],
    missing: dict[str, str],
    *,
    with_system: bool,
) -> tuple[MetricPage | None, int | None]:
    """Spend the sixth request on what matters most: validation loss, else who else runs."""
    if VALIDATION_LOSS in keys:
        page = await _optional(
            "validation metrics", backend.metric_series(job_id, VALIDATION_LOSS), missing
        )
        return page, None
    if not with_system:
        return None, None
    active = await _optional("active jobs", backend.jobs(only_active=True), missing)
    return None, None if active is None else len(active.jobs)


async def _nothing() -> None:
    """Stand for what was not asked for."""


async def _optional(what: str, request: Awaitable[T], missing: dict[str, str]) -> T | None:
    try:
        return await request
    except JobNotFoundError:
        raise
    except BackendError as error:
        missing[what] = f"{error.code}: {error}"
        return None


def _scan(chunk: LogChunk, job: JobRow) -> LogFacts:
    # The bar bears the name in the config that the run was started with, whichever one counts.
    name = read_config(job.config).name or job.name
    return LogFacts(
        scan=scan_log(chunk.text, bar_name=name, keep_lines=_KEPT_LINES),
        size_bytes=chunk.offset,
        # The route itself cuts what is longer, and does not say so.
        truncated=chunk.truncated or chunk.offset > LOG_TAIL_BYTES,
    )


def _series(
    losses: MetricPage | None, validation: MetricPage | None, log: LogFacts | None
) -> dict[str, Series]:
    found: dict[str, Series] = {}
    for page in (losses, validation):
        if page is not None and len(page):
            found[page.key] = Series(
                key=page.key,
                steps=page.steps,
                wall_times=page.wall_times,
                values=page.values,
                source="metrics",
                truncated=page.truncated,
            )
    if LOSS not in found and log is not None:
        from_log = _loss_of_log(log.scan)
        if from_log is not None:
            found[LOSS] = from_log
    return found


def _loss_of_log(scan: LogScan) -> Series | None:
    readings = scan.readings
    rows = [
        (step, loss)
        for step, loss in zip(readings.step, readings.loss, strict=True)
        if loss == loss  # noqa: PLR0124 - NaN: no loss in that bar
    ]
    if not rows:
        return None
    return Series(
        key=LOSS,
        steps=array("q", [step for step, _ in rows]),
        wall_times=array("d", [float("nan")] * len(rows)),
        values=array("d", [loss for _, loss in rows]),
        source="log",
    )
