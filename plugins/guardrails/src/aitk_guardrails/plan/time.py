"""How long a config takes, from runs of this machine at the same settings."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final, Literal

from aitk_guardrails.plan.records import PlanTime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_guardrails.plan.past import PastRun

_MINUTE: Final = 60.0
_METHOD: Final = (
    "median of the runs' seconds per step, saves and samples included; low and high are the least "
    "and most means of 20 steps, with no coverage claimed; loading and caching come on top"
)
_ROW: Final = "the last speed that the training bar showed, without saves, samples and interval"


def time_of(
    config: Mapping[str, Any] | None,
    steps: int,
    past: tuple[PastRun, ...] | None,
    budget_minutes: float | None,
) -> PlanTime:
    """Return the time that a number of steps takes.

    Args:
        config: The profile's; None where there is none.
        steps: To train.
        past: Runs of this machine; None where they were not read.
        budget_minutes: Of the caller; None for none.
    """
    unknown: Literal["undetermined"] | None = "undetermined" if budget_minutes is not None else None
    if config is None or past is None:
        missing = "the architecture" if config is None else "runs of this machine, not read"
        return PlanTime(missing=missing, fits_budget=unknown)
    same = [run for run in past if run.speed is not None and run.same_speed(config)]
    if not same:
        others = sum(run.speed is not None for run in past)
        missing = "a finished run of this model at these settings"
        if others:
            missing += (
                f"; {others} of the architecture at other settings say nothing of their speed"
            )
        return PlanTime(missing=missing, fits_budget=unknown)
    speeds = [run.speed for run in same if run.speed is not None]
    timed = [speed for speed in speeds if speed.source == "metrics"] or speeds
    seconds = median(speed.seconds for speed in timed)
    lows = [speed.low for speed in timed if speed.low is not None]
    highs = [speed.high for speed in timed if speed.high is not None]
    low = min(lows) if len(lows) == len(timed) else None
    high = max(highs) if len(highs) == len(timed) else None
    minutes = steps * seconds / _MINUTE
    low_minutes = None if low is None else steps * low / _MINUTE
    high_minutes = None if high is None else steps * high / _MINUTE
    return PlanTime(
        seconds_per_step=seconds,
        low_seconds_per_step=low,
        high_seconds_per_step=high,
        minutes=minutes,
        low_minutes=low_minutes,
        high_minutes=high_minutes,
        n=len(timed),
        job_ids=tuple(run.job_id for run in same),
        method=_METHOD if low is not None else _ROW,
        measured_at=same[0].shown(),
        fits_budget=_fits(low_minutes, high_minutes, budget_minutes),
    )


def affordable(time: PlanTime, budget_minutes: float | None) -> int | None:
    """Return the steps that the budget allows; None where the speed is not known."""
    if budget_minutes is None or time.seconds_per_step is None:
        return None
    # The slow end, so that what is planned is also reached.
    seconds = time.high_seconds_per_step or time.seconds_per_step
    return int(min(1e9, budget_minutes * _MINUTE / seconds))


def _fits(
    low: float | None, high: float | None, budget: float | None
) -> Literal["yes", "no", "undetermined"] | None:
    if budget is None:
        return None
    if low is None or high is None:
        return "undetermined"
    if high <= budget:
        return "yes"
    return "no" if low > budget else "undetermined"
