"""Score, grade and pass of one run, by the rubric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.errors import InvalidArgumentsError
from aitk_observability.scoring import evidence as scoring
from aitk_observability.scoring.reference import RUBRIC_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_observability.arguments import RubricWeights
    from aitk_observability.report.assess import Judged


def weights_of(given: RubricWeights | None) -> dict[str, float]:
    """Return the rubric's weights, those given in place of its own.

    Raises:
        InvalidArgumentsError: All of them are 0.
    """
    weights = dict(RUBRIC_WEIGHTS)
    for name, usual in RUBRIC_WEIGHTS.items():
        chosen = None if given is None else getattr(given, name)
        weights[name] = usual if chosen is None else chosen
    if not any(weights.values()):
        raise InvalidArgumentsError(
            "rubric_weights are all 0, so nothing would count",
            remedy="give at least one component a weight above 0",
        )
    return weights


def rubric(judged: Judged, weights: Mapping[str, float] = RUBRIC_WEIGHTS) -> scoring.Scores:
    """Return the run's rubric score; none below the minimum coverage."""
    return scoring.combine(judged.components.values, weights, judged.components.reasons)


def evaluation(judged: Judged, scores: scoring.Scores, *, pass_threshold: float) -> dict[str, Any]:
    """Return the contract's evaluation.

    Args:
        judged: The run.
        scores: Its rubric score.
        pass_threshold: Score points.
    """
    overall = scores.overall
    return {
        "overall_score": overall,
        "grade": scoring.grade_of(overall),
        "passed": overall is not None and overall >= pass_threshold and judged.may_pass,
        "pass_threshold": pass_threshold,
        "components": dict(scores.components),
        "weights": dict(scores.weights),
        "diagnostics": [
            *(f"{f.code}: {f.message}" for f in judged.findings if f.severity != "info"),
            *(f"{name}: not assessed: {why}" for name, why in scores.reasons.items()),
        ],
        "scoring_method": judged.components.method,
        "coverage": scores.coverage,
        "minimum_coverage": scoring.MINIMUM_COVERAGE,
    }


def score_sentence(scores: scoring.Scores) -> str:
    """Return what the score is, for a summary."""
    if scores.overall is None:
        return f" No score: {scores.coverage:.0%} of what counts was assessed."
    grade = scoring.grade_of(scores.overall)
    return f" Score {scores.overall:g} ({grade}) on {scores.coverage:.0%} of what counts."
