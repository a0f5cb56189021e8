"""Two or more runs by their training loss (STATS.md section 6).

A loss is comparable only between runs of one base model, loss type, timestep weighting,
resolution mix, batch and data; the caller says so. And a lower training loss is not a better
run: it belongs to the one that memorised most (STATS.md section 7).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from attrs import frozen

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import (
    batch_means,
    scaled,
    squared_standard_error,
    t_quantile,
)
from aitk_core.statistics.results import CompareResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aitk_core.statistics.cleaning import Cleaned, Losses, Steps
    from aitk_core.statistics.methods import Stamp

_TAILS: Final = METHODS["compare_tails_v1"]
_PAIRED: Final = METHODS["compare_paired_v1"]
_BATCHES: Final = _TAILS.count("batches")
_TAIL: Final = _TAILS.count("tail_values")
_EQUIVALENT: Final = _TAILS.number("equivalence")
_ALPHA: Final = _TAILS.number("alpha")
_FLOOR: Final = _TAILS.number("floor")
_POWER: Final = _TAILS.number("power_factor")
_MIN_CORRELATION: Final = _PAIRED.number("min_correlation")


@frozen(kw_only=True)
class Tail:
    """The end of a run, in batches."""

    log_mean: float
    mean: float
    relative_error: float
    """Standard error over mean."""
    cv: float
    """Standard deviation over mean of one value, from the spread of the batches."""

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Tail:
        """Cut (n,) positive values into batches, n at least 20."""
        shares, scale = scaled(values)
        means = batch_means(shares, _BATCHES)
        mean = float(means.mean())
        error = math.sqrt(squared_standard_error(means)) / mean
        used = len(values) - len(values) % _BATCHES
        return cls(
            log_mean=math.log(mean) + math.log(scale),
            mean=mean * scale,
            relative_error=error,
            cv=error * math.sqrt(used),
        )


def steps_needed(difference: float, cv: float) -> int:
    """Return the tail length at which two runs show a difference with 80 % power.

    T = 16 CV^2 / D^2 (STATS.md section 6).

    Args:
        difference: Relative difference, above 0: 0.05 for 5 %.
        cv: Standard deviation over mean of one loss, 0 or more.

    Raises:
        ValueError: The difference is not above 0.
    """
    if difference <= 0:
        raise ValueError(f"difference {difference!r} must be above 0")
    return max(_TAILS.minimum_n, math.ceil(_TAILS.number("steps_factor") * (cv / difference) ** 2))


def verdict_of(
    low: float, high: float
) -> Literal["a_lower", "a_higher", "equivalent", "undetermined"]:
    """Return what an interval of ln(a/b) says."""
    if high < 0:
        return "a_lower"
    if low > 0:
        return "a_higher"
    if low > -_EQUIVALENT and high < _EQUIVALENT:
        return "equivalent"
    return "undetermined"


def sentence_of(verdict: str, count: int) -> str:
    """Return the reason in words."""
    return {
        "a_lower": f"the mean of run a over the last {count} losses is lower",
        "a_higher": f"the mean of run a over the last {count} losses is higher",
        "equivalent": f"the means over the last {count} losses differ by less than 5 %",
    }.get(verdict, f"{count} losses of each run cannot tell them apart")


def _without_numbers(
    verdict: Literal["not_comparable", "undetermined"],
    reason: str,
    cleaned: tuple[Cleaned, Cleaned],
    stamped: Stamp,
) -> CompareResult:
    return CompareResult(
        verdict=verdict,
        reason=reason,
        n=min(cleaned[0].n, cleaned[1].n),
        needed_n=_TAILS.minimum_n if verdict == "undetermined" else None,
        steps=cleaned[0].covered(),
        steps_b=cleaned[1].covered(),
        **stamped,
    )


def compare(
    a: Losses,
    b: Losses,
    *,
    steps_a: Steps = None,
    steps_b: Steps = None,
    not_comparable: str | None = None,
    tail: int = _TAIL,
    alpha: float = _ALPHA,
) -> CompareResult:
    """Compare the mean losses over the tails of two runs that share no noise.

    Args:
        a: (n,) numbers or None.
        b: (m,) numbers or None.
        steps_a: (n,) training steps.
        steps_b: (m,) training steps.
        not_comparable: Why the two losses measure different things; then no number is given.
        tail: Most values taken of each run, 100 or more.
        alpha: Two-sided level; divide it by the number of comparisons.
    """
    cleaned = clean(a, steps_a), clean(b, steps_b)
    stamped = stamp(_TAILS, tail_values=tail, alpha=alpha)
    if not_comparable:
        return _without_numbers("not_comparable", not_comparable, cleaned, stamped)
    count = min(tail, cleaned[0].n, cleaned[1].n)
    if count < _TAILS.minimum_n:
        reason = f"{count} usable losses in common, a comparison needs {_TAILS.minimum_n}"
        return _without_numbers("undetermined", reason, cleaned, stamped)
    return between_tails(cleaned[0].tail(count), cleaned[1].tail(count), stamped, alpha=alpha)


def between_tails(a: Cleaned, b: Cleaned, stamped: Stamp, *, alpha: float) -> CompareResult:
    """Compare two tails of one length, 100 values or more."""
    first, second = Tail.of(a.values), Tail.of(b.values)
    difference = first.log_mean - second.log_mean
    error = math.hypot(first.relative_error, second.relative_error)
    half = max(_FLOOR, t_quantile(2 * (_BATCHES - 1), alpha=alpha) * error)
    cv = math.sqrt((first.cv**2 + second.cv**2) / 2)
    verdict = verdict_of(difference - half, difference + half)
    return CompareResult(
        verdict=verdict,
        reason=sentence_of(verdict, a.n),
        estimate=difference,
        interval=(difference - half, difference + half),
        n=a.n,
        mean_a=first.mean,
        mean_b=second.mean,
        standard_error=error,
        detectable_difference_fraction=_POWER * cv * math.sqrt(2 / a.n),
        needed_n=steps_needed(_EQUIVALENT, cv) if verdict == "undetermined" else None,
        steps=a.covered(a.n % _BATCHES),
        steps_b=b.covered(b.n % _BATCHES),
        **stamped,
    )


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    """Return Pearson's correlation of (n,) values; None where one side does not vary."""
    first, second = a - a.mean(), b - b.mean()
    product = math.sqrt(float(first @ first)) * math.sqrt(float(second @ second))
    return float(first @ second) / product if product > 0 else None


def compare_paired(
    a: Losses,
    b: Losses,
    *,
    steps_a: Steps = None,
    steps_b: Steps = None,
    not_comparable: str | None = None,
    tail: int = _TAIL,
) -> CompareResult:
    """Compare two runs step by step, where seed, data order and batch agree.

    Refused as `not_paired` where ln loss over the shared steps correlates below 0.8.
    """
    cleaned = clean(a, steps_a), clean(b, steps_b)
    stamped = stamp(_PAIRED, tail_values=tail)
    if not_comparable:
        return _without_numbers("not_comparable", not_comparable, cleaned, stamped)
    shared, in_a, in_b = np.intersect1d(
        cleaned[0].steps, cleaned[1].steps, assume_unique=True, return_indices=True
    )
    count = min(tail, len(shared))
    if count < _PAIRED.minimum_n:
        reason = f"{count} steps in common, a paired comparison needs {_PAIRED.minimum_n}"
        return _without_numbers("undetermined", reason, cleaned, stamped)
    logs_a = np.log(cleaned[0].values[in_a[-count:]])
    logs_b = np.log(cleaned[1].values[in_b[-count:]])
    together = correlation(logs_a, logs_b)
    span = (int(shared[-count:][0]), int(shared[-1]))
    if together is None or together < _MIN_CORRELATION:
        return CompareResult(
            verdict="not_paired",
            reason=f"the runs do not share their noise over {count} common steps",
            n=count,
            correlation=together,
            steps=span,
            steps_b=span,
            **stamped,
        )
    means = batch_means(logs_a - logs_b, _BATCHES)
    difference = float(means.mean())
    error = math.sqrt(squared_standard_error(means))
    half = max(_FLOOR, t_quantile(_BATCHES - 1) * error)
    verdict = verdict_of(difference - half, difference + half)
    return CompareResult(
        verdict=verdict,
        reason=sentence_of(verdict, count),
        estimate=difference,
        interval=(difference - half, difference + half),
        n=count,
        standard_error=error,
        correlation=together,
        needed_n=(
            max(count + 1, math.ceil(count * (half / _EQUIVALENT) ** 2))
            if verdict == "undetermined"
            else None
        ),
        steps=span,
        steps_b=span,
        **stamped,
    )
