"""The report of get-training-observability, in the contract's shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from aitk_core.convert import unstructure
from aitk_observability.report import experiment, sections
from aitk_observability.report import findings as told
from aitk_observability.scoring import context as scoring_context
from aitk_observability.scoring import evidence as scoring
from aitk_observability.scoring.reference import PROFILE_WEIGHTS, RUBRIC_WEIGHTS

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence
    from aitk_core.protocols import Outcomes
    from aitk_core.records.findings import Analysis, Finding
    from aitk_observability.arguments import GetTrainingObservability

_NOT_ASSESSED = "dataset and caption analysis is not part of what is installed"
_HIGHLIGHTS = 5
_NOT_PASSED = ("critical", "insufficient_evidence")
"""A run with something critical, or without a verdict, does not pass, whatever its mean says."""


@frozen(kw_only=True)
class ObservabilityReport:
    """The answer's top level; its fields are those of the contract's schema."""

    job_id: str
    generated_at: str
    overall_health: str
    status_snapshot: Mapping[str, Any]
    system_snapshot: Mapping[str, Any]
    config_context: Mapping[str, Any]
    logs: Mapping[str, Any]
    speed_analysis: Mapping[str, Any]
    quality_analysis: Mapping[str, Any]
    error_analysis: Mapping[str, Any]
    dataset_analysis: Mapping[str, Any]
    nlp_analysis: Mapping[str, Any]
    dataset_resolution: Mapping[str, Any]
    alerts: list[dict[str, Any]]
    raw_log_excerpt: str | None
    """Left out of the document unless it was asked for."""
    analysis_mode: str = "deep_log_intelligence"
    inputs: Mapping[str, Any]
    run_report: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    intelligence: Mapping[str, Any]
    next_experiment: Mapping[str, Any]
    baseline_comparison: Mapping[str, Any]


def build(
    arguments: GetTrainingObservability,
    evidence: RunEvidence,
    outcomes: Outcomes,
    *,
    config_context: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the report as JSON-ready data.

    Args:
        arguments: As asked.
        evidence: As collected.
        outcomes: What the installed analyzers said of it.
        config_context: Which config counts.
    """
    analyses = outcomes.analyses
    quality, speed = _facts(analyses, "loss"), _facts(analyses, "speed")
    errors = _facts(analyses, "errors")
    findings = told.ordered(f for a in analyses.values() for f in a.findings)
    validation = evidence.validation_loss
    components, reasons = scoring.components_of(
        findings,
        quality,
        speed,
        tuple(v for v in (validation.values if validation else ()) if math.isfinite(v) and v > 0),
    )
    rubric = scoring.combine(components, RUBRIC_WEIGHTS, reasons)
    profile = scoring.combine(components, PROFILE_WEIGHTS, reasons)
    health = told.overall_health(
        findings,
        evidence,
        assessed={name for name, analysis in analyses.items() if analysis.assessed},
        losses=quality.get("loss", {}).get("count", 0),
    )
    dataset, nlp, resolution = _dataset(arguments, evidence)
    alerts = told.alerts(findings)
    evaluation = _evaluation(arguments, rubric, health)
    job = evidence.job
    report = ObservabilityReport(
        job_id=job.id,
        generated_at=_time(evidence.collected_at),
        overall_health=health,
        status_snapshot=sections.status_snapshot(job)
        | {"liveness": dict(_facts(analyses, "liveness"))},
        system_snapshot=sections.system_snapshot(evidence.gpu, evidence.cpu, evidence.active_jobs),
        config_context=config_context,
        logs=sections.logs(evidence, arguments.lines),
        speed_analysis=speed,
        quality_analysis=quality,
        error_analysis=errors,
        dataset_analysis=dataset,
        nlp_analysis=nlp,
        dataset_resolution=resolution,
        alerts=alerts,
        raw_log_excerpt=sections.excerpt(evidence, arguments.excerpt_lines)
        if arguments.include_raw_log_excerpt
        else None,
        inputs=_inputs(arguments),
        run_report={
            "job_id": job.id,
            "job_name": job.name,
            "status": job.status,
            "overall_health": health,
            "summary": _summary(health, findings, rubric),
            "metrics": {
                "convergence_score": components["convergence"],
                "speed_mean_iter_per_sec": speed.get("iter_per_sec", {}).get("mean"),
                "speed_last_iter_per_sec": speed.get("iter_per_sec", {}).get("last"),
                "stability_score": components["stability"],
                "dataset_quality_score": components["dataset"],
            },
            "findings": unstructure(findings),
            "not_assessed": {
                name: analysis.reason
                for name, analysis in analyses.items()
                if not analysis.assessed
            },
            "notes": list(outcomes.notes),
            "provenance": sections.provenance(evidence),
            "quality_analysis": quality,
            "speed_analysis": speed,
            "error_analysis": errors,
            "dataset_analysis": dataset,
            "nlp_analysis": nlp,
            "alerts": alerts,
            "highlights": [alert["message"] for alert in alerts[:_HIGHLIGHTS]],
            "dataset_path": resolution["dataset_path"],
        },
        evaluation=evaluation,
        intelligence=_intelligence(evidence, profile, findings, evaluation, health),
        next_experiment=experiment.next_experiment(
            findings, evidence, assessed=health != "insufficient_evidence"
        )
        if arguments.include_next_experiment
        else {"skipped": True},
        baseline_comparison=_baseline(arguments),
    )
    data: dict[str, Any] = unstructure(report)
    if not arguments.include_raw_log_excerpt:
        del data["raw_log_excerpt"]
    return data


def _facts(analyses: Mapping[str, Analysis], name: str) -> Mapping[str, Any]:
    analysis = analyses.get(name)
    if analysis is None:
        return {"assessed": False, "reason": f"the analyzer {name!r} is not installed or failed"}
    if analysis.assessed:
        return analysis.facts
    return {**analysis.facts, "assessed": False, "reason": analysis.reason}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _inputs(arguments: GetTrainingObservability) -> dict[str, Any]:
    return {
        "lines": arguments.lines,
        "include_dataset": arguments.include_dataset,
        "include_nlp": arguments.include_nlp,
        "include_raw_log_excerpt": arguments.include_raw_log_excerpt,
        "excerpt_lines": arguments.excerpt_lines,
        "max_dataset_files": arguments.max_dataset_files,
        "include_evaluation": arguments.include_evaluation,
        "include_next_experiment": arguments.include_next_experiment,
        "include_baseline_comparison": arguments.include_baseline_comparison,
        "baseline_limit": arguments.baseline_limit,
        "baseline_job_ids": list(dict.fromkeys(arguments.baseline_job_ids or ())),
        "pass_threshold": arguments.pass_threshold,
    }


def _dataset(
    arguments: GetTrainingObservability, evidence: RunEvidence
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return dataset, caption and resolution sections; one path counts in all of them."""
    path, source = arguments.dataset_path, "argument"
    if path is None:
        paths = evidence.config.dataset_paths
        path, source = (paths[0], "config") if paths else (None, "")
    not_assessed = {"assessed": False, "error": "not_assessed", "reason": _NOT_ASSESSED}
    dataset = {"dataset_path": path, **not_assessed} if arguments.include_dataset else None
    return (
        dataset or {"skipped": True},
        dict(not_assessed) if arguments.include_nlp else {"skipped": True},
        {"dataset_path": path, "dataset_source": source or None},
    )


def _evaluation(
    arguments: GetTrainingObservability, scores: scoring.Scores, health: str
) -> dict[str, Any]:
    if not arguments.include_evaluation:
        return {"skipped": True}
    is_judged = health not in _NOT_PASSED
    overall = scores.overall
    return {
        "overall_score": overall,
        "grade": scoring.grade_of(overall),
        "passed": overall is not None and overall >= arguments.pass_threshold and is_judged,
        "pass_threshold": arguments.pass_threshold,
        "components": dict(scores.components),
        "weights": dict(scores.weights),
        "diagnostics": [f"{name}: not assessed: {why}" for name, why in scores.reasons.items()],
        "scoring_method": scoring.SCORING_METHOD,
        "coverage": scores.coverage,
        "minimum_coverage": scoring.MINIMUM_COVERAGE,
    }


def _intelligence(
    evidence: RunEvidence,
    scores: scoring.Scores,
    findings: list[Finding],
    evaluation: Mapping[str, Any],
    health: str,
) -> dict[str, Any]:
    config = evidence.config
    family = scoring_context.model_family(config.model_name, config.arch)
    run_class = scoring_context.run_class(config.steps, max(config.resolution, default=None))
    thresholds = scoring_context.adaptive_thresholds(family, run_class)
    overall = scores.overall
    ready = (
        overall is not None
        and overall >= thresholds.ready_overall_min
        # A warning about quality is reason enough to look first (PITFALLS 20).
        and not any(f.severity != "info" and f.category == "quality" for f in findings)
        and health not in _NOT_PASSED
    )
    return {
        "scores": {
            "overall": overall,
            "components": dict(scores.components),
            "weights": dict(scores.weights),
        },
        "scoring_method": scoring.SCORING_METHOD,
        "coverage": scores.coverage,
        "minimum_coverage": scoring.MINIMUM_COVERAGE,
        "bottlenecks": told.bottlenecks(findings),
        "recommendations": told.recommendations(findings),
        "decision_gates": {
            "ready_for_long_run": ready,
            "requires_immediate_stop": evidence.job.status == "running"
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
            "hparams": _hyperparameters(evidence),
            "speed_curve_thresholds": asdict(scoring_context.speed_curve(family, run_class)),
        },
        # How much of a run this looks at; each finding states its own confidence.
        "confidence": scores.coverage,
        "confidence_source": "coverage",
    }


def _hyperparameters(evidence: RunEvidence) -> dict[str, Any]:
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


def _baseline(arguments: GetTrainingObservability) -> dict[str, Any]:
    if not arguments.include_baseline_comparison:
        return {"skipped": True}
    return {
        "enabled": True,
        "error": "not_assessed",
        "reason": "comparing runs is not part of what is installed",
        "candidate_job_ids": list(dict.fromkeys(arguments.baseline_job_ids or ())),
        "skipped_baselines": [],
    }


def _summary(health: str, findings: list[Finding], scores: scoring.Scores) -> str:
    words = {
        "critical": "Critical",
        "warning": "Needs attention",
        "healthy": "Healthy as far as it was assessed",
        "insufficient_evidence": "Not enough evidence for a verdict",
    }
    worst = [f.message for f in findings if f.severity != "info"][:3]
    text = words[health] + (": " + "; ".join(worst) if worst else "") + "."
    if scores.overall is None:
        return text + f" No score: {scores.coverage:.0%} of what counts was assessed."
    grade = scoring.grade_of(scores.overall)
    return text + f" Score {scores.overall:g} ({grade}) on {scores.coverage:.0%} of what counts."
