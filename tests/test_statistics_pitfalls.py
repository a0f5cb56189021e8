"""Proven flaws of the reference that the statistics must not repeat (PITFALLS.md A)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aitk_core.proving.generate import flow_losses, shifted, spiked
from aitk_core.statistics.bands import band_of, bootstrap_standard_error, score_convergence
from aitk_core.statistics.blowup import one_step_blowup
from aitk_core.statistics.cleaning import clean, numeric_health
from aitk_core.statistics.compare import compare, compare_paired, steps_needed
from aitk_core.statistics.compare_many import compare_many
from aitk_core.statistics.level import mean_level
from aitk_core.statistics.overfit import compare_validation, overfit
from aitk_core.statistics.shift import choose_setting, level_shift
from aitk_core.statistics.trend import trend

Array = np.ndarray[Any, Any]


def _stationary(generator: np.random.Generator) -> Array:
    """The reference's case: 500 losses, mean 0.4, sd 0.12."""
    return np.maximum(1e-3, generator.normal(0.4, 0.12, 500))


def test_a5_stationary_runs_get_a_false_trend_in_about_one_of_twenty() -> None:
    generator = np.random.default_rng(5)
    verdicts = [trend(_stationary(generator)).verdict for _ in range(1000)]
    assert 1000 - verdicts.count("undetermined") <= 50 + 4 * math.sqrt(1000 * 0.05 * 0.95)


def test_a6_runs_that_truly_fall_are_found_and_never_called_rising() -> None:
    generator = np.random.default_rng(6)
    falls = np.linspace(0.5, 0.3, 500)
    verdicts = [
        trend(np.maximum(1e-3, falls + generator.normal(0, 0.12, 500))).verdict for _ in range(1000)
    ]
    assert verdicts.count("decreasing") >= 990
    assert verdicts.count("increasing") == 0


def test_a7_equal_runs_are_told_apart_in_about_one_of_twenty() -> None:
    generator = np.random.default_rng(7)
    pairs = [compare(_stationary(generator), _stationary(generator)) for _ in range(300)]
    different = [pair for pair in pairs if pair.verdict in {"a_lower", "a_higher"}]
    assert len(different) <= 15 + 4 * math.sqrt(300 * 0.05 * 0.95)
    assert all(pair.standard_error is not None for pair in pairs)


def test_a7_equal_runs_rarely_get_a_band_beyond_noise() -> None:
    generator = np.random.default_rng(8)
    scores = [score_convergence(_stationary(generator), generator=generator) for _ in range(60)]
    named = 0
    for a, b in zip(scores[::2], scores[1::2], strict=True):
        error = math.hypot(a.standard_error or 0.0, b.standard_error or 0.0)
        delta = (a.estimate or 0.0) - (b.estimate or 0.0)
        named += band_of(delta, standard_error=error, n=500).verdict != "undetermined"
    assert named <= 3


def test_a8_one_last_value_decides_nothing() -> None:
    values = [0.1] * 4 + [0.9]
    assert trend(values).verdict == "undetermined"
    longer = trend([*[0.1] * 400, 0.9])
    assert longer.verdict == "undetermined"


def test_a9_a_verdict_says_which_steps_it_covers() -> None:
    assert trend([0.5] * 300, list(range(1001, 1301))).steps == (1001, 1300)
    unequal = compare([0.5] * 300, [0.5] * 5000)
    assert unequal.n == 300
    assert unequal.steps_b == (4701, 5000)


def test_a10_a_healthy_log_normal_loss_gets_no_warning() -> None:
    generator = np.random.default_rng(10)
    flagged = [one_step_blowup(generator.lognormal(-1, 0.6, 2000)).severity for _ in range(300)]
    assert flagged.count("warning") == 0
    # Its tail has no end, unlike that of real losses: 4.8 % of 1,500 such runs got one isolated
    # flag, which is information only. The bound is that share and four standard errors.
    assert flagged.count("info") <= 300 * 0.048 + 4 * math.sqrt(300 * 0.048 * 0.952)


def test_a11_a_first_value_of_zero_is_counted_and_left_out() -> None:
    values = [0.0, 0.5, *[0.4] * 300]
    assert numeric_health(values).zero == 1
    assert clean(values).values[0] == 0.5
    assert mean_level(values).verdict == "estimated"


def test_a12_last_is_last_in_time_order() -> None:
    assert mean_level([0.5, 0.4, 0.3]).last == 0.3
    assert mean_level([0.3, 0.5, 0.4], [30, 10, 20]).last == 0.3


def test_a15_redraws_of_one_step_count_once() -> None:
    cleaned = clean([0.5, 0.5, 0.5, 0.4], [1, 1, 1, 2])
    assert cleaned.values.tolist() == [0.5, 0.4]
    assert cleaned.indices.tolist() == [2, 3]


def test_a16_a_score_reaches_both_ends() -> None:
    generator = np.random.default_rng(16)
    falling = score_convergence([1.0] * 500 + [0.4] * 500, generator=generator)
    rising = score_convergence([0.4] * 500 + [1.0] * 500, generator=generator)
    assert (falling.estimate, rising.estimate) == (100.0, 0.0)


def test_a_run_without_losses_has_no_score() -> None:
    assert score_convergence([], generator=np.random.default_rng(0)).estimate is None


def test_the_standard_error_of_a_score_is_near_the_true_spread() -> None:
    generator = np.random.default_rng(1)
    runs = [generator.lognormal(-2, 0.5, 1000) for _ in range(80)]

    def score(values: Array) -> float:
        return 100 * (1 - float(values[-100:].mean()) / float(values[:100].mean()))

    true = float(np.std([score(run) for run in runs], ddof=1))
    errors = [bootstrap_standard_error(run, score, generator=generator) for run in runs]
    assert 0.8 * true < float(np.mean(errors)) < 1.2 * true


def test_bands_are_taken_from_the_bound_nearest_zero() -> None:
    for delta, error, n, band in (
        (2.0, 0.0, None, "negligible"),
        (2.01, 0.0, None, "moderate"),
        (8.0, 0.0, None, "moderate"),
        (8.5, 0.0, None, "large"),
        (0.0, 0.0, None, "negligible"),
        (10.0, 5.0, 5000, "undetermined"),
        (13.0, 4.0, 5000, "moderate"),
        (13.0, 4.0, 1999, "negligible"),
        (11.0, 4.0, 2000, "moderate"),
        (11.0, 4.0, 1999, "undetermined"),
        (20.0, 5.0, 5000, "large"),
    ):
        assert band_of(delta, standard_error=error, n=n).verdict == band, (delta, error, n)


def test_three_zeros_within_twenty_steps_are_critical_and_one_is_a_warning() -> None:
    fine = [0.4] * 300

    def bad_at(*positions: int) -> Any:
        values: list[float | None] = list(fine)
        for position in positions:
            values[position] = 0.0
        return numeric_health(values)

    assert bad_at(100).verdict == "warning"
    assert not bad_at(100).stop_justified
    assert bad_at(100, 110, 119).verdict == "critical"
    assert bad_at(20, 40, 60).verdict == "warning"
    assert bad_at(110, 150, 200, 299).verdict == "critical"
    assert bad_at(10, 40, 70, 99).verdict == "warning"


def test_the_setting_of_the_level_shift_is_chosen_by_length() -> None:
    assert choose_setting(709) == "short"
    assert choose_setting(710) == "main"
    assert choose_setting(1999, is_flow=True) == "short"
    assert choose_setting(2000, is_flow=True) == "main"
    assert level_shift([0.4] * 309).needed_n == 310


def test_a_doubling_stops_only_after_ten_blocks_confirmed_it() -> None:
    generator = np.random.default_rng(3)
    loss = generator.lognormal(-1, 0.3, 1300)
    loss[1000:] *= 2.5
    alarm = level_shift(loss[:1060]).up[0]
    assert alarm.stop_step is None
    assert not level_shift(loss[:1060]).stop_justified
    whole = level_shift(loss)
    assert whole.up[0].stop_step == alarm.step + 100
    assert (whole.stop_justified, whole.severity) == (True, "critical")


def test_two_blow_ups_within_twenty_steps_are_a_warning() -> None:
    loss = [0.4] * 200
    loss[150] = 1.0
    assert (one_step_blowup(loss).verdict, one_step_blowup(loss).severity) == ("isolated", "info")
    loss[160] = 2.5
    assert (one_step_blowup(loss).verdict, one_step_blowup(loss).severity) == (
        "repeated",
        "warning",
    )


def test_the_steps_needed_are_those_of_section_6() -> None:
    assert steps_needed(0.1, 1.24) == 2461
    assert steps_needed(0.05, 1.24) == 9841
    assert steps_needed(0.5, 0.1) == 100


def test_an_undetermined_comparison_says_how_many_steps_it_needs() -> None:
    generator = np.random.default_rng(4)
    a, b = (generator.lognormal(-2, 0.96, 1000) for _ in range(2))
    result = compare(a, b)
    assert result.verdict == "undetermined"
    assert result.needed_n is not None
    assert 5_000 < result.needed_n < 20_000
    assert result.detectable_difference_fraction is not None
    assert 0.1 < result.detectable_difference_fraction < 0.25


def test_what_is_not_comparable_gets_no_number() -> None:
    for method in (compare, compare_paired):
        result = method([0.4] * 500, [0.2] * 500, not_comparable="other base model")
        assert (result.verdict, result.reason) == ("not_comparable", "other base model")
        assert result.estimate is None
        assert result.interval is None


def test_pairs_are_matched_by_step() -> None:
    generator = np.random.default_rng(9)
    shared = generator.lognormal(-2, 1, 400)
    result = compare_paired(
        1.1 * shared[100:],
        shared[:300],
        steps_a=list(range(101, 401)),
        steps_b=list(range(1, 301)),
    )
    assert (result.verdict, result.n, result.steps) == ("a_higher", 200, (101, 300))


def test_a_clear_winner_is_named_and_short_runs_are_listed_apart() -> None:
    generator = np.random.default_rng(2)
    runs = {
        "low": generator.lognormal(-2, 0.3, 800),
        "high": 2 * generator.lognormal(-2, 0.3, 600),
        "higher": 3 * generator.lognormal(-2, 0.3, 600),
        "short": generator.lognormal(-9, 0.3, 50),
    }
    result = compare_many(runs)
    assert (result.verdict, result.leader, result.not_assessed) == ("lowest", "low", ("short",))
    runs["twin"] = generator.lognormal(-2, 0.3, 800)
    assert set(compare_many(runs).tied) == {"low", "twin"}


def test_a_recovered_validation_loss_is_no_over_fitting() -> None:
    values = [1.0, 1.02, 1.03, 1.04, 0.9, 0.89, 0.88]
    result = overfit(values, list(range(0, 700, 100)))
    assert (result.verdict, result.overfitting_step, result.recovered) == ("none", 300, True)
    assert result.best_step == 600


def test_validation_losses_closer_than_two_seeds_are_undetermined() -> None:
    a, b = [0.21, 0.204, 0.203, 0.2004], [0.21, 0.203, 0.202, 0.2]
    assert compare_validation(a, b).verdict == "undetermined"
    assert compare_validation(a, b, seed_spread_fraction=0.001).verdict == "a_higher"
    assert compare_validation(b, [0.3] * 4).verdict == "a_lower"


def test_a_single_odd_step_is_no_level_that_stays() -> None:
    for seed in range(40):
        for factor in (10.0, 100.0, 1e6):
            odd = spiked(flow_losses(np.random.default_rng(seed), 1500), at=1000, factor=factor)
            assert level_shift(odd, is_flow=True).up == ()
            assert level_shift(odd, setting="main").up == ()


def test_a_level_that_stays_is_found_however_large_it_is() -> None:
    for factor in (3.0, 10.0, 1e6):
        losses = shifted(flow_losses(np.random.default_rng(1), 1500), onset=1000, factor=factor)
        (first, *_) = level_shift(losses, is_flow=True).up
        assert 1000 <= first.step < 1040
        assert first.stop_step is not None
