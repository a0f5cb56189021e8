"""The contract's intelligence profile: scores, bottlenecks, gates, and what they are judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict

from aitk_observability.report import findings as told
from aitk_observability.scoring import context as scoring_context
from aitk_observability.scoring import evidence as scoring
from aitk_observability.scoring.reference import PROFILE_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.evidence.records import RunEvidence
    from aitk_observability.report.assess import Judged


def intelligence(judged: Judged, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the profile, JSON-ready.

    Args:
        judged: The run.
        evaluation: The run's evaluation, or that it was skipped.
    """
    config, findings = judged.evidence.config, judged.findings
    scores = scoring.combine(judged.components.values, PROFILE_WEIGHTS, judged.components.reasons)
    family = scoring_context.model_family(config.model_name, config.arch)
    run_class = scoring_context.run_class(config.steps, max(config.resolution, default=None))
    thresholds = scoring_context.adaptive_thresholds(family, run_class)
    overall = scores.overall
    ready = (
        overall is not None
        and overall >= thresholds.ready_overall_min
        # A warning about quality is reason enough to look first (PITFALLS 20).
        and not any(f.severity != "info" and f.category == "quality" for f in findings)
        and judged.may_pass
    )
    return {
        "scores": {
            "overall": overall,
            "components": dict(scores.components),
            "weights": dict(scores.weights),
        },
        "scoring_method": judged.components.method,
        "coverage": scores.coverage,
        "minimum_coverage": scoring.MINIMUM_COVERAGE,
        "bottlenecks": told.bottlenecks(findings),
        "recommendations": told.recommendations(findings),
        "decision_gates": {
            "ready_for_long_run": ready,
            "requires_immediate_stop": judged.evidence.job.status == "running"
            and any(f.severity == "critical" and f.category == "quality" for f in findings),
            "requires_dataset_repair": False,
            "requires_caption_repair": False,
            "safe_to_export": ready
            and overall is not None
            and overall >= thresholds.safe_export_overall_min
            and evaluation.get("passed") is True,
        },
        "thresholds": asdict(thresholds),
        "context": {
            "model_family": family,
            "run_class": run_class,
            "hparams": hyperparameters(judged.evidence),
            "speed_curve_thresholds": asdict(scoring_context.speed_curve(family, run_class)),
        },
        # How much of a run this looks at; each finding states its own confidence.
        "confidence": scores.coverage,
        "confidence_source": "coverage",
    }


def hyperparameters(evidence: RunEvidence) -> dict[str, Any]:
    """Return the run's hyper-parameters as far as its config says them."""
    config = evidence.config
    values = {
        "learning_rate": config.learning_rate,
        "steps": config.steps,
        "batch_size": config.batch_size,
        "rank": config.rank,
        "alpha": config.alpha,
        "low_vram": config.low_vram,
        "resolution": max(config.resolution, default=None),
    }
    return {name: value for name, value in values.items() if value is not None}
