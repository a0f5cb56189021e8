"""Hypothesis strategies for the figures this field has: losses, scores and their differences.

    @given(loss_series(), st.sampled_from(["a", "b"]))
    def test_...(series: LossSeries, name: str) -> None: ...

Each mixes what real runs show with what may break code: exact bounds, neighbours of a threshold,
the smallest and the largest floats. None of them draws NaN; a missing value is None.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Final

from attrs import frozen
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

LARGEST: Final = sys.float_info.max
_SCORE_MAX: Final = 100.0
_LARGE_N: Final = 1_000_000
"""Above the steps of any run that the statistics were measured on (STATS.md, introduction)."""
_NOISE_SIGMA: Final = (0.0, 1.8)
"""sd of ln loss: 1.46 at batch 1, 0.25 to 0.6 with flow matching, and room above
(STATS.md section 0)."""
_TOTAL_DRIFT: Final = (-1.6, 1.6)
"""ln of last over first mean: a fall by 80 % is the largest in STATS.md section 0; as much up."""
_MEAN_LOSS: Final = (1e-3, 10.0)
_STRIDES: Final = ((1, 1), (2, 5), (50, 500))
_STRIDE_WEIGHTS: Final = (90, 9, 1)
"""From one step to the next: mostly 1, sometimes a few lost, rarely a stretch. Our choice."""


@frozen(kw_only=True)
class LossSeries:
    """Losses by step, as a logger would have kept them."""

    steps: tuple[int, ...]
    """Rising; steps that the logger lost are not here."""
    values: tuple[float | None, ...]
    """One for each step: None where the step has no loss, exactly 0 where it was not finite."""


def deltas(*, edges: Collection[float] = ()) -> st.SearchStrategy[float]:
    """Return finite differences, of scores mostly, in either direction.

    Args:
        edges: Magnitudes at which something changes. They, the nearest floats on both sides,
            and the same with the other sign are drawn often.
    """
    drawn: list[st.SearchStrategy[float]] = [
        st.floats(-_SCORE_MAX, _SCORE_MAX),
        # Published scores have two places, so their differences have, too.
        st.integers(-10_000, 10_000).map(lambda hundredths: hundredths / 100.0),
        st.floats(allow_nan=False, allow_infinity=False),
    ]
    around = sorted(
        {
            sign * near
            for edge in edges
            for near in (edge, math.nextafter(edge, math.inf), math.nextafter(edge, -math.inf))
            for sign in (1.0, -1.0)
            if math.isfinite(near)
        }
    )
    if around:
        drawn.insert(0, st.sampled_from(around))
    return st.one_of(drawn)


def standard_errors() -> st.SearchStrategy[float | None]:
    """Return standard errors of a difference: None where unknown, 0 where both sides are exact."""
    return st.one_of(
        st.none(), st.just(0.0), st.floats(0.0, _SCORE_MAX / 2), st.floats(0.0, LARGEST)
    )


def sample_sizes() -> st.SearchStrategy[int | None]:
    """Return sample sizes behind a figure: None where unknown, 0 where there was nothing."""
    return st.one_of(st.none(), st.integers(0, 10_000), st.integers(0, _LARGE_N))


def scores() -> st.SearchStrategy[float]:
    """Return scores, 0 to 100 score points, both included, with two places or all of them."""
    return st.one_of(
        st.integers(0, 10_000).map(lambda hundredths: hundredths / 100.0),
        st.floats(0.0, _SCORE_MAX),
    )


@st.composite
def steps(
    draw: st.DrawFn,
    *,
    min_size: int = 0,
    max_size: int = 2000,
    first: st.SearchStrategy[int] | None = None,
    with_gaps: bool | None = None,
) -> tuple[int, ...]:
    """Return training steps, strictly rising.

    Args:
        draw: Given by hypothesis.
        min_size: Least number of steps.
        max_size: Greatest number of steps.
        first: The first step; 0, 1 or where a run was resumed if not given.
        with_gaps: Whether steps may be missing, one by one or by the stretch; drawn if None.
    """
    size = draw(st.integers(min_size, max_size))
    begin = draw(
        st.one_of(st.sampled_from((0, 1)), st.integers(0, 100_000)) if first is None else first
    )
    has_gaps = draw(st.booleans()) if with_gaps is None else with_gaps
    if not has_gaps:
        return tuple(range(begin, begin + size))
    random = draw(st.randoms(use_true_random=True))
    found, step = [], begin
    for _ in range(size):
        found.append(step)
        step += _stride(random)
    return tuple(found)


def _stride(random: Random) -> int:
    (stride,) = random.choices(_STRIDES, _STRIDE_WEIGHTS)
    return random.randint(*stride)


@st.composite
def loss_series(
    draw: st.DrawFn,
    *,
    min_size: int = 0,
    max_size: int = 2000,
    with_missing: bool | None = None,
    with_gaps: bool | None = None,
    with_zeros: bool | None = None,
) -> LossSeries:
    """Return losses as diffusion training has them: lognormal noise around a slowly moving mean.

    The noise has no memory (autocorrelation of ln loss about 0, STATS.md section 0), and the mean
    moves evenly in ln loss. Few numbers are drawn and the noise comes from a drawn seed, so that
    long series are cheap; they shrink by length, drift and noise, not value by value.

    Args:
        draw: Given by hypothesis.
        min_size: Least number of steps.
        max_size: Greatest number of steps.
        with_missing: Whether steps may lack a loss, as after out of memory; drawn if None.
        with_gaps: Whether steps may be missing; drawn if None.
        with_zeros: Whether losses may be exactly 0, which is how AI Toolkit logs one that was
            not finite; drawn if None.
    """
    at = draw(steps(min_size=min_size, max_size=max_size, with_gaps=with_gaps))
    level = draw(st.floats(*_MEAN_LOSS))
    drift = draw(st.floats(*_TOTAL_DRIFT))
    sigma = draw(st.floats(*_NOISE_SIGMA))
    missing = _share(draw, is_wanted=with_missing)
    zero = _share(draw, is_wanted=with_zeros)
    random = draw(st.randoms(use_true_random=True))
    length = max(1, len(at) - 1)

    def value(index: int) -> float | None:
        # Drawn first and always, so that the noise does not depend on what is left out.
        noise = random.gauss(0.0, sigma) - sigma**2 / 2
        fate = random.random()
        if fate < missing:
            return None
        if fate < missing + zero:
            return 0.0
        return level * math.exp(drift * index / length + noise)

    return LossSeries(steps=at, values=tuple(value(index) for index in range(len(at))))


def _share(draw: st.DrawFn, *, is_wanted: bool | None) -> float:
    if is_wanted is None:
        is_wanted = draw(st.booleans())
    return draw(st.floats(0.01, 0.2)) if is_wanted else 0.0
