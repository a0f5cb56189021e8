"""The rubric evaluation of `reference_v1` (contract/SCORING.md section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.errors import InvalidArgumentsError
from aitk_observability.scoring.reference_components import (
    LOW_CAPTION,
    LOW_DATASET,
    LOW_SPEED,
    UNOBSERVED,
    caption_score,
    number,
    score_of,
    speed_score,
    weighted_mean,
)

if TYPE_CHECKING:
    from aitk_observability.scoring.context import RunContext

RUBRIC_WEIGHTS: Final[Mapping[str, float]] = {
    "convergence": 0.35,
    "stability": 0.30,
    "speed": 0.20,
    "dataset": 0.10,
    "caption_quality": 0.05,
}
DEFAULT_PASS_THRESHOLD: Final = 70.0
_GRADES: Final = ((90.0, "A"), (80.0, "B"), (70.0, "C"), (60.0, "D"))

DIAGNOSTICS: Final[Mapping[str, str]] = {
    "QUALITY_CRITICAL": "loss quality is critical: check for NaN or infinite losses first",
    "QUALITY_REGRESSION": "the loss rises: lower the learning rate or stop earlier",
    "DATASET_QUALITY_LOW": "dataset quality is low: complete captions, remove bad images",
    "THROUGHPUT_LOW": "training is slow for this model family and run class",
    "CAPTION_QUALITY_LOW": "captions vary too little or are too short",
}
"""Texts by stable code, in the order they are raised in."""


@frozen(kw_only=True)
class Evaluation:
    """A run against the rubric."""

    overall_score: float
    grade: str
    passed: bool
    pass_threshold: float
    components: Mapping[str, float | None]
    weights: Mapping[str, float]
    """As asked for, before they are renormalised over what was observed."""
    diagnostics: tuple[str, ...]
    diagnostic_codes: tuple[str, ...]
    """The codes of `diagnostics`, in the same order."""


def grade(overall: float) -> str:
    """Return the letter of an overall score; each bound is included."""
    return next((letter for low, letter in _GRADES if overall >= low), "F")


def rubric_weights(override: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the rubric's weights; unknown keys and negative values are ignored.

    Raises:
        InvalidArgumentsError: The weight of a known key is not a finite number.
    """
    weights = dict(RUBRIC_WEIGHTS)
    for name, value in (override or {}).items():
        if name not in weights:
            continue
        weight = number(value)
        if weight is None:
            raise InvalidArgumentsError(
                f"weight of {name} is {value!r}, not a finite number",
                remedy="give a number of 0 or more",
                faults=[{"path": f"/rubric_weights/{name}", "message": "not a finite number"}],
            )
        if weight >= 0:
            weights[name] = weight
    return weights


def evaluate(
    metrics: Mapping[str, Any],
    *,
    quality: Mapping[str, Any],
    nlp: Mapping[str, Any] | None,
    context: RunContext,
    override: Mapping[str, Any] | None = None,
    pass_threshold: float = DEFAULT_PASS_THRESHOLD,
) -> Evaluation:
    """Score a run against the rubric.

    Args:
        metrics: `convergence_score`, `stability_score`, `dataset_quality_score`,
            `speed_mean_iter_per_sec`; missing convergence or stability counts 50, what else
            is missing is left out.
        quality: `status`, `trend`.
        nlp: Caption analysis.
        context: What the run is judged as.
        override: Weights by component name.
        pass_threshold: Score points, held to 0 to 100.

    Raises:
        InvalidArgumentsError: A weight or the threshold is not a finite number, or the
            weights of what was observed add up to 0.
    """
    threshold = score_of(pass_threshold)
    if threshold is None:
        raise InvalidArgumentsError(
            f"pass threshold {pass_threshold!r} is not a finite number",
            remedy="give a number from 0 to 100",
        )
    components = rubric_components(metrics, nlp=nlp, context=context)
    weights = rubric_weights(override)
    overall = weighted_mean(components, weights)
    codes = diagnostic_codes(components, quality)
    return Evaluation(
        overall_score=overall,
        grade=grade(overall),
        passed=overall >= threshold,
        pass_threshold=threshold,
        components=components,
        weights=weights,
        diagnostics=tuple(DIAGNOSTICS[code] for code in codes),
        diagnostic_codes=codes,
    )


def rubric_components(
    metrics: Mapping[str, Any], *, nlp: Mapping[str, Any] | None, context: RunContext
) -> dict[str, float | None]:
    """Return the five components, None where one was not observed and is left out."""
    convergence = score_of(metrics.get("convergence_score"))
    stability = score_of(metrics.get("stability_score"))
    speed = number(metrics.get("speed_mean_iter_per_sec"))
    return {
        "convergence": UNOBSERVED if convergence is None else convergence,
        "stability": UNOBSERVED if stability is None else stability,
        "speed": speed_score(speed, context.speed_curve_thresholds),
        "dataset": score_of(metrics.get("dataset_quality_score")),
        "caption_quality": caption_score(nlp),
    }


def diagnostic_codes(
    components: Mapping[str, float | None], quality: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return what the rubric complains about, in the order of `DIAGNOSTICS`."""

    def is_low(name: str, mark: float) -> bool:
        score = components.get(name)
        return score is not None and score < mark

    raised = {
        "QUALITY_CRITICAL": quality.get("status") == "critical",
        "QUALITY_REGRESSION": quality.get("trend") == "regressing",
        "DATASET_QUALITY_LOW": is_low("dataset", LOW_DATASET),
        "THROUGHPUT_LOW": is_low("speed", LOW_SPEED),
        "CAPTION_QUALITY_LOW": is_low("caption_quality", LOW_CAPTION),
    }
    return tuple(code for code in DIAGNOSTICS if raised[code])
