"""Verdicts on pure noise are wrong no more often than each method states.

A count is held against the 99 % binomial or Poisson interval of the stated rate. The benchmark
makes 1,000 trials of every method; here the slow ones and those that state no alarm at all have
fewer.
"""

from __future__ import annotations

from typing import Final

import pytest

from aitk_core.proving.trials import CHANCE, LOOKS, TRIALS, Trial, measure
from aitk_core.statistics.methods import METHODS
from aitk_core.statistics.rates import binomial_at_least

SEED: Final = 5
MANY: Final = (
    "mean_batches_v1", "shift_cusum_v2", "shift_cusum_short_v2", "trend_quarters_v1",
    "compare_tails_v1", "compare_paired_v1", "eta_events_v1",
)  # fmt: skip
SLOW: Final = ("oddness_robust_z_v1", "noise_calibrated_v2")
SILENT: Final = {"score_convergence_v1", "pauses_v1"}
"""Methods that describe, and claim nothing that could be wrong."""

TREND: Final = next(trial for trial in TRIALS if trial.method == "trend_quarters_v1")


def trials_of(method: str) -> int:
    return 1000 if method in MANY else 20 if method in SLOW else 100


def test_every_method_has_a_trial_or_claims_nothing() -> None:
    assert {trial.method for trial in TRIALS} | SILENT == set(METHODS)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.method)
def test_a_method_is_wrong_on_noise_no_more_often_than_it_states(trial: Trial) -> None:
    for kind in trial.kinds:
        count = trials_of(trial.method)
        found = measure(trial, kind, trials=count, seed=SEED, looks=False)
        assert found.trials == count
        if METHODS[trial.method].false_alarm_rate.rate is not None and kind in trial.stated_for:
            assert found.is_within is True, found


def test_a_trend_asked_for_every_250_steps_keeps_its_level_over_the_run() -> None:
    found = measure(TREND, "noise", trials=1000, seed=SEED)
    assert found.wrong_at_a_look is not None
    assert binomial_at_least(found.wrong_at_a_look, found.trials, 0.05) >= CHANCE
    # The looks are what does it: at the full level a quarter of such runs show a trend at one.
    assert found.wrong_at_a_look < found.trials * 0.05 * LOOKS / 2


def test_a_method_that_errs_more_often_than_it_states_is_told_apart() -> None:
    biased = Trial(method="trend_quarters_v1", wrong=lambda rng, _kind: int(rng.uniform() < 0.1))
    assert measure(biased, "noise", trials=1000, seed=SEED).is_within is False
