"""Scores built on losses, their noise, and what a difference is worth (STATS.md section 6)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import interval
from aitk_core.statistics.results import BandResult, ScoreResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from aitk_core.statistics.cleaning import Losses, Steps

_SCORE: Final = METHODS["score_convergence_v1"]
_RESAMPLES: Final = _SCORE.count("resamples")
_BLOCK: Final = _SCORE.count("block")
_PARTS: Final = _SCORE.count("parts")
_LARGEST_LOG_RATIO: Final = math.log(_SCORE.number("largest_ratio"))

_BAND: Final = METHODS["noise_calibrated_v2"]
_NEGLIGIBLE: Final = _BAND.number("negligible_up_to")
_MODERATE: Final = _BAND.number("moderate_up_to")


def convergence_points(values: NDArray[np.float64]) -> float:
    """Return 50 + 100 (1 - mean of the last tenth / mean of the first tenth).

    Not held to 0 to 100, since a score at its stop would look free of noise.

    Args:
        values: (n,) float64, above 0, n at least 10.
    """
    size = len(values) // _PARTS
    first, last = np.log(values[:size]), np.log(values[-size:])
    top_first, top_last = float(first.max()), float(last.max())
    low = top_first + math.log(float(np.exp(first - top_first).mean()))
    high = top_last + math.log(float(np.exp(last - top_last).mean()))
    return 50 + 100 * (1 - math.exp(min(_LARGEST_LOG_RATIO, high - low)))


def bootstrap_standard_error(
    values: NDArray[np.float64],
    score: Callable[[NDArray[np.float64]], float],
    *,
    generator: np.random.Generator,
) -> float:
    """Return the standard error of a score.

    Standard deviation over 100 resamples, in which blocks of 10 steps are drawn with
    replacement inside each tenth of the run, which keeps the trend.

    Args:
        values: (n,) float64, above 0, n at least 200: a tenth then holds two blocks.
        score: Takes (n,) float64, returns a finite number.
        generator: Seeded by the caller, so that the answer can be repeated.
    """
    tenths = np.array_split(values, _PARTS)
    scores = [
        score(np.concatenate([_resample(tenth, generator) for tenth in tenths]))
        for _ in range(_RESAMPLES)
    ]
    return float(np.std(scores, ddof=1))


def _resample(part: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    size = min(_BLOCK, len(part))
    starts = generator.integers(0, len(part) - size + 1, size=math.ceil(len(part) / size))
    drawn: NDArray[np.float64] = part[(starts[:, None] + np.arange(size)).ravel()[: len(part)]]
    return drawn


def _held(points: float) -> float:
    return max(0.0, min(100.0, points))


def score_convergence(
    loss: Losses, steps: Steps = None, *, generator: np.random.Generator
) -> ScoreResult:
    """Score how far the loss fell, with the score's standard error.

    A run without enough losses has no score: the estimate is then None, not 0 or 50.

    Args:
        loss: (n,) numbers or None.
        steps: (n,) training steps.
        generator: Seeded by the caller.
    """
    cleaned = clean(loss, steps)
    if cleaned.n < _SCORE.minimum_n:
        return ScoreResult(
            verdict="undetermined",
            reason=f"{cleaned.n} usable losses, a score needs {_SCORE.minimum_n}",
            n=cleaned.n,
            needed_n=_SCORE.minimum_n,
            steps=cleaned.covered(),
            **stamp(_SCORE),
        )
    points = convergence_points(cleaned.values)
    error = bootstrap_standard_error(cleaned.values, convergence_points, generator=generator)
    factor = _BAND.number("factor_short" if cleaned.n < _BAND.count("short_below") else "factor")
    return ScoreResult(
        verdict="scored",
        reason=f"last against first tenth of {cleaned.n} losses",
        estimate=_held(points),
        interval=(_held(points - factor * error), _held(points + factor * error)),
        n=cleaned.n,
        standard_error=error,
        steps=cleaned.covered(),
        **stamp(_SCORE),
    )


def band_of(delta: float | None, *, standard_error: float | None, n: int | None) -> BandResult:
    """Name the size of a score difference by the bound of its interval nearest 0.

    Args:
        delta: Difference of two scores, score points.
        standard_error: Of the difference, score points: 0 where both scores are exact, None
            where unknown.
        n: Losses behind the shorter run; None counts as few.
    """
    count = 0 if n is None else n
    is_known = (
        delta is not None
        and standard_error is not None
        and math.isfinite(delta)
        and math.isfinite(standard_error)
        and standard_error >= 0
    )
    if not is_known or delta is None or standard_error is None:
        return BandResult(
            verdict="undetermined",
            reason="the difference or its standard error is not known",
            n=count,
            **stamp(_BAND),
        )
    factor = _BAND.number("factor_short" if count < _BAND.count("short_below") else "factor")
    half = factor * standard_error
    nearest = abs(delta) - half
    verdict: Literal["undetermined", "negligible", "moderate", "large"] = "large"
    if standard_error > 0 and nearest <= 0:
        verdict = "undetermined"
    elif nearest <= _NEGLIGIBLE:
        verdict = "negligible"
    elif nearest <= _MODERATE:
        verdict = "moderate"
    return BandResult(
        verdict=verdict,
        reason=(
            f"the interval of {delta:.3g} +- {half:.3g} points contains 0"
            if verdict == "undetermined"
            else f"the nearest bound of {delta:.3g} +- {half:.3g} points is {nearest:.3g}"
        ),
        estimate=delta,
        interval=interval(delta - half, delta + half),
        n=count,
        standard_error=standard_error,
        thresholds=(_NEGLIGIBLE, _MODERATE),
        **stamp(_BAND),
    )
