"""How often each method is wrong where nothing is to be found: one trial of each on pure noise.

The noise is white about a constant mean, with the measured spread (`generate`). What a trial
counts is in the unit in which the method states its false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from attrs import frozen

from aitk_core.proving.generate import (
    LEVEL,
    flow_losses,
    noise_losses,
    step_times,
    validation_losses,
)
from aitk_core.statistics.bands import band_of, score_convergence
from aitk_core.statistics.blowup import describe_oddness, one_step_blowup
from aitk_core.statistics.checkpoint_choice import choose_checkpoint
from aitk_core.statistics.cleaning import numeric_health
from aitk_core.statistics.compare import compare, compare_paired
from aitk_core.statistics.compare_many import compare_many
from aitk_core.statistics.early import early_failure
from aitk_core.statistics.equal_samples import ValidationCurve, compare_validation_at
from aitk_core.statistics.eta import time_left
from aitk_core.statistics.explosion import explosion
from aitk_core.statistics.level import mean_level
from aitk_core.statistics.methods import METHODS
from aitk_core.statistics.overfit import compare_validation, overfit
from aitk_core.statistics.rates import binomial_at_least, binomial_interval, poisson_at_least
from aitk_core.statistics.shift import level_shift
from aitk_core.statistics.speed import gaps_of, slow_down, stall
from aitk_core.statistics.trend import LOOK_EVERY, trend

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS: Final = 2000
"""Of each run."""
LOOKS: Final = STEPS // LOOK_EVERY
CHANCE: Final = 0.005
"""A count that a rate as stated gives less often is above it: the end of the 99 % interval."""

Kind: TypeAlias = Literal["noise", "flow"]
Wrong: TypeAlias = Callable[[np.random.Generator, Kind], int]


@frozen(kw_only=True)
class Trial:
    """One method on noise."""

    method: str
    """Key of `METHODS`."""
    wrong: Wrong
    """Returns how often the method was wrong in one run."""
    wrong_at_a_look: Wrong | None = None
    """The same, asked every 250 steps: 1 where any answer was wrong. None: one look only."""
    kinds: tuple[Kind, ...] = ("noise", "flow")
    stated_for: tuple[Kind, ...] = ("noise", "flow")
    """Kinds of noise that the method's false-alarm rate is stated for."""
    counts_steps: bool = False
    """Whether `wrong` counts events over the steps of a run, and not 1 or 0."""


@frozen(kw_only=True)
class Measured:
    """What many trials of one method showed on one kind of noise."""

    method: str
    kind: Kind
    is_stated: bool
    trials: int
    wrong: int
    wrong_at_a_look: int | None
    counts_steps: bool

    @property
    def rate(self) -> float:
        """Return the rate per trial, or per 1000 steps."""
        return self.wrong * 1000 / (self.trials * STEPS) if self.counts_steps else (
            self.wrong / self.trials
        )  # fmt: skip

    @property
    def interval(self) -> tuple[float, float]:
        """Return the exact 95 % interval of a rate per trial."""
        return binomial_interval(min(self.wrong, self.trials), self.trials)

    @property
    def is_within(self) -> bool | None:
        """Tell whether that is no more than the method states; None where it states nothing."""
        rate = METHODS[self.method].false_alarm_rate.rate
        if rate is None or not self.is_stated:
            return None
        if self.counts_steps:
            return poisson_at_least(self.wrong, rate * self.trials * STEPS / 1000) >= CHANCE
        return binomial_at_least(self.wrong, self.trials, rate) >= CHANCE


def measure(trial: Trial, kind: Kind, *, trials: int, seed: int, looks: bool = True) -> Measured:
    """Return how often a method was wrong in many runs.

    Args:
        trial: The method.
        kind: Of noise.
        trials: Runs, 1 or more.
        seed: Each run has a generator of its own, from this and its number.
        looks: Whether to ask every 250 steps as well.
    """
    wrong = at_a_look = 0
    for number in range(trials):
        wrong += trial.wrong(np.random.default_rng((seed, number)), kind)
        if looks and trial.wrong_at_a_look is not None:
            at_a_look += trial.wrong_at_a_look(np.random.default_rng((seed, number)), kind)
    return Measured(
        method=trial.method,
        kind=kind,
        is_stated=kind in trial.stated_for,
        trials=trials,
        wrong=wrong,
        wrong_at_a_look=at_a_look if looks and trial.wrong_at_a_look is not None else None,
        counts_steps=trial.counts_steps,
    )


def losses_of(rng: np.random.Generator, kind: Kind, steps: int = STEPS) -> NDArray[np.float64]:
    """Return (steps,) losses of a run with nothing wrong and no trend."""
    return noise_losses(rng, steps) if kind == "noise" else flow_losses(rng, steps)


def _at_looks(judge: Callable[[NDArray[np.float64], Kind], bool]) -> tuple[Wrong, Wrong]:
    """Return a judgement of whole runs, and one of the same runs as they grow."""

    def at_end(rng: np.random.Generator, kind: Kind) -> int:
        return int(judge(losses_of(rng, kind), kind))

    def at_any(rng: np.random.Generator, kind: Kind) -> int:
        losses = losses_of(rng, kind)
        ends = range(LOOK_EVERY, STEPS + 1, LOOK_EVERY)
        return int(any(judge(losses[:end], kind) for end in ends))

    return at_end, at_any


_UNDECIDED: Final = ("none", "undetermined")

_numeric = _at_looks(lambda losses, _kind: numeric_health(losses).verdict != "ok")
_explosion = _at_looks(lambda losses, kind: explosion(losses, prediction=kind).verdict != "none")
_trend_once = _at_looks(lambda losses, _kind: trend(losses).verdict != "undetermined")[0]
_trend_looks = _at_looks(
    lambda losses, _kind: trend(losses, looks=LOOKS).verdict != "undetermined"
)[1]
_early = _at_looks(
    lambda losses, kind: early_failure(losses, prediction=kind).verdict not in _UNDECIDED
)


def _mean(rng: np.random.Generator, _kind: Kind) -> int:
    ends = mean_level(noise_losses(rng, 1000)).interval
    return int(ends is None or not ends[0] <= LEVEL <= ends[1])


def _blowups(rng: np.random.Generator, kind: Kind) -> int:
    return len(one_step_blowup(losses_of(rng, kind)).flags)


def _odd(rng: np.random.Generator, kind: Kind) -> int:
    return len(describe_oddness(losses_of(rng, kind)).odd_steps)


def _shift(setting: Literal["main", "short"]) -> Wrong:
    def wrong(rng: np.random.Generator, kind: Kind) -> int:
        return len(level_shift(losses_of(rng, kind), setting=setting).up)

    return wrong


def _shift_looks(rng: np.random.Generator, kind: Kind) -> int:
    losses = losses_of(rng, kind)
    ends = range(LOOK_EVERY, STEPS + 1, LOOK_EVERY)
    return int(any(level_shift(losses[:end], is_flow=kind == "flow").up for end in ends))


def _compare(rng: np.random.Generator, kind: Kind) -> int:
    first, second = losses_of(rng, kind, 1000), losses_of(rng, kind, 1000)
    return int(compare(first, second).verdict in ("a_lower", "a_higher"))


def _paired(rng: np.random.Generator, kind: Kind) -> int:
    losses = losses_of(rng, kind, 1000)
    # Two runs that share their noise correlate with 0.95 and more (STATS.md section 0).
    other = losses * np.exp(rng.normal(0.0, 0.2, 1000))
    return int(compare_paired(losses, other).verdict in ("a_lower", "a_higher"))


def _many(rng: np.random.Generator, kind: Kind) -> int:
    runs = {str(number): losses_of(rng, kind, 1000) for number in range(5)}
    return int(compare_many(runs).verdict == "lowest")


def _checkpoint(rng: np.random.Generator, _kind: Kind) -> int:
    """Tell whether the truly best checkpoint is not among those called as good."""
    index = np.arange(30)
    true = 0.5 * (1 + 0.1 * ((index - rng.uniform(6, 27)) / 30) ** 2)
    spread = rng.choice([0.0005, 0.0012, 0.003, 0.01])
    seen = true * np.exp(rng.normal(0.0, spread, len(index)))
    saved = list(range(2, 30, 3))
    best = min(saved, key=lambda step: true[step])
    return int(best not in choose_checkpoint(seen, index, saved).as_good)


def _overfit(rng: np.random.Generator, _kind: Kind) -> int:
    return int(overfit(validation_losses(rng, 30, turn=10, rise=0.0)).verdict != "none")


def _validation(rng: np.random.Generator, _kind: Kind) -> int:
    first, second = (validation_losses(rng, 30, turn=10, rise=0.0) for _ in range(2))
    return int(compare_validation(first, second).verdict != "undetermined")


def _validation_at(rng: np.random.Generator, _kind: Kind) -> int:
    first, second = (
        ValidationCurve.of(validation_losses(rng, 30), list(range(1, 31))) for _ in range(2)
    )
    return int(compare_validation_at(first, second).verdict != "undetermined")


def _bands(rng: np.random.Generator, kind: Kind) -> int:
    scores = [score_convergence(losses_of(rng, kind, 1000), generator=rng) for _ in range(2)]
    points = [score.estimate or 0.0 for score in scores]
    errors = [score.standard_error or 0.0 for score in scores]
    band = band_of(points[0] - points[1], standard_error=math.hypot(*errors), n=scores[0].n)
    return int(band.verdict != "undetermined")


def _slow(rng: np.random.Generator, _kind: Kind) -> int:
    return int(_is_slow(np.cumsum(step_times(rng, STEPS))))


def _slow_looks(rng: np.random.Generator, _kind: Kind) -> int:
    times = np.cumsum(step_times(rng, STEPS))
    ends = range(LOOK_EVERY, STEPS + 1, LOOK_EVERY)
    return int(any(_is_slow(times[:end]) for end in ends))


def _is_slow(times: NDArray[np.float64]) -> bool:
    gaps = gaps_of(times)
    return slow_down(gaps.per_step_s, gaps.steps).verdict not in ("ok", "undetermined")


def _stall(rng: np.random.Generator, _kind: Kind) -> int:
    times = step_times(rng, STEPS)
    longest, usual = float(times.max()), float(np.median(times))
    return int(stall(longest, median_s=usual).verdict == "stalled")


def _left(rng: np.random.Generator, _kind: Kind) -> int:
    times = np.cumsum(step_times(rng, STEPS))
    done = STEPS // 2
    ends = time_left(times[:done], total_steps=STEPS).interval
    true = float(times[-1] - times[done - 1])
    return int(ends is None or not ends[0] <= true <= ends[1])


_ONE: Final[tuple[Kind, ...]] = ("noise",)

TRIALS: Final = (
    Trial(method="numeric_v1", wrong=_numeric[0], wrong_at_a_look=_numeric[1]),
    Trial(method="mean_batches_v1", wrong=_mean, kinds=_ONE),
    Trial(method="blowup_running_max_v1", wrong=_blowups, counts_steps=True),
    Trial(method="oddness_robust_z_v1", wrong=_odd, stated_for=_ONE, counts_steps=True),
    Trial(
        method="shift_cusum_v2",
        wrong=_shift("main"),
        wrong_at_a_look=_shift_looks,
        counts_steps=True,
    ),
    Trial(method="shift_cusum_short_v2", wrong=_shift("short"), counts_steps=True),
    Trial(method="trend_quarters_v1", wrong=_trend_once, wrong_at_a_look=_trend_looks),
    Trial(method="compare_tails_v1", wrong=_compare),
    Trial(method="compare_paired_v1", wrong=_paired),
    Trial(method="compare_many_v1", wrong=_many),
    Trial(method="noise_level_v1", wrong=_early[0], wrong_at_a_look=_early[1], kinds=("noise",)),
    Trial(method="spread_collapse_v1", wrong=_early[0], wrong_at_a_look=_early[1], kinds=("flow",)),
    Trial(method="explosion_v1", wrong=_explosion[0], wrong_at_a_look=_explosion[1]),
    Trial(method="checkpoint_val_v1", wrong=_checkpoint, kinds=_ONE),
    Trial(method="overfit_val_v1", wrong=_overfit, kinds=_ONE),
    Trial(method="compare_val_v1", wrong=_validation, kinds=_ONE),
    Trial(method="compare_val_at_samples_v1", wrong=_validation_at, kinds=_ONE),
    Trial(method="noise_calibrated_v2", wrong=_bands),
    Trial(method="slowdown_median_v1", wrong=_slow, wrong_at_a_look=_slow_looks, kinds=_ONE),
    Trial(method="stall_v1", wrong=_stall, kinds=_ONE),
    Trial(method="eta_events_v1", wrong=_left, kinds=_ONE),
)
"""Every method that can be wrong on noise; the others describe, and claim nothing."""
