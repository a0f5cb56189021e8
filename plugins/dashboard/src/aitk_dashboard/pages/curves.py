"""Curves for a chart: loss, validation loss, learning rate, seconds per step."""

from __future__ import annotations

import asyncio
import math
from statistics import median
from typing import TYPE_CHECKING, Final

from aitk_core.evidence.records import LEARNING_RATE, LOSS, VALIDATION_LOSS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.backend.records import MetricPage
    from aitk_core.protocols import ToolContext

_POINTS: Final = 3000
"""Ours: of one curve; more than a screen has pixels."""
SPEED: Final = "seconds_per_step"
_STRETCH: Final = 20
"""STATS.md section 9: the window of the slow-down rule."""
_KEYS: Final = (LOSS, VALIDATION_LOSS, LEARNING_RATE)


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
