"""From values to a place on an axis.

Own arithmetic, for any finite value: a plotting library's axes overflow near the largest floats.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from attrs import frozen

from aitk_core.drawing.words import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST: Final = 1e-200
LARGEST: Final = 1e200
"""What lies outside is drawn at these: sums, quotients and margins of them stay finite."""
_ABOUT: Final = 0.9
"""A tick more than was asked for is better than half of them."""
_TINY: Final = 1e-6
"""Against rounding."""
_FURTHEST: Final = 3.0
"""In axis lengths: further out nothing is seen, and pixel numbers stay small."""


@frozen(kw_only=True)
class Scale:
    """An axis: linear, or logarithmic with both ends above 0."""

    low: float
    high: float
    """Above `low`."""
    log: bool = False

    def at(self, values: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return 0 for `low` to 1 for `high`, at most 3 axis lengths outside; NaN stays NaN."""
        array = np.asarray(values, dtype=np.float64)
        low, high = self.low, self.high
        if self.log:
            array = np.log10(np.clip(array, SMALLEST, LARGEST))
            low, high = math.log10(low), math.log10(high)
        else:
            array = np.clip(array, -LARGEST, LARGEST)
            # Where the ends of the axis were drawn, too.
            array = np.where((array > 0) & (array < SMALLEST), SMALLEST, array)
        with np.errstate(over="ignore"):
            places = (array - low) / (high - low)
        clipped: NDArray[np.float64] = np.clip(places, -_FURTHEST, 1 + _FURTHEST)
        return clipped

    def ticks(self, count: int) -> tuple[float, ...]:
        """Return round values on the axis, ascending, about `count` of them."""
        return _log_ticks(self.low, self.high, count) if self.log else self._linear_ticks(count)

    def labels(self, ticks: tuple[float, ...]) -> tuple[str, ...]:
        """Return what to write at ticks of this axis, with as many digits as tell them apart."""
        apart = min((b - a for a, b in pairwise(ticks)), default=0.0)
        largest = max(map(abs, ticks), default=0.0)
        digits = 3
        if apart > 0 and not self.log:
            digits = 1 + max(0, math.floor(math.log10(largest)) - math.floor(math.log10(apart)))
            # A tick step of 2.5 needs its second digit.
            digits += round(apart / 10 ** math.floor(math.log10(apart)), 6) % 1 > 0
        labels = tuple(number(tick, digits) for tick in ticks)
        return labels if self.log else _same_places(labels)

    def _linear_ticks(self, count: int) -> tuple[float, ...]:
        step = _nice((self.high - self.low) / max(1, count))
        first = math.ceil(self.low / step - _TINY)
        last = math.floor(self.high / step + _TINY)
        return tuple(index * step for index in range(first, last + 1))


def _nice(step: float) -> float:
    """Return the least of 1, 2, 2.5, 5 times a power of ten that is about `step` or more."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= _ABOUT * step)


def _same_places(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return decimal numbers with equally many places, `0.30` beside `0.25`."""
    if any("e" in label for label in labels):
        return labels
    places = max((len(label.partition(".")[2]) for label in labels), default=0)
    if not places:
        return labels
    parts = [label.partition(".") for label in labels]
    return tuple(f"{whole}.{rest:0<{places}}" for whole, _, rest in parts)


def _log_ticks(low: float, high: float, count: int) -> tuple[float, ...]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks: list[float] = []
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [
            factor * 10.0**power
            for power in range(first, last + 1)
            for factor in factors
            if low <= factor * 10.0**power <= high
        ]
        if len(ticks) <= count + 1:
            break
    # Whole decades, some of them, where there are more than fit.
    return tuple(ticks[:: max(1, math.ceil(len(ticks) / (count + 1)))])
