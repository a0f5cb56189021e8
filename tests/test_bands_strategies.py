"""What the shipped strategies promise to plugin authors."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import find, given, settings
from hypothesis import strategies as st

from aitk_core.testing.strategies import (
    deltas,
    loss_series,
    sample_sizes,
    scores,
    standard_errors,
    steps,
)

if TYPE_CHECKING:
    from aitk_core.testing.strategies import LossSeries

FEW = settings(max_examples=30, deadline=None)


@given(deltas(edges=(2.0,)), standard_errors(), sample_sizes(), scores())
def test_numbers_are_finite_and_in_range(
    delta: float, error: float | None, n: int | None, score: float
) -> None:
    assert math.isfinite(delta)
    assert error is None or (math.isfinite(error) and error >= 0)
    assert n is None or n >= 0
    assert 0 <= score <= 100


def test_edges_and_their_neighbours_are_drawn() -> None:
    for wanted in (2.0, -2.0, math.nextafter(2.0, 3.0), math.nextafter(2.0, 1.0)):
        assert find(deltas(edges=(2.0,)), wanted.__eq__) == wanted


def test_the_unknown_and_the_exact_are_drawn() -> None:
    assert find(standard_errors(), lambda error: error is None) is None
    assert find(standard_errors(), lambda error: error == 0.0) == 0.0
    assert find(sample_sizes(), lambda n: n is None) is None
    assert find(scores(), lambda score: score == 100.0) == 100.0


@FEW
@given(steps(min_size=2, max_size=300))
def test_steps_rise(found: tuple[int, ...]) -> None:
    assert all(here < there for here, there in pairwise(found))
    assert 2 <= len(found) <= 300


@FEW
@given(steps(first=st.just(7), with_gaps=False))
def test_steps_without_gaps_follow_each_other_from_the_first(found: tuple[int, ...]) -> None:
    assert found == tuple(range(7, 7 + len(found)))


def test_gaps_are_drawn_where_they_are_allowed() -> None:
    found = find(steps(min_size=2, with_gaps=True), lambda s: s[-1] - s[0] >= len(s))
    assert len(found) >= 2


@FEW
@given(loss_series())
def test_losses_are_missing_zero_or_positive_and_finite(series: LossSeries) -> None:
    assert len(series.steps) == len(series.values)
    assert all(v is None or (math.isfinite(v) and v >= 0) for v in series.values)


@FEW
@given(loss_series(min_size=50, with_missing=False, with_zeros=False))
def test_whole_losses_are_all_there(series: LossSeries) -> None:
    assert all(value is not None and value > 0 for value in series.values)


@FEW
@given(loss_series(min_size=500, with_missing=True, with_zeros=True))
def test_damaged_losses_keep_enough_to_look_at(series: LossSeries) -> None:
    usable = [value for value in series.values if value]
    assert len(usable) > len(series.values) / 3


@FEW
@given(loss_series(min_size=1000, with_missing=False, with_zeros=False))
def test_neighbouring_losses_share_no_noise(series: LossSeries) -> None:
    logs = [math.log(value) for value in series.values if value]
    moves = [there - here for here, there in pairwise(logs)]
    if statistics.pstdev(moves) < 0.05:  # hardly any noise: only the drift is left
        return
    # White noise differenced once has the correlation -1/2.
    assert -0.65 < statistics.correlation(moves[:-1], moves[1:]) < -0.35
