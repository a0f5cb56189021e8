"""Exact bounds of counted rates, against printed tables and their own definition."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.statistics.rates import (
    binomial_at_least,
    binomial_interval,
    poisson_at_least,
    poisson_interval,
    poisson_upper,
)


# One-sided 95 % limits of the Poisson mean: Garwood 1936, table.
@pytest.mark.parametrize(
    ("count", "bound"), [(0, 2.9957), (1, 4.7439), (2, 6.2958), (5, 10.5130), (10, 16.9622)]
)
def test_the_upper_bound_of_a_count_agrees_with_the_table(count: int, bound: float) -> None:
    assert poisson_upper(count) == pytest.approx(bound, abs=1e-4)


# Two-sided 95 % limits, same table.
@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)]
)
def test_the_interval_of_a_count_agrees_with_the_table(count: int, low: float, high: float) -> None:
    assert poisson_interval(count) == pytest.approx((low, high), abs=1e-4)


# Clopper and Pearson 1934; 1 - 0.025 ** (1 / n) at none seen.
@pytest.mark.parametrize(
    ("count", "trials", "low", "high"),
    [(0, 10, 0.0, 0.3085), (1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0)],
)
def test_the_interval_of_a_share_agrees_with_the_table(
    count: int, trials: int, low: float, high: float
) -> None:
    assert binomial_interval(count, trials) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 1200), st.data())
def test_an_interval_holds_the_share_that_was_seen(trials: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, trials))
    low, high = binomial_interval(count, trials)
    assert 0 <= low <= count / trials <= high <= 1


@given(st.integers(0, 400))
def test_the_bound_of_a_count_is_what_it_says(count: int) -> None:
    assert 1 - poisson_at_least(count + 1, poisson_upper(count)) == pytest.approx(0.05, abs=1e-9)


@given(st.integers(0, 60), st.floats(0, 1))
def test_more_events_are_never_likelier(trials: int, share: float) -> None:
    chances = [binomial_at_least(count, trials, share) for count in range(trials + 1)]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(chances))


def test_what_cannot_be_is_refused() -> None:
    for count, trials, share in ((3, 2, 0.5), (-1, 2, 0.5), (1, 2, 1.5)):
        with pytest.raises(ValueError, match="cannot be"):
            binomial_at_least(count, trials, share)
    with pytest.raises(ValueError, match="cannot be"):
        poisson_at_least(1, -0.1)
