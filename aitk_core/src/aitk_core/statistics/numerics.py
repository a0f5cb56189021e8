"""Arithmetic the methods share, safe from overflow: everything runs on logs or scaled values."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def t_quantile(df: float, *, alpha: float = 0.05) -> float:
    """Return the two-sided critical value of Student's t.

    Expansion in 1/df of STATS.md section 4, error below 0.001 for df >= 9 at alpha 0.05.

    Args:
        df: Degrees of freedom, 9 or more.
        alpha: Two-sided level, above 0, below 1.
    """
    z = NormalDist().inv_cdf(1 - alpha / 2)
    return (
        z
        + (z**3 + z) / (4 * df)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * df**3)
    )


def finite(value: float) -> float | None:
    """Return a plain float, or None for NaN and infinities."""
    number = float(value)
    return number if math.isfinite(number) else None


def interval(low: float, high: float) -> tuple[float, float] | None:
    """Return both ends as plain floats, or None where one is not finite."""
    ends = finite(low), finite(high)
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def scaled(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Divide positive values by their largest, so that sums cannot overflow.

    Returns:
        Values in 0 to 1, and the divisor, 1 for an empty array.
    """
    if not len(values):
        return values, 1.0
    scale = float(values.max())
    return values / scale, scale


def batch_means(values: NDArray[np.float64], batches: int) -> NDArray[np.float64]:
    """Return the means of equal contiguous batches, the oldest remainder dropped.

    Args:
        values: (n,) float64, n at least `batches`.
        batches: How many to cut.
    """
    rest = len(values) % batches
    means: NDArray[np.float64] = values[rest:].reshape(batches, -1).mean(axis=1)
    return means


def log_block_means(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return ln of the mean of each full block of positive values, the newest remainder dropped.

    Args:
        values: (n,) float64, above 0.
        size: Values in a block.
    """
    blocks = len(values) // size
    if not blocks:
        return np.empty(0)
    logs = np.log(values[: blocks * size]).reshape(blocks, size)
    top = logs.max(axis=1, keepdims=True)
    means: NDArray[np.float64] = top[:, 0] + np.log(np.exp(logs - top).mean(axis=1))
    return means


def squared_standard_error(batches: NDArray[np.float64]) -> float:
    """Return the squared standard error of the mean of batch means."""
    return float(batches.var(ddof=1)) / len(batches)


def welch_df(first: float, first_n: int, second: float, second_n: int) -> float:
    """Return Welch and Satterthwaite's degrees of freedom.

    Args:
        first: Squared standard error of the first mean.
        first_n: Values behind it, 2 or more.
        second: Squared standard error of the second mean.
        second_n: Values behind it, 2 or more.

    Returns:
        Between the smaller n - 1 and n1 + n2 - 2; the latter where both errors are 0.
    """
    largest = max(first, second)
    if largest <= 0:
        return float(first_n + second_n - 2)
    # Scaled first: the squares of tiny variances would vanish.
    a, b = first / largest, second / largest
    return (a + b) ** 2 / (a**2 / (first_n - 1) + b**2 / (second_n - 1))
