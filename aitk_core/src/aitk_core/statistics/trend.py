"""Trend of the training loss: first quarter against last quarter (STATS.md section 5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.description import FalseAlarmRate
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import (
    log_block_means,
    squared_standard_error,
    t_quantile,
    welch_df,
)
from aitk_core.statistics.results import TrendResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aitk_core.statistics.cleaning import Losses, Steps

_INFO: Final = METHODS["trend_quarters_v1"]
_BATCHES: Final = _INFO.count("batches")
_FRACTION: Final = _INFO.number("fraction")
_ALPHA: Final = _INFO.number("alpha")
_FLOOR: Final = _INFO.number("floor")
_CHANGE: Final = _INFO.number("change_to_see")
_POWER: Final = _INFO.number("power_factor")
LOOK_EVERY: Final = 250
"""Steps between two looks at a growing run (STATS.md section 5, peeking)."""


def _needed(n: int, error: float) -> int | None:
    """Return the losses at which a change of 10 % shows with 80 % power, if more than n."""
    needed = math.ceil(n * (_POWER * error / -math.log1p(-_CHANGE)) ** 2)
    return needed if needed > n else None


def trend_while_growing(
    loss: Losses, steps: Sequence[int] | NDArray[np.int64], *, planned_steps: int
) -> TrendResult:
    """Say how the loss developed in a run that goes on, and that will be asked about again.

    The run is judged each 250 steps and not in between, at its level divided by the looks that
    it will have in all. So the error rate holds over the whole run however often it is asked:
    with an answer at each tenth step, 29 % of runs without a trend would show one at some time
    (our measurement, 2000 steps).

    Args:
        loss: (n,) numbers or None.
        steps: (n,) training steps from 0 on, ascending.
        planned_steps: Of the whole run; a run beyond its plan has the looks that it has had.
    """
    at = np.asarray(steps, dtype=np.int64)
    done = int(at[-1]) + 1 if len(at) else 0
    seen = int(np.searchsorted(at, done - done % LOOK_EVERY))
    looks = max(1, max(planned_steps, done) // LOOK_EVERY)
    return trend(loss[:seen], at[:seen], looks=looks)


def trend(loss: Losses, steps: Steps = None, *, looks: int = 1) -> TrendResult:
    """Say whether the loss fell or rose between the first and the last quarter.

    A falling training loss is no evidence of a good run (STATS.md section 7).

    Args:
        loss: (n,) numbers or None.
        steps: (n,) training steps.
        looks: How often this run will be judged in all; divides the level, so that asking
            again on a growing run keeps the error rate.

    Raises:
        ValueError: `looks` is below 1.
    """
    if looks < 1:
        raise ValueError(f"looks {looks!r} must be at least 1")
    cleaned = clean(loss, steps)
    rate = None
    if looks > 1:
        rate = FalseAlarmRate(
            rate=_ALPHA, unit="per run", source="STATS.md section 5: level divided by the looks"
        )
    stamped = stamp(_INFO, rate=rate, looks=looks, alpha=_ALPHA / looks)
    if cleaned.n < _INFO.minimum_n:
        return TrendResult(
            verdict="undetermined",
            reason=f"{cleaned.n} usable losses, a trend needs {_INFO.minimum_n}",
            n=cleaned.n,
            looks=looks,
            needed_n=_INFO.minimum_n,
            steps=cleaned.covered(),
            **stamped,
        )
    size = int(cleaned.n * _FRACTION) // _BATCHES
    used = size * _BATCHES
    first = log_block_means(cleaned.values[:used], size)
    last = log_block_means(cleaned.values[-used:], size)
    first_error, last_error = squared_standard_error(first), squared_standard_error(last)
    difference = float(last.mean()) - float(first.mean())
    df = welch_df(first_error, _BATCHES, last_error, _BATCHES)
    error = math.sqrt(first_error + last_error)
    half = max(_FLOOR, t_quantile(df, alpha=_ALPHA / looks) * error)
    low, high = difference - half, difference + half
    verdict: Literal["decreasing", "increasing", "undetermined"] = "undetermined"
    if high < 0 or low > 0:
        verdict = "decreasing" if high < 0 else "increasing"
    return TrendResult(
        verdict=verdict,
        reason=(
            "the interval of the difference between the quarters contains 0"
            if verdict == "undetermined"
            else f"the last quarter lies {'below' if high < 0 else 'above'} the first"
        ),
        estimate=difference,
        interval=(low, high),
        n=cleaned.n,
        df=df,
        looks=looks,
        needed_n=_needed(cleaned.n, error) if verdict == "undetermined" else None,
        steps=cleaned.covered(),
        **stamped,
    )
