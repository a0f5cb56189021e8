"""Speed, stalls, pauses and time left (STATS.md sections 9 and 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from aitk_core.statistics.eta import time_left
from aitk_core.statistics.speed import (
    find_pauses,
    gaps_of,
    phase_of,
    slow_down,
    stall,
    stall_limit_s,
)

if TYPE_CHECKING:
    from aitk_core.statistics.speed import (
        Phase,
    )


def test_seconds_per_step_are_per_step_where_steps_are_lost() -> None:
    gaps = gaps_of([10.0, 12.0, 18.0, 20.0], [1, 2, 5, 6])
    assert gaps.per_step_s.tolist() == [2.0, 2.0, 2.0]
    assert gaps.span.tolist() == [1, 3, 1]


def test_a_clock_set_back_costs_only_its_gap() -> None:
    gaps = gaps_of([10.0, 12.0, 5.0, 7.0, None, 11.0], [1, 2, 3, 4, 5, 6])
    assert gaps.per_step_s.tolist() == [2.0, 2.0, 2.0]
    assert gaps.steps.tolist() == [2, 4, 6]


def test_a_doubled_step_time_is_found_after_half_a_window() -> None:
    seconds = [1.0] * 200 + [2.5] * 40
    result = slow_down(seconds)
    assert (result.verdict, result.first_slow_step) == ("slow", 211)
    assert result.estimate == pytest.approx(2.5)


def test_pauses_for_samples_are_no_slow_down() -> None:
    seconds = [1.0] * 300
    seconds[::10] = [60.0] * 30
    assert slow_down(seconds).verdict == "ok"


def test_a_slow_stretch_that_ended_is_called_recovered() -> None:
    result = slow_down([1.0] * 150 + [4.0] * 40 + [1.0] * 60)
    assert (result.verdict, result.severity) == ("recovered", "info")


@pytest.mark.parametrize(
    ("info", "phase"),
    [
        ("Training", "training"),
        ("Training completed", "training"),
        ("Generating images - 1/2", "sampling"),
        ("Saving model", "saving"),
        ("Loading dataset", "loading"),
        ("Loading model", "loading"),
        ("Starting job...", "loading"),
        ("Caching latents", "caching"),
        ("Quantizing transformer", "other"),
        ("", "other"),
    ],
)
def test_the_phase_is_read_from_the_info_field(info: str, phase: Phase) -> None:
    assert phase_of(info) == phase


def test_the_stall_limit_grows_with_the_step_time() -> None:
    assert stall_limit_s("training", median_s=0.4) == 300.0
    assert stall_limit_s("training", median_s=20.0) == 1200.0
    assert stall_limit_s("training") == 3600.0


def test_a_silent_run_is_stalled_and_a_dead_one_is_dead() -> None:
    assert stall(301.0, median_s=1.0).verdict == "stalled"
    assert stall(299.0, median_s=1.0).verdict == "progressing"
    assert stall(1.0, is_alive=False).verdict == "dead"
    assert stall(1e6, is_running=False).verdict == "not_training"
    assert stall(None).verdict == "undetermined"
    assert stall(600.0, median_s=1.0, phase="sampling").verdict == "progressing"


def test_a_resume_cuts_the_run_in_two() -> None:
    times = [float(second) for second in range(100)]
    times += [5000.0 + second for second in range(100)]
    result = find_pauses(times)
    assert result.segments == ((1, 100), (101, 200))
    assert [pause.is_break for pause in result.pauses] == [True]
    assert result.pauses[0].excess_s == pytest.approx(4900.0)


def test_the_time_left_counts_pauses_as_seen_so_far() -> None:
    gaps = np.ones(200)
    gaps[19::20] = 11.0
    result = time_left(np.concatenate([[0.0], np.cumsum(gaps)]), total_steps=401)
    assert result.step_only_s == pytest.approx(200.0)
    assert result.estimate == pytest.approx(300.0)
    assert result.interval is not None
    assert result.interval[0] < 300.0 < result.interval[1]


def test_known_pauses_ahead_take_the_place_of_the_seen_ones() -> None:
    gaps = np.ones(200)
    gaps[19::20] = 11.0
    result = time_left(
        np.concatenate([[0.0], np.cumsum(gaps)]), total_steps=401, planned_pause_s=50.0
    )
    assert result.estimate == pytest.approx(250.0)
    assert result.interval is None


def test_below_two_per_cent_only_a_range_is_given() -> None:
    result = time_left(np.arange(60.0), total_steps=10_000)
    assert (result.verdict, result.estimate) == ("range", None)
    assert result.interval is not None
    assert result.interval[0] < 9_940 < result.interval[1]


def test_only_the_steps_since_the_resume_count() -> None:
    times = np.concatenate([np.arange(100.0) * 5, 10_000 + np.arange(100.0)])
    result = time_left(times, total_steps=300, since_step=101)
    assert result.step_only_s == pytest.approx(100.0)
    assert result.steps == (101, 200)
    assert time_left(times, total_steps=300, since_step=180).verdict == "undetermined"


def test_a_finished_run_has_nothing_left() -> None:
    result = time_left(np.arange(100.0), total_steps=100)
    assert (result.verdict, result.steps_left, result.estimate) == ("done", 0, 0.0)
