"""Losses beyond those of a model that predicts nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.statistics.explosion import explosion
from aitk_core.testing.recorded import recorded_runs

HERE = Path(__file__).parent
RUNS = recorded_runs()
TRACES = HERE.parents[1] / "shared" / "domain" / "traces" / "public_loss_traces.npz"


@pytest.mark.parametrize("name", sorted(RUNS))
def test_no_recorded_run_exploded(name: str) -> None:
    """The diverged ones stayed at the level of a model that predicts nothing."""
    points = RUNS[name].metrics.get("loss/loss", [])
    assert explosion([p[2] for p in points]).verdict in ("none", "undetermined")


def test_an_explosion_from_the_first_steps_is_seen_whatever_its_spread() -> None:
    losses = np.random.default_rng(3).lognormal(10, 3, 200)
    result = explosion(losses)
    assert (result.verdict, result.severity) == ("exploded", "critical")
    assert explosion(losses, prediction="flow").verdict == "exploded"


def test_single_huge_steps_do_not_decide() -> None:
    losses = np.full(100, 0.3)
    losses[-10:] = 1e9
    assert explosion(losses).verdict == "none"


def test_a_run_that_came_back_is_said_to_have_exploded_earlier() -> None:
    result = explosion([0.3] * 50 + [1e6] * 100 + [0.3] * 40)
    assert (result.verdict, result.severity) == ("exploded_earlier", "warning")
    assert result.first_step is not None
    assert result.last_step is not None
    assert 30 <= result.first_step <= 50
    assert 150 <= result.last_step <= 170


def test_too_few_losses_are_undetermined() -> None:
    assert explosion([1e9] * 19).verdict == "undetermined"


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=80))
def test_any_input_gives_a_result_that_is_json(losses: list[float | None]) -> None:
    result = explosion(losses)
    json.dumps([result.verdict, result.estimate, result.n], allow_nan=False)


@given(st.floats(1e-3, 1e6), st.floats(1, 100))
def test_a_larger_loss_is_never_judged_milder(loss: float, factor: float) -> None:
    mild, grave = explosion([loss] * 40).verdict, explosion([loss * factor] * 40).verdict
    assert not (mild == "exploded" and grave == "none")


@pytest.mark.skipif(not TRACES.exists(), reason="the public traces are not beside this checkout")
def test_no_public_run_is_called_exploded_at_any_step() -> None:
    """The stated false-alarm rate: the highest median of 30 neighbours is far below."""
    checked = 0
    with np.load(TRACES) as traces:
        for key in traces.files:
            if key.endswith("/loss"):
                checked += 1
                assert explosion(traces[key]).verdict == "none", key
    assert checked == 48
