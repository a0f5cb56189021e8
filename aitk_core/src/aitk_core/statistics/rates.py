"""Exact intervals of counted rates. No numpy.

Clopper and Pearson, Biometrika 26 (1934) 404 for shares; Garwood, Biometrika 28 (1936) 437 for
counts. Both hold their level at any count, at the price of being wide.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_HALVINGS: Final = 100
"""Of the search for a bound; after 60 a float does not change any more."""


def binomial_at_least(count: int, trials: int, share: float) -> float:
    """Return the probability of `count` or more in `trials` at a true share.

    Args:
        count: 0 or more.
        trials: At least `count`.
        share: 0 to 1, both included.

    Raises:
        ValueError: The count lies outside 0 to `trials`, or the share outside 0 to 1.
    """
    if not 0 <= count <= trials or not 0 <= share <= 1:
        raise ValueError(f"{count!r} of {trials!r} at {share!r} cannot be")
    if count == 0 or share == 1:
        return 1.0
    if share == 0:
        return 0.0
    logs = (math.log(share), math.log1p(-share))
    whole = math.lgamma(trials + 1)
    terms = [
        math.exp(
            whole
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * logs[0]
            + (trials - k) * logs[1]
        )
        for k in range(count, trials + 1)
    ]
    return min(1.0, math.fsum(terms))


def poisson_at_least(count: int, mean: float) -> float:
    """Return the probability of `count` or more events where `mean` are expected.

    Args:
        count: 0 or more.
        mean: 0 or more, finite.

    Raises:
        ValueError: The count or the mean is below 0, or the mean is not finite.
    """
    if count < 0 or not 0 <= mean < math.inf:
        raise ValueError(f"{count!r} events where {mean!r} are expected cannot be")
    if count == 0:
        return 1.0
    if mean == 0:
        return 0.0
    fewer = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count)]
    return max(0.0, 1.0 - math.fsum(fewer))


def binomial_interval(count: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a share (Clopper and Pearson).

    Args:
        count: 0 to `trials`.
        trials: 1 or more.
        level: Coverage at least, above 0, below 1.
    """
    tail = (1 - level) / 2
    low = _search(lambda share: binomial_at_least(count, trials, share) > tail) if count else 0.0
    high = 1.0
    if count < trials:
        high = _search(lambda share: 1 - binomial_at_least(count + 1, trials, share) < tail)
    return low, high


def poisson_interval(count: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of the expected number of events (Garwood).

    Args:
        count: Events seen, 0 or more.
        level: Coverage at least, above 0, below 1.
    """
    tail = (1 - level) / 2
    low = count * _search(lambda share: poisson_at_least(count, count * share) > tail)
    return low, poisson_upper(count, level=1 - tail)


def poisson_upper(count: int, *, level: float = 0.95) -> float:
    """Return the exact one-sided upper bound of the expected number of events (Garwood).

    Args:
        count: Events seen, 0 or more.
        level: Coverage at least, above 0, below 1.
    """
    # At 10 sqrt(count + 1) + 20 above the count, fewer are out of the question at any level.
    top = count + 10 * math.sqrt(count + 1) + 20
    return top * _search(lambda share: 1 - poisson_at_least(count + 1, top * share) < 1 - level)


def _search(is_above: Callable[[float], bool]) -> float:
    """Return the point of 0 to 1 from which on a monotone condition holds."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return high
