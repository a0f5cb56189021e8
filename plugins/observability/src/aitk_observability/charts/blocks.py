"""A long series as few values: what a line of some hundred points can show."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from aitk_observability.charts.scale import LARGEST, SMALLEST

MOST: Final = 250
"""Ours: blocks at most; more than three pixels each in a picture 800 wide."""
_BLOCKS_FROM: Final = 100
"""Ours: fewer values are drawn one by one."""
_LEAST_SIZE: Final = 5
"""Ours: a block of fewer says nothing of the spread, and its mean is as noisy as the values."""
_QUANTILES_FROM: Final = 20
"""With fewer values the 5 % quantile is hardly more than the least one, which is said instead."""
_QUANTILES: Final = (0.05, 0.95)
_GAP: Final = 8.0
"""Ours: blocks this many usual distances apart are not joined; no values lie between."""


@frozen(kw_only=True, eq=False)
class Blocks:
    """A series cut into neighbouring blocks of equal size, the oldest up to twice as large."""

    n: int
    """Values in all blocks."""
    size: int
    """Values in each; 1 where the values stand for themselves."""
    steps: NDArray[np.float64]
    """(m,) float64, mean step of each block, ascending."""
    centre: NDArray[np.float64]
    """(m,) float64, mean or median."""
    low: NDArray[np.float64]
    """(m,) float64, 5 % quantile or least value."""
    high: NDArray[np.float64]
    """(m,) float64, 95 % quantile or greatest value."""

    @property
    def spread(self) -> str:
        """Return what `low` to `high` is; empty where it is nothing."""
        if self.size == 1:
            return ""
        return "5 to 95 %" if self.size >= _QUANTILES_FROM else "least to greatest"

    def joined(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return steps and centres with a NaN where a stretch of steps has no values."""
        return with_gaps(self.steps, self.centre)


def block_size(count: int) -> int:
    """Return how many of `count` values make one block: 200 to 250 blocks of a long series."""
    return 1 if count < _BLOCKS_FROM else max(_LEAST_SIZE, -(-count // MOST))


def blocks_of(
    values: NDArray[np.float64],
    steps: NDArray[np.int64],
    *,
    centre: Literal["mean", "median"],
) -> Blocks:
    """Cut a series into blocks.

    Args:
        values: (n,) float64, finite and above 0, n at least 1.
        steps: (n,) int64, ascending.
        centre: What stands for a block.
    """
    count = len(values)
    size = block_size(count)
    values, places = np.clip(values, SMALLEST, LARGEST), steps.astype(np.float64)
    if size == 1:
        return Blocks(n=count, size=1, steps=places, centre=values, low=values, high=values)
    cuts = np.arange(count % size + size, count, size)
    parts = np.split(values, cuts)
    middle = np.mean if centre == "mean" else np.median
    wide = size >= _QUANTILES_FROM
    ends = [np.quantile(part, _QUANTILES) if wide else (part.min(), part.max()) for part in parts]
    return Blocks(
        n=count,
        size=size,
        steps=np.array([part.mean() for part in np.split(places, cuts)]),
        centre=np.array([middle(part) for part in parts]),
        low=np.array([end[0] for end in ends]),
        high=np.array([end[1] for end in ends]),
    )


def with_gaps(
    steps: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the series with a NaN inside each gap far wider than the usual distance."""
    distances = np.diff(steps)
    if len(distances) <= 1:  # one distance is the usual one
        return steps, values
    wide = np.flatnonzero(distances > _GAP * np.median(distances)) + 1
    return np.insert(steps, wide, steps[wide]), np.insert(values, wide, np.nan)
