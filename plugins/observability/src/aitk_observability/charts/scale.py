"""Where the axes of a run's charts begin and end: one odd value is not to flatten all others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.drawing.scale import LARGEST, SMALLEST, Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LARGEST",
    "SMALLEST",
    "Scale",
    "step_scale",
    "step_ticks",
    "value_scale",
]

_FENCE: Final = 3.0
"""Inter-quartile ranges from the quartiles within which a value is no outlier: the outer fence of
Tukey, Exploratory Data Analysis (1977), section 2E."""
_RARE: Final = 0.02
"""Ours: values beyond the fence are left out of the axis only if they are as few as this share."""
_LOG_RATIO: Final = 10.0
"""Ours: from a factor of ten on, the lower values would lie flat on a linear axis."""
_FROM_ZERO: Final = 0.5
"""Ours: a linear axis begins at 0 where that costs at most half of it."""
_PAD: Final = 0.06
_STEP_MARGIN: Final = 0.01
_EQUAL: Final = 1e-3
"""Ours: relative width below which values count as equal, and the axis is widened instead; its
numbers would need more digits than there is room for."""
_TINY: Final = 1e-6
"""Against rounding."""


def step_scale(first: int, last: int) -> Scale:
    """Return the axis of steps, widened where there is one step only."""
    # Marks at either end are not to be cut in half; huge steps need room that floats can tell.
    margin = max(_STEP_MARGIN * (last - first) or 1.0, _TINY * abs(last))
    return Scale(low=first - margin, high=last + margin)


def step_ticks(scale: Scale, count: int) -> tuple[float, ...]:
    """Return whole steps, 0 or more, ascending."""
    return tuple(tick for tick in scale.ticks(count) if tick >= 0 and float(tick).is_integer())


def value_scale(
    centre: NDArray[np.float64],
    *spread: NDArray[np.float64],
    may_be_log: bool = True,
    from_zero: bool = False,
) -> Scale:
    """Return the axis for positive values, on which a few odd ones do not flatten the others.

    Args:
        centre: (n,) float64, finite and above 0, n at least 1: decides on the logarithm.
        spread: Further such values that are to be seen.
        may_be_log: Whether values over a factor of ten take a logarithmic axis.
        from_zero: Whether a linear axis begins at 0 always; else where it costs little.
    """
    ends = [_typical(np.clip(values, SMALLEST, LARGEST)) for values in (centre, *spread)]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if may_be_log and ends[0][1] / ends[0][0] >= _LOG_RATIO:
        pad = _PAD * (math.log10(high) - math.log10(low))
        return Scale(low=low * 10**-pad, high=high * 10**pad, log=True)
    if from_zero or low <= _FROM_ZERO * high:
        return Scale(low=0.0, high=high * (1 + _PAD))
    if high - low <= _EQUAL * high:
        low, high = 0.8 * low, 1.2 * high
    pad = _PAD * (high - low)
    return Scale(low=low - pad, high=high + pad)


def _typical(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the least and the greatest value that is no outlier.

    Losses are skewed, so the fences stand on their logarithms. An outlier that is not further
    away than the typical values are wide is let in: it flattens nothing.
    """
    logs = np.log10(values)
    first, third = np.quantile(logs, (0.25, 0.75))
    rare = np.quantile(logs, _RARE, method="higher"), np.quantile(logs, 1 - _RARE, method="lower")
    reach = _FENCE * (third - first)
    floor, ceiling = min(first - reach, rare[0]), max(third + reach, rare[1])
    inside = logs[(logs >= floor) & (logs <= ceiling)]
    length = inside.max() - inside.min()
    near = values[(logs >= inside.min() - length) & (logs <= inside.max() + length)]
    return float(near.min()), float(near.max())
