"""Collects many runs at once, each reduced as soon as it has been judged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.errors import AitkError, JobNotFoundError
from aitk_core.evidence.collector import collect_run
from aitk_observability.comparison.run import ComparedRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext

_NO_DATASETS: Final = "a comparison does not look at datasets: get-training-observability does"
_AT_ONCE: Final = 4
"""Twice the client's connections: while two are read, two are judged."""
_BYTES_PER_LINE: Final = 400
"""Of a trainer's log, redraws of the bar counted to their line: 195 in the recorded runs."""
_LEAST_LOG_BYTES: Final = 256 * 1024
_RESERVE_S: Final = 6.0
"""Left of the call's time for ranking and writing; ours."""


@frozen(kw_only=True)
class CollectOptions:
    """How runs are collected."""

    log_lines: int
    include_dataset: bool
    include_nlp: bool
    scoring_method: str
    only_terminal: bool = False
    in_brief: bool = True
    """Without every method's numbers."""
    keep_series: bool = False


@frozen(kw_only=True)
class Collected:
    """The runs that could be judged, in the order asked for, and the others with the reason."""

    runs: tuple[ComparedRun, ...]
    skipped: tuple[dict[str, Any], ...]


async def rows_of(context: ToolContext, job_ids: Sequence[str]) -> dict[str, JobRow | AitkError]:
    """Return the rows of jobs: one request for many, one for each of a few."""
    if len(job_ids) > _AT_ONCE:
        known = {row.id: row for row in (await context.backend.jobs()).jobs}
        return {
            job_id: known.get(job_id) or JobNotFoundError(f"no job {job_id!r}")
            for job_id in job_ids
        }
    found = await asyncio.gather(
        *(context.backend.job(job_id) for job_id in job_ids), return_exceptions=True
    )
    rows: dict[str, JobRow | AitkError] = {}
    for job_id, answer in zip(job_ids, found, strict=True):
        if isinstance(answer, BaseException) and not isinstance(answer, AitkError):
            raise answer
        rows[job_id] = answer
    return rows


async def newest_rows(
    context: ToolContext, limit: int, *, leave_out: str | None = None, only_terminal: bool = False
) -> dict[str, JobRow | AitkError]:
    """Return the rows of the newest training jobs.

    Args:
        context: Its backend is asked.
        limit: Jobs at most.
        leave_out: A job that does not count.
        only_terminal: Whether jobs that have not ended do not count either.
    """
    listed = await context.backend.jobs(job_type="train")
    rows = [
        row for row in listed.jobs if row.id != leave_out and (row.is_terminal or not only_terminal)
    ]
    return {row.id: row for row in rows[:limit]}


async def collect_runs(
    context: ToolContext,
    rows: dict[str, JobRow | AitkError],
    options: CollectOptions,
    *,
    stage: str = "collecting",
) -> Collected:
    """Collect and judge the runs of these rows.

    A run that cannot be read or judged is skipped with its reason, and so is what does not
    fit into the call's time; the others stand.

    Raises:
        AitkError: None of them could be read; the first reason.
    """
    gate = asyncio.Semaphore(_AT_ONCE)
    faults: list[AitkError] = []
    done = 0

    async def one(job_id: str, row: JobRow | AitkError) -> ComparedRun | dict[str, Any]:
        nonlocal done
        async with gate:
            try:
                answer = await _collect(context, job_id, row, options)
            except AitkError as error:
                faults.append(error)
                answer = _failed(job_id, error)
        done += 1
        await context.progress(done, len(rows) + 1, f"{stage} {done} of {len(rows)} runs")
        return answer

    answers = await asyncio.gather(*(one(job_id, row) for job_id, row in rows.items()))
    if faults and len(faults) == len(rows):
        raise faults[0]
    skipped = [answer for answer in answers if isinstance(answer, dict)]
    return Collected(
        runs=tuple(answer for answer in answers if not isinstance(answer, dict)),
        skipped=tuple(skipped),
    )


async def _collect(
    context: ToolContext, job_id: str, row: JobRow | AitkError, options: CollectOptions
) -> ComparedRun | dict[str, Any]:
    if isinstance(row, JobNotFoundError):
        return {"job_id": job_id, "reason": "job_not_found"}
    if isinstance(row, AitkError):
        raise row
    if options.only_terminal and not row.is_terminal:
        return {"job_id": job_id, "reason": "non_terminal_status", "status": row.status}
    left = context.remaining_s()
    if left is not None and left < _RESERVE_S:
        return {
            "job_id": job_id,
            "reason": "time_limit",
            "status": row.status,
            "detail": "the call's time was used up; compare fewer runs at once",
        }
    evidence = await collect_run(
        context,
        job_id,
        row=row,
        with_system=False,
        log_bytes=max(_LEAST_LOG_BYTES, options.log_lines * _BYTES_PER_LINE),
    )
    outcomes = await context.analyze("run", evidence)

    def reduce() -> ComparedRun:
        from aitk_observability.comparison.run import compared_run
        from aitk_observability.report.assess import judge
        from aitk_observability.report.dataset import Inspected
        from aitk_observability.report.dataset import sections as dataset_sections
        from aitk_observability.report.run_report import in_brief, run_report

        judged = judge(evidence, outcomes, scoring_method=options.scoring_method)
        dataset, nlp, resolution = dataset_sections(
            evidence,
            Inspected(reason=_NO_DATASETS),
            None,
            include_dataset=options.include_dataset,
            include_nlp=options.include_nlp,
        )
        report = run_report(
            judged, dataset=dataset, nlp=nlp, dataset_path=resolution["dataset_path"]
        )
        report = in_brief(report) if options.in_brief else report
        return compared_run(judged, report, keep_series=options.keep_series)

    return await context.run(reduce)


def _failed(job_id: str, error: AitkError) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "reason": "collection_failed",
        "detail": f"{error.code}: {error}",
    }
