"""The mean loss with a confidence interval from batch means (STATS.md section 4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import batch_means, interval, scaled, t_quantile
from aitk_core.statistics.results import LevelResult

if TYPE_CHECKING:
    from aitk_core.statistics.cleaning import Losses, Steps

_INFO: Final = METHODS["mean_batches_v1"]
_BATCHES: Final = _INFO.count("batches")


def mean_level(loss: Losses, steps: Steps = None) -> LevelResult:
    """Return the mean loss and its 95 % interval.

    Below 100 usable values the mean stands alone and the verdict is `undetermined`; the
    batch-means mean leaves out the oldest n mod 20 values.
    """
    cleaned = clean(loss, steps)
    stamped = stamp(_INFO)
    values, scale = scaled(cleaned.values)
    if cleaned.n < _INFO.minimum_n:
        return LevelResult(
            verdict="undetermined",
            reason=f"{cleaned.n} usable losses, an interval needs {_INFO.minimum_n}",
            estimate=float(np.mean(values)) * scale if cleaned.n else None,
            n=cleaned.n,
            last=float(cleaned.values[-1]) if cleaned.n else None,
            needed_n=_INFO.minimum_n,
            steps=cleaned.covered(),
            **stamped,
        )
    means = batch_means(values, _BATCHES)
    mean = float(means.mean())
    half = t_quantile(_BATCHES - 1) * float(means.std(ddof=1)) / math.sqrt(_BATCHES)
    return LevelResult(
        verdict="estimated",
        reason=f"mean of {_BATCHES} batch means over {cleaned.n} losses",
        estimate=mean * scale,
        # Multiplying plain floats overflows to inf without a warning; then there is no interval.
        interval=interval((mean - half) * scale, (mean + half) * scale),
        n=cleaned.n,
        relative_half_width=half / mean,
        last=float(cleaned.values[-1]),
        steps=cleaned.covered(cleaned.n % _BATCHES),
        **stamped,
    )
