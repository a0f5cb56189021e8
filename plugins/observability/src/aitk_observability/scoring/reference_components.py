"""The component scores of `reference_v1` (contract/SCORING.md sections 1.2 and 2).

Analyses are the mappings of the published outputs. A value that is missing, of the wrong
kind or not finite counts as missing. Scores are score points, 0 to 100, on 2 places.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitk_observability.scoring.context import SpeedCurve

NON_FINITE_FLAGS: Final = frozenset({"loss_nan_detected", "loss_inf_detected"})
UNOBSERVED: Final = 50.0
"""What the published formulas take for a missing convergence or stability."""
LOW_DATASET: Final = 70.0
LOW_SPEED: Final = 50.0
LOW_CAPTION: Final = 65.0
"""Fixed marks below which a component is reported (sections 3, 5 and 8)."""

_IMPROVEMENT_LIMIT_PCT: Final = 60.0
_SPIKE_DEDUCTION: Final = 20.0
_NO_LOSS: Final = "no_loss_values_detected"
_SPIKES: Final = "loss_spikes_detected"

_ERROR_DEDUCTION: Final = {"critical": 45.0, "warning": 20.0}
_QUALITY_DEDUCTION: Final = {"critical": 40.0, "warning": 15.0}
_ALERT_DEDUCTION: Final = {"critical": 10.0, "warning": 3.0}
_NON_FINITE_CAP: Final = 10.0

_CAPTION_STEPS: Final = ((0.45, 92.0), (0.30, 78.0), (0.20, 63.0))
_CAPTION_REST: Final = 45.0
_CAPTION_DEDUCTION: Final = {
    "caption_vocabulary_low_diversity": 12.0,
    "captions_too_short": 15.0,
}


def number(value: Any) -> float | None:
    """Return a finite number as float, and None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        plain = float(value)
    except OverflowError:
        return None
    return plain if math.isfinite(plain) else None


def count(value: Any) -> float:
    """Return a count; 0 where it is missing or negative."""
    return max(0.0, number(value) or 0.0)


def strings(value: Any) -> list[str]:
    """Return the strings of a list, such as flags."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def points(value: float) -> float:
    """Return a score held to 0 to 100 and rounded to 2 places."""
    return round(min(100.0, max(0.0, value)), 2)


def score_of(value: Any) -> float | None:
    """Return a given score as published, or None where it is missing."""
    plain = number(value)
    return None if plain is None else points(plain)


def weighted_mean(components: Mapping[str, float | None], weights: Mapping[str, float]) -> float:
    """Return the mean over the components that are there, weights renormalised.

    Raises:
        InvalidArgumentsError: The weights of what is there add up to 0, or past any number.
    """
    there = {name: value for name, value in components.items() if value is not None}
    total = sum(weights[name] for name in there)
    mean = sum(value * weights[name] for name, value in there.items()) / total if total else 0.0
    if not total or not math.isfinite(total) or not math.isfinite(mean):
        raise InvalidArgumentsError(
            f"weights {dict(weights)!r} give no mean over {', '.join(there) or 'nothing'}",
            remedy="give finite weights of which one of an observed component is above 0",
        )
    return points(mean)


def has_non_finite(quality: Mapping[str, Any]) -> bool:
    """Tell whether the loss analysis saw a NaN or an infinity."""
    return not NON_FINITE_FLAGS.isdisjoint(strings(quality.get("flags")))


def convergence_score(improvement_pct: float | None, *, flags: Iterable[str] = ()) -> float | None:
    """Score the fall of the loss: 20 to 80, less with spikes, 0 with NaN; None without losses.

    Args:
        improvement_pct: (first - last) / |first| * 100, or None where it is undefined.
        flags: Of the loss analysis.
    """
    seen = set(flags)
    if _NO_LOSS in seen:
        return None
    if not NON_FINITE_FLAGS.isdisjoint(seen):
        return 0.0
    fall = number(improvement_pct) or 0.0
    held = min(_IMPROVEMENT_LIMIT_PCT, max(-_IMPROVEMENT_LIMIT_PCT, fall))
    return points(50.0 + held * 0.5 - (_SPIKE_DEDUCTION if _SPIKES in seen else 0.0))


def stability_score(
    quality: Mapping[str, Any],
    errors: Mapping[str, Any],
    alerts: Iterable[Mapping[str, Any]],
) -> float:
    """Score how undisturbed a run was: 100 less what went wrong.

    Args:
        quality: `status`, `flags`.
        errors: `severity`, `total_mentions`.
        alerts: Each with `severity`.
    """
    score = 100.0
    score -= _ERROR_DEDUCTION.get(str(errors.get("severity")), 0.0)
    score -= min(30.0, 2.0 * count(errors.get("total_mentions")))
    score -= _QUALITY_DEDUCTION.get(str(quality.get("status")), 0.0)
    if has_non_finite(quality):
        score = min(score, _NON_FINITE_CAP)
    if _SPIKES in strings(quality.get("flags")):
        score -= 10.0
    score -= sum(_ALERT_DEDUCTION.get(str(alert.get("severity")), 0.0) for alert in alerts)
    return points(score)


def dataset_score(dataset: Mapping[str, Any] | None) -> float | None:
    """Score a dataset: 100 less missing captions, duplicates, damage and odd sizes.

    Args:
        dataset: `exists`, `scanned_images`, `caption_coverage_pct` and the counts.

    Returns:
        None without a folder or with unknown caption coverage, 0 without images.
    """
    if not dataset or not dataset.get("exists"):
        return None
    images = count(dataset.get("scanned_images"))
    if images <= 0:
        return 0.0
    coverage_pct = number(dataset.get("caption_coverage_pct"))
    if coverage_pct is None:
        return None

    def share_pct(name: str) -> float:
        return count(dataset.get(name)) / images * 100.0

    score = 100.0 - 0.45 * (100.0 - coverage_pct)
    score -= min(40.0, 0.9 * share_pct("duplicate_image_estimate"))
    score -= min(60.0, 12.0 * count(dataset.get("corrupt_image_count")))
    score -= min(20.0, 0.3 * share_pct("low_resolution_count"))
    score -= min(15.0, 0.25 * share_pct("extreme_aspect_ratio_count"))
    return points(score)


def caption_score(nlp: Mapping[str, Any] | None) -> float | None:
    """Score the variety of captions.

    Args:
        nlp: `caption_token_diversity` (0 to 1) and `style_flags`, or `skipped`.

    Returns:
        None where captions were not looked at.
    """
    if not nlp or nlp.get("skipped"):
        return None
    diversity = number(nlp.get("caption_token_diversity"))
    if diversity is None:
        return None
    score = next((value for low, value in _CAPTION_STEPS if diversity >= low), _CAPTION_REST)
    flags = set(strings(nlp.get("style_flags")))
    return points(score - sum(_CAPTION_DEDUCTION.get(flag, 0.0) for flag in flags))


def speed_score(speed_it_per_s: float | None, curve: SpeedCurve) -> float | None:
    """Score a mean speed against the curve of its family and class.

    Args:
        speed_it_per_s: Mean iterations per second, or None where nothing was measured.
        curve: Lower bounds, included.
    """
    speed = number(speed_it_per_s)
    if speed is None:
        return None
    if speed <= 0:
        return 0.0
    bounds = (
        (curve.excellent, 95.0),
        (curve.good, 82.0),
        (curve.fair, 68.0),
        (curve.watch, 52.0),
        (curve.poor, 35.0),
    )
    return next((value for low, value in bounds if speed >= low), 20.0)
