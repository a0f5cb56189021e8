"""Verdicts on loss tables recorded from real runs (backend fixtures, `runs/*/loss.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from attrs import frozen

from aitk_core.statistics.blowup import one_step_blowup
from aitk_core.statistics.cleaning import numeric_health
from aitk_core.statistics.early import early_failure, recent, start
from aitk_core.statistics.eta import time_left
from aitk_core.statistics.level import mean_level
from aitk_core.statistics.overfit import overfit
from aitk_core.statistics.shift import level_shift
from aitk_core.statistics.speed import find_pauses, gaps_of, slow_down
from aitk_core.statistics.trend import trend

if TYPE_CHECKING:
    from aitk_core.statistics.early import Prediction

RECORDINGS: Final = Path(__file__).parent / "recordings" / "loss"
HEALTHY: Final = ("ok_200_steps", "ok_with_validation")
ALL: Final = (*HEALTHY, "high_lr_divergence", "nan_loss", "overfit", "slow_down")


@frozen(kw_only=True)
class Series:
    steps: list[int]
    times: list[float]
    loss: list[float | None]


def _read(name: str) -> Series:
    points = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))["points"]
    return Series(
        steps=[point["step"] for point in points],
        times=[point["wall_time"] for point in points],
        loss=[point["value"] for point in points],
    )


@pytest.mark.parametrize("name", [*HEALTHY, "slow_down"])
def test_a_healthy_loss_raises_nothing(name: str) -> None:
    run = _read(name)
    results = (
        numeric_health(run.loss, run.steps),
        one_step_blowup(run.loss, run.steps),
        level_shift(run.loss, run.steps),
        early_failure(run.loss, run.steps),
        early_failure(run.loss, run.steps, prediction="flow"),
    )
    assert [result.severity for result in results] == ["none"] * 5
    assert results[0].verdict == "ok"
    assert trend(run.loss, run.steps).verdict == "undetermined"


@pytest.mark.parametrize("name", ["high_lr_divergence", "nan_loss"])
@pytest.mark.parametrize("prediction", ["noise", "flow"])
def test_a_learning_rate_30_times_too_high_is_called_diverged(
    name: str, prediction: Prediction
) -> None:
    run = _read(name)
    result = early_failure(run.loss, run.steps, prediction=prediction)
    assert (result.verdict, result.severity) == ("diverged", "critical")
    assert result.worse_than_start


def test_the_divergence_is_seen_before_the_first_nan() -> None:
    run = _read("nan_loss")
    assert run.loss[32] == 0.0
    assert run.steps[32] == 33
    result = early_failure(run.loss[:32], run.steps[:32])
    assert result.verdict == "diverged"
    assert result.steps == (1, 32)


def test_the_divergence_is_seen_while_the_run_goes_on() -> None:
    run = _read("high_lr_divergence")
    flagged = [
        count
        for count in range(30, len(run.loss) + 1)
        if early_failure(run.loss[:count], run.steps[:count]).severity != "none"
    ]
    assert flagged[0] < 60
    assert flagged == list(range(flagged[0], len(run.loss) + 1))


def test_over_fitting_is_not_called_divergence() -> None:
    run = _read("overfit")
    result = early_failure(run.loss, run.steps)
    assert (result.verdict, result.severity) == ("noise_level_since_start", "warning")
    assert "since the start" in result.reason
    assert early_failure(run.loss, run.steps, prediction="flow").verdict == "none"


def test_without_the_first_steps_the_cause_stays_open() -> None:
    run = _read("high_lr_divergence")
    assert early_failure(run.loss[100:], run.steps[100:]).verdict == "noise_level"
    flow = early_failure(run.loss[100:], run.steps[100:], prediction="flow")
    assert flow.verdict == "undetermined"


def test_nan_steps_are_counted_from_their_zeros() -> None:
    run = _read("nan_loss")
    result = numeric_health(run.loss, run.steps)
    assert (result.zero, result.nonfinite, result.verdict) == (117, 0, "critical")
    assert (result.first_bad_step, result.last_bad_step) == (33, 149)
    assert result.stop_justified


def test_windows_reproduce_the_table_of_section_12() -> None:
    for name, low, high in (
        ("ok_200_steps", 0.32, 0.42),
        ("ok_with_validation", 0.32, 0.42),
        ("slow_down", 0.32, 0.42),
        ("high_lr_divergence", 0.82, 1.01),
    ):
        run = _read(name)
        window = recent(run.loss, run.steps)
        assert window.n == 50
        assert window.mean is not None
        assert low <= window.mean <= high
    base = start(_read("ok_200_steps").loss)
    assert base.n == 10
    assert base.steps == (1, 10)


def test_only_the_over_fitted_run_has_a_rising_validation_loss() -> None:
    sound, fitted = _read("ok_with_validation.val"), _read("overfit.val")
    assert overfit(sound.loss, sound.steps).verdict == "none"
    result = overfit(fitted.loss, fitted.steps)
    assert (result.verdict, result.best_step, result.overfitting_step) == ("overfitting", 1, 30)
    assert not result.recovered


def test_only_the_throttled_run_is_slow() -> None:
    for name in ALL:
        run = _read(name)
        gaps = gaps_of(run.times, run.steps)
        result = slow_down(gaps.per_step_s, gaps.steps)
        assert result.verdict == ("slow" if name == "slow_down" else "ok"), name


def test_pauses_for_samples_and_checkpoints_are_no_breaks() -> None:
    for name in ALL:
        run = _read(name)
        result = find_pauses(run.times, run.steps)
        assert result.verdict == "segmented"
        assert result.segments == ((run.steps[0], run.steps[-1]),)
    saved = find_pauses(_read("ok_200_steps").times, _read("ok_200_steps").steps)
    # Saves every 50 steps, samples every 100 (expected.json of the run).
    assert {50, 100, 150} & {pause.after_step for pause in saved.pauses}


def test_on_short_runs_the_interval_of_the_time_left_misses_as_often_as_it_says() -> None:
    # Every point, so that none is picked: these runs shared a busy machine.
    held = []
    for name in (*HEALTHY, "high_lr_divergence", "nan_loss", "overfit"):
        run = _read(name)
        for count in range(51, len(run.times) - 9):
            result = time_left(run.times[:count], run.steps[:count], total_steps=run.steps[-1])
            assert result.interval is not None
            assert result.false_alarm_rate.rate == 0.35
            true = run.times[-1] - run.times[count - 1]
            held.append(result.interval[0] <= true <= result.interval[1])
    assert (len(held), held.count(False)) == (815, 283)


def test_a_mean_says_which_steps_it_covers() -> None:
    run = _read("ok_200_steps")
    result = mean_level(run.loss, run.steps)
    # 199 losses: the oldest 19 do not fill a batch.
    assert result.steps == (20, 199)
    assert result.last == run.loss[-1]
