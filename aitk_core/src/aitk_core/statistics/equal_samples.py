"""Runs at the same number of samples seen, the only place where they can be compared.

A run that has gone further has had more chances; so has one with a larger batch at the same
step. Samples seen are optimizer steps times the effective batch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.results import CompareResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.statistics.cleaning import Losses, Steps

_INFO: Final = METHODS["compare_val_at_samples_v1"]
_DIFFERENCE: Final = _INFO.number("smallest_difference")
_ERROR: Final = _DIFFERENCE / _INFO.number("standard_errors")


@frozen(kw_only=True, eq=False)
class ValidationCurve:
    """The validation loss of a run over the samples it had seen."""

    samples: NDArray[np.float64]
    """(n,) float64, ascending."""
    values: NDArray[np.float64]
    """(n,) float64, above 0."""

    @classmethod
    def of(cls, values: Losses, steps: Steps, *, effective_batch: int = 1) -> ValidationCurve:
        """Return the curve of (n,) evaluations; what is missing or not positive is left out.

        Args:
            values: (n,) evaluations.
            steps: (n,) optimizer steps of the evaluations.
            effective_batch: Samples in one optimizer step, 1 or more.
        """
        cleaned = clean(values, steps)
        return cls(
            samples=cleaned.steps.astype(np.float64) * effective_batch, values=cleaned.values
        )

    @property
    def n(self) -> int:
        """Return the number of usable evaluations."""
        return len(self.values)

    def at(self, samples: float) -> float | None:
        """Return the loss there, between two evaluations on the straight line; None outside."""
        if not self.n or not self.samples[0] <= samples <= self.samples[-1]:
            return None
        return float(np.interp(samples, self.samples, self.values))


def shared_span(curves: Iterable[ValidationCurve]) -> tuple[float, float] | None:
    """Return the first and last number of samples that every curve covers, if any."""
    spans = [
        (float(curve.samples[0]), float(curve.samples[-1]))
        for curve in curves
        if curve.n >= _INFO.minimum_n
    ]
    if not spans:
        return None
    low, high = max(first for first, _ in spans), min(last for _, last in spans)
    return (low, high) if low < high else None


def compare_validation_at(
    a: ValidationCurve, b: ValidationCurve, *, samples: float | None = None
) -> CompareResult:
    """Compare two validation losses at the same number of samples seen.

    The evaluations are deterministic, so what makes two runs of one config differ is their
    seed; the interval is the largest such difference that was seen, not a sampling error.

    Args:
        a: Of one run.
        b: Of another, on the same validation set.
        samples: Where to compare; without it, as far as both have come.
    """
    fewest = min(a.n, b.n)
    span = shared_span((a, b)) if fewest >= _INFO.minimum_n else None
    at = samples if samples is not None else None if span is None else span[1]
    first, second = (None, None) if at is None else (a.at(at), b.at(at))
    if fewest < _INFO.minimum_n or at is None or first is None or second is None:
        return CompareResult(
            verdict="undetermined",
            reason=(
                f"{fewest} evaluations in one of the runs, {_INFO.minimum_n} are needed"
                if fewest < _INFO.minimum_n
                else "the two runs were not evaluated over the same numbers of samples seen"
            ),
            n=fewest,
            needed_n=_INFO.minimum_n if fewest < _INFO.minimum_n else None,
            **stamp(_INFO),
        )
    difference = math.log(first) - math.log(second)
    verdict: Literal["a_lower", "a_higher", "undetermined"] = "undetermined"
    if abs(difference) >= _DIFFERENCE:
        verdict = "a_lower" if difference < 0 else "a_higher"
    return CompareResult(
        verdict=verdict,
        reason=(
            f"at {at:.0f} samples seen the validation losses differ by {abs(difference):.2%}, "
            + ("less than seeds of one config do" if verdict == "undetermined" else "beyond seeds")
        ),
        estimate=difference,
        interval=(difference - _DIFFERENCE, difference + _DIFFERENCE),
        n=fewest,
        mean_a=first,
        mean_b=second,
        standard_error=_ERROR,
        **stamp(_INFO),
    )
