"""One run: state, findings, curves, samples, log, checkpoints."""

from __future__ import annotations

import asyncio
import json
import math
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from aitk_core.backend.ids import checked_job_id
from aitk_core.errors import AitkError
from aitk_core.evidence.checkpoints import artifacts_of
from aitk_core.evidence.records import LEARNING_RATE, LOSS, VALIDATION_LOSS
from aitk_core.wording import size_text
from aitk_dashboard.pages.asking import ask, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.backend.records import MetricPage
    from aitk_core.protocols import ToolContext

_LOG_LINES: Final = 200
_POINTS: Final = 3000
"""Ours: of one curve; more than a screen has pixels."""
SPEED: Final = "seconds_per_step"
_STRETCH: Final = 20
"""STATS.md section 9: the window of the slow-down rule."""
_KEYS: Final = (LOSS, VALIDATION_LOSS, LEARNING_RATE)


async def whole(context: ToolContext, job_id: str, *, wait_s: float | None) -> dict[str, Any]:
    """Return what the page shows at first; findings and log follow by themselves.

    Args:
        context: Of the request.
        job_id: The run.
        wait_s: How long the first answer waits for the run's state, which may take its log and
            metrics; None: as long as it takes.

    Raises:
        JobNotFoundError: There is no such job.
        InvalidArgumentsError: The id is malformed.
        BackendError: In its kinds.
    """
    job = await context.backend.job(checked_job_id(job_id))
    shown, files = await asyncio.gather(
        within(wait_s, state(context, job_id)), _files(context, job_id, job.name)
    )
    found = shown or {"status": None, "problem": None, "can_stop": False, "can_watch": False}
    config = None if job.config is None else json.dumps(job.config, indent=2, ensure_ascii=False)
    return {
        "job_id": job_id,
        "name": job.name,
        **found,
        "files": files,
        "config": None if config is None else context.redacted(config).splitlines(),
    }


async def state(context: ToolContext, job_id: str) -> dict[str, Any]:
    """Return how the run is.

    Raises:
        JobNotFoundError: There is no such job.
    """
    status = await ask(context, "get-training-status", job_id=job_id)
    data = status.data
    running = data.get("status") in ("running", "queued", "stopping")
    return {
        "job_id": job_id,
        "status": data,
        "problem": status.problem,
        "can_stop": running and context.offers("stop-training"),
        "can_watch": running and context.offers("guard-training-job"),
    }


async def findings(context: ToolContext, job_id: str) -> dict[str, Any]:
    """Return what was found, without the dataset, which has tools of its own."""
    report = await ask(
        context,
        "get-training-observability",
        job_id=job_id,
        include_dataset=False,
        include_nlp=False,
        include_next_experiment=True,
        charts="none",
    )
    data = report.data
    run = data.get("run_report") or {}
    order = {"critical": 0, "warning": 1, "info": 2}
    found = sorted(run.get("findings") or (), key=lambda each: order.get(each["severity"], 3))
    return {
        "problem": report.problem,
        "health": data.get("overall_health"),
        "summary": run.get("summary"),
        "findings": found,
        "not_assessed": run.get("not_assessed") or {},
        "evaluation": data.get("evaluation"),
        "next": data.get("next_experiment"),
    }


async def log(context: ToolContext, job_id: str) -> dict[str, Any]:
    """Return the end of the log."""
    answer = await ask(context, "get-training-logs", job_id=job_id, lines=_LOG_LINES)
    return {"problem": answer.problem, "lines": answer.data.get("lines") or []}


async def series(
    context: ToolContext, job_id: str, since: int | None
) -> dict[str, dict[str, list[float | None]]]:
    """Return the curves as columns, thinned with their extremes kept.

    Args:
        context: Its backend has the metrics.
        job_id: The run.
        since: Only later steps.

    Raises:
        JobNotFoundError: There is no such job.
        BackendError: In its kinds.
    """
    pages = await asyncio.gather(
        *(context.backend.metric_series(job_id, key, since_step=since) for key in _KEYS)
    )

    def columns() -> dict[str, dict[str, list[float | None]]]:
        found = {page.key: columns_of(page) for page in pages if len(page)}
        speed = _speed(pages[0])
        return found | ({SPEED: speed} if speed["steps"] else {})

    return await context.run(columns)


def _speed(page: MetricPage) -> dict[str, list[float | None]]:
    """Return seconds per step, the median of each stretch of twenty logged steps."""
    steps: list[float | None] = []
    seconds: list[float | None] = []
    for end in range(_STRETCH, len(page), _STRETCH):
        gaps = [
            (page.wall_times[index] - page.wall_times[index - 1])
            / (page.steps[index] - page.steps[index - 1])
            for index in range(end - _STRETCH + 1, end + 1)
        ]
        known = [gap for gap in gaps if math.isfinite(gap) and gap >= 0]
        if known:
            steps.append(page.steps[end])
            seconds.append(median(known))
    return {"steps": steps, "values": seconds}


def columns_of(page: MetricPage) -> dict[str, list[float | None]]:
    """Return a metric as two columns, thinned; None where there is no finite value."""
    chosen = thinned(page.values, _POINTS)
    return {
        "steps": [page.steps[index] for index in chosen],
        "values": [_finite(page.values[index], page.key) for index in chosen],
    }


def thinned(values: Sequence[float], most: int) -> Sequence[int]:
    """Return indices of about so many values: of each stretch the least and the greatest."""
    if len(values) <= most:
        return range(len(values))
    size = math.ceil(2 * len(values) / most)
    chosen: set[int] = {0, len(values) - 1}
    for begin in range(0, len(values), size):
        stretch = range(begin, min(begin + size, len(values)))
        finite = [index for index in stretch if math.isfinite(values[index])]
        if finite:
            chosen.add(min(finite, key=lambda index: values[index]))
            chosen.add(max(finite, key=lambda index: values[index]))
    return sorted(chosen)


def _finite(value: float, key: str) -> float | None:
    # The trainer stores a loss that was not finite as 0: a gap, and no point of the curve.
    if not math.isfinite(value) or (key == LOSS and value == 0):
        return None
    return value


async def _files(context: ToolContext, job_id: str, name: str | None) -> list[dict[str, Any]]:
    try:
        listed = await context.backend.files(job_id)
    except AitkError:
        return []
    return [
        {
            "name": each.name,
            "kind": each.kind,
            "step": each.step,
            "size": "" if each.size_bytes is None else size_text(each.size_bytes),
            "path": f"/models/job:{job_id}/{each.name}",
        }
        for each in artifacts_of(listed, name)
        if each.kind in ("final", "step")
    ]
