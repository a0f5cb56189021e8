"""Over-fitting, from the validation loss only (STATS.md section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import finite, scaled
from aitk_core.statistics.results import OverfitResult, ValidationComparison

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aitk_core.statistics.cleaning import Losses, Steps

_INFO: Final = METHODS["overfit_val_v1"]
_COUNT: Final = _INFO.count("consecutive")
_RISING: Final = _INFO.number("rising_tolerance")
_OVERFIT: Final = _INFO.number("overfit_tolerance")

_BEST: Final = METHODS["compare_val_v1"]
_SEED_SPREAD: Final = _BEST.number("smallest_difference")


def fire_index(values: NDArray[np.float64], tolerance: float, *, count: int = _COUNT) -> int | None:
    """Return the first evaluation at which the rule fires.

    It fires at the k-th consecutive evaluation above (1 + tolerance) times the smallest one
    before; the smallest takes in each value after its test.

    Args:
        values: (n,) float64, above 0.
        tolerance: Relative rise that is still nothing.
        count: The k.
    """
    if not len(values):
        return None
    smallest, above = float(values[0]), 0
    for index in range(1, len(values)):
        value = float(values[index])
        above = above + 1 if value > smallest * (1 + tolerance) else 0
        if above == count:
            return index
        smallest = min(smallest, value)
    return None


def overfit(val_loss: Losses, steps: Steps = None) -> OverfitResult:
    """Say whether the validation loss has turned upward.

    The verdict is about the minimum so far: where a later evaluation went below it, an
    earlier rise counts as recovered. Never a reason to stop a run alone: the checkpoint
    nearest the minimum is the candidate, and later ones may still look better in samples.

    Args:
        val_loss: (n,) evaluations of the loss on fixed images held out from training.
        steps: (n,) training steps of the evaluations.
    """
    cleaned = clean(val_loss, steps)
    stamped = stamp(_INFO)
    if cleaned.n < _INFO.minimum_n:
        return OverfitResult(
            verdict="undetermined",
            reason=f"{cleaned.n} evaluations of the validation loss, {_INFO.minimum_n} are needed",
            n=cleaned.n,
            needed_n=_INFO.minimum_n,
            steps=cleaned.covered(),
            **stamped,
        )
    values, _ = scaled(cleaned.values)
    best = int(values.argmin())
    since = values[best:]
    is_overfit = fire_index(since, _OVERFIT) is not None
    is_rising = fire_index(since, _RISING) is not None
    rising, overfitting = fire_index(values, _RISING), fire_index(values, _OVERFIT)
    smallest = float(values[best])
    last = float(values[-_COUNT:].mean())
    return OverfitResult(
        verdict="overfitting" if is_overfit else "val_rising" if is_rising else "none",
        severity="warning" if is_overfit or is_rising else "none",
        reason=(
            f"{_COUNT} evaluations in a row lie more than "
            f"{(_OVERFIT if is_overfit else _RISING):.1%} above the minimum"
            if is_overfit or is_rising
            else f"no {_COUNT} evaluations in a row lie {_RISING:.1%} above the minimum"
        ),
        estimate=finite(last / smallest - 1) if smallest > 0 else None,
        n=cleaned.n,
        best_step=int(cleaned.steps[best]),
        best_value=float(cleaned.values[best]),
        rising_step=None if rising is None else int(cleaned.steps[rising]),
        overfitting_step=None if overfitting is None else int(cleaned.steps[overfitting]),
        recovered=rising is not None and not is_rising,
        steps=cleaned.covered(),
        **stamped,
    )


def compare_validation(
    a: Losses, b: Losses, *, seed_spread_fraction: float = _SEED_SPREAD
) -> ValidationComparison:
    """Compare the best validation losses of two runs on the same validation set.

    Args:
        a: (n,) evaluations.
        b: (m,) evaluations.
        seed_spread_fraction: Relative difference that two seeds of one config can show.
    """
    first, second = clean(a), clean(b)
    stamped = stamp(_BEST, smallest_difference=seed_spread_fraction)
    fewest = min(first.n, second.n)
    if fewest < _BEST.minimum_n:
        return ValidationComparison(
            verdict="undetermined",
            reason=f"{fewest} evaluations in one of the runs, {_BEST.minimum_n} are needed",
            n=fewest,
            needed_n=_BEST.minimum_n,
            **stamped,
        )
    best_a, best_b = float(first.values.min()), float(second.values.min())
    difference = finite(best_a / best_b - 1)
    is_clear = difference is None or abs(difference) >= seed_spread_fraction
    verdict: Literal["a_lower", "a_higher", "undetermined"] = "undetermined"
    if is_clear:
        verdict = "a_lower" if best_a < best_b else "a_higher"
    return ValidationComparison(
        verdict=verdict,
        reason=(
            "the best validation losses differ by more than two seeds of one config do"
            if is_clear
            else f"seeds of one config differ as much: up to {seed_spread_fraction:.2%}"
        ),
        estimate=difference,
        n=fewest,
        best_a=best_a,
        best_b=best_b,
        **stamped,
    )
