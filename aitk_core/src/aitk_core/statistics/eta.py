"""Time left, with an interval from measured errors (STATS.md section 10)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.statistics.description import FalseAlarmRate
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import batch_means, finite, interval, scaled, t_quantile
from aitk_core.statistics.results import EtaResult
from aitk_core.statistics.speed import Gaps, gaps_of, median_of

if TYPE_CHECKING:
    from aitk_core.statistics.cleaning import Losses, Steps
    from aitk_core.statistics.methods import Stamp

_INFO: Final = METHODS["eta_events_v1"]
_LONG: Final = _INFO.number("pause_factor")
_BATCHES: Final = _INFO.count("batches")
_FEW_BATCHES: Final = _INFO.count("batches_when_few")
_MANY: Final = _INFO.count("few_below_gaps")
_ALPHA: Final = _INFO.number("alpha")
_EARLY: Final = _INFO.number("range_below_fraction")
_SHORT: Final = _INFO.count("short_below_steps")
_SHORT_RATE: Final = FalseAlarmRate(
    rate=_INFO.number("missed_on_short_runs"),
    unit=_INFO.false_alarm_rate.unit,
    source=_INFO.parameters["missed_on_short_runs"].source,
)
_ERRORS: Final[tuple[tuple[float, str], ...]] = (
    (0.5, "error_from_50_percent"),
    (0.1, "error_from_10_percent"),
    (0.05, "error_from_5_percent"),
    (0.0, "error_below_5_percent"),
)


def relative_error(fraction: float) -> float:
    """Return the measured 90 % quantile of the relative error.

    Args:
        fraction: Share of the run done, 0 to 1.
    """
    name = next(name for start, name in _ERRORS if fraction >= start)
    return _INFO.number(name)


def time_left(
    wall_time_s: Losses,
    steps: Steps = None,
    *,
    total_steps: int,
    since_step: int | None = None,
    planned_pause_s: float | None = None,
) -> EtaResult:
    """Estimate the seconds left: median seconds per step, plus pauses as seen so far.

    The interval is the wider of the measured errors on long public runs and what the run's own
    step times allow; a machine whose speed drifts can still leave it. Below 2 % of the run
    only a range is given.

    Args:
        wall_time_s: (n,) seconds or None, as logged with each step.
        steps: (n,) training steps, from 1.
        total_steps: Steps the run is configured for.
        since_step: The step of the last resume; what came before it is left out.
        planned_pause_s: Seconds that the known saves and samples ahead will take, at their
            measured cost. Takes the place of the pauses seen so far; its error was not
            measured, so there is no interval then.
    """
    gaps = _since(gaps_of(wall_time_s, steps), since_step)
    count = len(gaps.steps)
    stamped = stamp(
        _INFO,
        rate=_SHORT_RATE if total_steps < _SHORT else None,
        total_steps=total_steps,
        planned_pause_s=planned_pause_s,
    )
    if count < _INFO.minimum_n:
        return EtaResult(
            verdict="undetermined",
            reason=f"{count} gaps between steps, {_INFO.minimum_n} are needed",
            n=count,
            needed_n=_INFO.minimum_n,
            **stamped,
        )
    return _estimate(gaps, total_steps, planned_pause_s, stamped)


def _since(gaps: Gaps, step: int | None) -> Gaps:
    if step is None:
        return gaps
    inside = gaps.steps - gaps.span >= step
    return Gaps(
        steps=gaps.steps[inside], span=gaps.span[inside], duration_s=gaps.duration_s[inside]
    )


def _own_error(gaps: Gaps, left: int) -> float:
    """Return the 90 % half width in seconds that the run's own spread of step times gives.

    Batch means of the seconds per step (STATS.md section 4), whose noise counts twice: in the
    part that is done, and in the part that is left.
    """
    count = len(gaps.steps)
    shares, scale = scaled(gaps.per_step_s)
    batches = _BATCHES if count >= _MANY else _FEW_BATCHES
    per_gap = float(batch_means(shares, batches).var(ddof=1)) * (count // batches)
    total = per_gap * left**2 * (1 / count + 1 / max(1, left))
    return t_quantile(batches - 1, alpha=_ALPHA) * math.sqrt(total) * scale


def _interval(
    estimate: float, step_only: float, fraction: float, own: float
) -> tuple[float, float] | None:
    """Return the wider of the measured and the run's own interval, down to hardly any pause."""
    error = relative_error(fraction)
    # error = (estimated - true) / true, so the true time lies between these.
    low, high = estimate / (1 + error), estimate / (1 - error)
    least = min(low, step_only / (1 + error))
    return interval(min(low, max(estimate - own, least)), max(high, estimate + own))


def _estimate(
    gaps: Gaps, total_steps: int, planned_pause_s: float | None, stamped: Stamp
) -> EtaResult:
    last = int(gaps.steps[-1])
    left = max(0, total_steps - last)
    fraction = min(1.0, last / total_steps) if total_steps > 0 else 1.0
    middle = median_of(gaps.per_step_s)
    # Divided before the sum, which could overflow.
    share = gaps.duration_s / float(gaps.span.sum())
    is_pause = gaps.per_step_s / _LONG > middle
    pauses = float((share - middle * (gaps.span / float(gaps.span.sum())))[is_pause].sum())
    estimate = left * (middle + pauses)
    ends = _interval(estimate, left * middle, fraction, _own_error(gaps, left))
    if planned_pause_s is not None and left:
        estimate, ends = left * middle + planned_pause_s, None
    with np.errstate(over="ignore"):  # an infinite sum becomes None below
        elapsed = float(share.sum())
    is_range = ends is not None and left > 0 and fraction < _EARLY
    return EtaResult(
        verdict="done" if not left else "range" if is_range else "estimated",
        reason=(
            f"{fraction:.1%} of the run is done, {left} steps are left"
            if left
            else "all steps are done"
        ),
        estimate=None if is_range else finite(estimate),
        interval=ends,
        n=len(gaps.steps),
        steps_left=left,
        fraction_done=fraction,
        step_only_s=finite(left * middle),
        elapsed_s=finite(left * elapsed),
        steps=(int(gaps.steps[0] - gaps.span[0]), last),
        **stamped,
    )
