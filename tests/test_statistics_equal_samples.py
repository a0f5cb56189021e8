"""Validation losses at the same number of samples seen: cases, laws, and the public seed pair."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.statistics.equal_samples import (
    ValidationCurve,
    compare_validation_at,
    shared_span,
)

TRACES = Path(__file__).parents[1].parent / "shared" / "domain" / "traces"
FILE = TRACES / "public_loss_traces.npz"

anything = st.lists(
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=12
)
losses = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=12)


def curve(values: list[float | None], *, every: int = 10, batch: int = 1) -> ValidationCurve:
    steps = [every * i for i in range(len(values))]
    return ValidationCurve.of(values, steps, effective_batch=batch)


def test_a_batch_of_two_has_seen_as_many_samples_after_half_the_steps() -> None:
    single = curve([1.0, 0.9, 0.8, 0.7, 0.6])
    double = curve([1.0, 0.8, 0.6], batch=2)
    result = compare_validation_at(single, double)
    assert result.verdict == "undetermined"
    assert result.mean_a == result.mean_b == pytest.approx(0.6)


def test_runs_are_compared_where_both_have_been_not_at_their_ends() -> None:
    longer, shorter = curve([1.0, 0.8, 0.7, 0.4, 0.3]), curve([1.0, 0.75, 0.65])
    result = compare_validation_at(longer, shorter)
    assert result.verdict == "a_higher"
    assert result.mean_a == pytest.approx(0.7)
    assert result.estimate == pytest.approx(math.log(0.7 / 0.65))


def test_between_two_evaluations_the_value_lies_on_the_straight_line() -> None:
    assert curve([1.0, 0.5]).at(5.0) == pytest.approx(0.75)
    assert curve([1.0, 0.5]).at(10.1) is None
    assert curve([1.0, 0.5]).at(-0.1) is None


def test_a_difference_that_seeds_make_is_no_difference() -> None:
    result = compare_validation_at(curve([1.0, 0.500]), curve([1.0, 0.502]))
    assert result.verdict == "undetermined"
    assert "seeds" in result.reason
    assert compare_validation_at(curve([1.0, 0.50]), curve([1.0, 0.51])).verdict == "a_lower"


def test_runs_that_never_saw_the_same_number_of_samples_are_not_compared() -> None:
    early = ValidationCurve.of([1.0, 0.9], [0, 10])
    late = ValidationCurve.of([0.5, 0.4], [100, 110])
    assert shared_span([early, late]) is None
    assert compare_validation_at(early, late).verdict == "undetermined"


@given(anything, anything, st.integers(1, 64))
def test_any_input_gets_an_answer(a: list[float | None], b: list[float | None], batch: int) -> None:
    result = compare_validation_at(curve(a), curve(b, batch=batch))
    assert result.verdict in ("a_lower", "a_higher", "undetermined")
    assert (result.estimate is None) == (result.interval is None)


@given(losses, losses)
def test_the_order_of_the_runs_only_turns_the_sign(a: list[float], b: list[float]) -> None:
    there, back = compare_validation_at(curve(list(a)), curve(list(b))), None
    back = compare_validation_at(curve(list(b)), curve(list(a)))
    turned = {"a_lower": "a_higher", "a_higher": "a_lower", "undetermined": "undetermined"}
    assert back.verdict == turned[there.verdict]
    if there.estimate is not None:
        assert back.estimate == pytest.approx(-there.estimate)


@given(losses, losses, st.floats(1e-3, 1e3))
def test_the_scale_of_the_loss_does_not_matter(
    a: list[float], b: list[float], scale: float
) -> None:
    plain = compare_validation_at(curve(list(a)), curve(list(b)))
    scaled = compare_validation_at(
        curve([value * scale for value in a]), curve([value * scale for value in b])
    )
    if plain.estimate is not None and abs(abs(plain.estimate) - 0.005) > 1e-9:
        assert scaled.verdict == plain.verdict


@pytest.mark.skipif(not FILE.is_file(), reason="the public traces are not beside this repository")
def test_public_runs_that_differ_only_in_their_seed_are_never_told_apart() -> None:
    traces = np.load(FILE, allow_pickle=False)
    keys = [m["key"] for m in json.loads(str(traces["meta"])) if m["run"].startswith("seed/")]
    curves = [ValidationCurve.of(traces[k + "/val"], traces[k + "/val_step"]) for k in keys]
    assert len(curves) >= 2
    for samples in curves[0].samples:
        for other in curves[1:]:
            result = compare_validation_at(curves[0], other, samples=float(samples))
            assert result.verdict == "undetermined"
            assert result.estimate is not None
