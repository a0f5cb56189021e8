"""Runs that go wrong in their first steps, without a healthy baseline (STATS.md section 12).

Two anchors replace the healthy past. For noise prediction the target is unit Gaussian noise,
so a predictor that knows nothing has an expected loss of 1 at every timestep: the level rises
to about 1 and, since the timestep no longer matters, the spread collapses. For other targets
the level depends on the latents, and only the collapse of the spread against the run's own
start is left.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import scaled, t_quantile, welch_df
from aitk_core.statistics.results import EarlyResult, WindowStats

if TYPE_CHECKING:
    from aitk_core.statistics.cleaning import Cleaned, Losses, Steps
    from aitk_core.statistics.methods import Stamp
    from aitk_core.statistics.results import Severity

Prediction = Literal["noise", "flow", "other"]

_LEVEL: Final = METHODS["noise_level_v1"]
_EARLY: Final = _LEVEL.count("early_values")
_TAIL: Final = _LEVEL.count("tail_values")
_FIRST_STEP: Final = _LEVEL.count("early_first_step")
_MEAN: Final = _LEVEL.number("level")
_CV: Final = _LEVEL.number("cv_at_batch_1")

_COLLAPSE: Final = METHODS["spread_collapse_v1"]
_SHARE: Final = _COLLAPSE.number("cv_share_of_start")


def window_stats(cleaned: Cleaned) -> WindowStats:
    """Return mean and coefficient of variation of usable values."""
    values, scale = scaled(cleaned.values)
    mean = float(values.mean()) if cleaned.n else None
    return WindowStats(
        n=cleaned.n,
        mean=None if mean is None else mean * scale,
        cv=float(values.std(ddof=1)) / mean if mean and cleaned.n > 1 else None,
        steps=cleaned.covered(),
    )


def recent(loss: Losses, steps: Steps = None, *, count: int = _TAIL) -> WindowStats:
    """Return mean and spread of the last usable losses."""
    return window_stats(clean(loss, steps).tail(count))


def start(loss: Losses, steps: Steps = None, *, count: int = _EARLY) -> WindowStats:
    """Return mean and spread of the first usable losses."""
    return window_stats(_head(clean(loss, steps), count))


def _head(cleaned: Cleaned, count: int) -> Cleaned:
    return clean(cleaned.values[:count], cleaned.steps[:count])


def _difference(early: WindowStats, tail: WindowStats) -> tuple[float, float] | None:
    """Return the 95 % interval of ln(tail / early), section 6 formula on single values."""
    if not (early.mean and tail.mean) or early.cv is None or tail.cv is None:
        return None
    first, second = early.cv**2 / early.n, tail.cv**2 / tail.n
    half = t_quantile(welch_df(first, early.n, second, tail.n)) * math.sqrt(first + second)
    middle = math.log(tail.mean) - math.log(early.mean)
    return middle - half, middle + half


def early_failure(
    loss: Losses,
    steps: Steps = None,
    *,
    prediction: Prediction = "noise",
    effective_batch: int = 1,
) -> EarlyResult:
    """Say whether the run's latest losses look like those of a model that predicts nothing.

    Args:
        loss: (n,) numbers or None, from the first step on; of a resumed or cut series the
            start is not known and the cause stays open.
        steps: (n,) training steps.
        prediction: What the model predicts; `flow` and `other` are judged by spread alone.
        effective_batch: Samples averaged in one logged loss: batch size times accumulation.

    Raises:
        ValueError: `effective_batch` is below 1.
    """
    if effective_batch < 1:
        raise ValueError(f"effective_batch {effective_batch!r} must be at least 1")
    cleaned = clean(loss, steps)
    info = _LEVEL if prediction == "noise" else _COLLAPSE
    stamped = stamp(info, effective_batch=effective_batch, prediction=prediction)
    has_start = cleaned.n > 0 and int(cleaned.steps[0]) <= _FIRST_STEP
    early = window_stats(_head(cleaned, _EARLY)) if has_start else None
    tail = window_stats(cleaned.tail(min(_TAIL, max(0, cleaned.n - _EARLY))))
    if cleaned.n < info.minimum_n or (prediction != "noise" and early is None):
        return EarlyResult(
            verdict="undetermined",
            reason=(
                f"{cleaned.n} usable losses, {info.minimum_n} are needed"
                if cleaned.n < info.minimum_n
                else "the first steps of the run are not in the data"
            ),
            n=cleaned.n,
            early=early,
            tail=tail,
            needed_n=info.minimum_n if cleaned.n < info.minimum_n else None,
            steps=cleaned.covered(),
            **stamped,
        )
    return _judge(cleaned, early, tail, prediction, effective_batch, stamped)


def _verdict(
    early: WindowStats | None, *, at_level: bool, is_worse: bool | None, is_noise: bool
) -> tuple[Literal["none", "diverged", "noise_level_since_start", "noise_level"], str]:
    if not at_level:
        return "none", "the latest losses do not look like those of a model that predicts nothing"
    if not is_noise:
        return "diverged", "the spread of the loss collapsed while its level rose above the start's"
    if early is None:
        return "noise_level", "the loss is at noise level, and the start is not in the data"
    if early.mean is not None and early.mean > _MEAN:
        return (
            "noise_level_since_start",
            "at noise level since the start: dataset, model or scheduler",
        )
    if is_worse:
        return "diverged", "the loss rose from a healthy start to noise level"
    return "noise_level", "the loss is at noise level, not clearly above its start"


_SEVERITY: Final[dict[str, Severity]] = {
    "none": "none",
    "diverged": "critical",
    "noise_level_since_start": "warning",
    "noise_level": "warning",
}


def _judge(
    cleaned: Cleaned,
    early: WindowStats | None,
    tail: WindowStats,
    prediction: Prediction,
    effective_batch: int,
    stamped: Stamp,
) -> EarlyResult:
    ends = None if early is None else _difference(early, tail)
    is_worse = None if ends is None else ends[0] > 0
    cv = math.inf if tail.cv is None else tail.cv
    if prediction == "noise":
        at_level = (tail.mean or 0.0) > _MEAN and cv < _CV / math.sqrt(effective_batch)
    else:
        spread = 0.0 if early is None or early.cv is None else early.cv
        at_level = bool(is_worse) and cv < _SHARE * spread
    verdict, reason = _verdict(
        early, at_level=at_level, is_worse=is_worse, is_noise=prediction == "noise"
    )
    return EarlyResult(
        verdict=verdict,
        severity=_SEVERITY[verdict],
        reason=reason,
        estimate=None if ends is None else (ends[0] + ends[1]) / 2,
        interval=ends,
        n=cleaned.n,
        early=early,
        tail=tail,
        worse_than_start=is_worse,
        steps=cleaned.covered(),
        **stamped,
    )
