"""The best checkpoint is the one of the lowest validation loss, with all that are as good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aitk_core.statistics.checkpoint_choice import choose_checkpoint

TRACES: Final = (
    Path(__file__).parents[1].parent / "shared" / "domain" / "traces" / "public_loss_traces.npz"
)


def test_a_clear_minimum_is_chosen_with_its_interval() -> None:
    steps = list(range(0, 1001, 100))
    loss = [0.5 + ((step - 400) / 1000) ** 2 for step in steps]
    choice = choose_checkpoint(loss, steps, [200, 400, 600, 800, 1000])
    assert (choice.verdict, choice.step, choice.as_good) == ("chosen", 400, (400,))
    assert choice.estimate == pytest.approx(0.5)
    assert choice.interval is not None
    assert choice.interval[0] < 0.5 < choice.interval[1] < 0.54
    assert (choice.n, choice.method) == (11, "checkpoint_val_v1")
    assert choice.false_alarm_rate.rate == 0.01


def test_checkpoints_that_seeds_would_swap_are_tied() -> None:
    choice = choose_checkpoint([0.5, 0.4, 0.3, 0.3005, 0.3008], [0, 1, 2, 3, 4], [2, 3, 4])
    assert (choice.verdict, choice.step, choice.as_good) == ("tied", 2, (2, 3, 4))
    assert "cannot be told from it" in choice.reason


def test_jitter_of_the_evaluations_widens_what_is_as_good() -> None:
    steps = list(range(20))
    calm = [1.0 - 0.02 * step for step in steps]
    noisy = [loss * (1.1 if step % 2 else 0.9) for step, loss in zip(steps, calm, strict=True)]
    assert choose_checkpoint(calm, steps, [12, 16, 18]).as_good == (18,)
    assert set(choose_checkpoint(noisy, steps, [12, 16, 18]).as_good) > {18}


@pytest.mark.parametrize(
    ("loss", "steps", "checkpoints", "why"),
    [
        ([0.5, 0.4, 0.3], [1, 2, 3], [2], "3 evaluations"),
        ([], [], [250], "0 evaluations"),
        ([0.5, 0.4, 0.3, 0.2], [100, 200, 300, 400], [2000], "no checkpoint lies"),
        ([0.5, 0.4, 0.3, 0.2], [100, 200, 300, 400], [], "no checkpoint lies"),
        ([float("nan")] * 9, list(range(9)), [2], "0 evaluations"),
    ],
)
def test_without_evidence_nothing_is_chosen(
    loss: list[float], steps: list[int], checkpoints: list[int], why: str
) -> None:
    choice = choose_checkpoint(loss, steps, checkpoints)
    assert (choice.verdict, choice.step, choice.as_good) == ("undetermined", None, ())
    assert why in choice.reason


def test_a_checkpoint_beyond_the_evaluations_is_named_as_not_judged() -> None:
    choice = choose_checkpoint([0.5, 0.4, 0.3, 0.35], [10, 20, 30, 40], [5, 30, 45, 900])
    assert choice.not_judged == (5, 900)
    assert [each.step for each in choice.judged] == [30, 45]


@example(losses=[2.0, 1.0, 1.0, 1.0], picks={0, 4})
@given(
    losses=st.lists(st.floats(0.01, 10), min_size=4, max_size=40),
    picks=st.sets(st.integers(0, 39), min_size=1),
)
def test_the_lowest_is_always_among_those_as_good(losses: list[float], picks: set[int]) -> None:
    steps = [10 * index for index in range(len(losses))]
    checkpoints = [10 * pick for pick in picks]
    choice = choose_checkpoint(losses, steps, checkpoints)
    # One evaluation beyond the last one it is read off that.
    at = {step: losses[min(step // 10, len(losses) - 1)] for step in checkpoints}
    known = [step for step in checkpoints if step <= steps[-1] + 10]
    if not known:
        return
    best = min(known, key=lambda step: at[step])
    assert best in choice.as_good
    assert choice.step in choice.as_good
    assert choice.estimate is not None
    assert choice.estimate <= at[best] + 1e-12
    scaled = choose_checkpoint([3 * loss for loss in losses], steps, checkpoints)
    assert scaled.as_good == choice.as_good


@pytest.mark.skipif(not TRACES.is_file(), reason="the public traces are not beside this repository")
def test_the_truly_best_checkpoint_is_never_outside_those_called_as_good() -> None:
    runs = misses = 0
    worst = 0.0
    with np.load(TRACES) as arrays:
        for run in json.loads(str(arrays["meta"])):
            name = f"{run['key']}/val"
            if name not in arrays.files or len(arrays[name]) < 8:
                continue
            loss = arrays[name].astype(float)
            steps = arrays[f"{run['key']}/val_step"].astype(int)
            # Chosen by every other evaluation, judged by the ones that were not looked at.
            inner = [index for index in range(1, len(loss), 2) if index + 1 < len(loss)]
            choice = choose_checkpoint(loss[::2], steps[::2], [int(steps[i]) for i in inner])
            truth = {int(steps[index]): float(loss[index]) for index in inner}
            best = min(truth, key=lambda step: truth[step])
            runs += 1
            misses += best not in choice.as_good
            assert choice.step is not None
            worst = max(worst, truth[choice.step] / truth[best] - 1)
    assert (runs, misses) == (43, 0)
    assert worst < 0.0036
