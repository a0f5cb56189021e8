"""The report of get-training-observability, in the contract's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from aitk_core.convert import unstructure
from aitk_observability.report import experiment, sections
from aitk_observability.report.dataset import sections as dataset_sections
from aitk_observability.report.evaluation import evaluation, rubric, score_sentence
from aitk_observability.report.intelligence import intelligence
from aitk_observability.report.run_report import in_brief, run_report
from aitk_observability.report.sections import moment

if TYPE_CHECKING:
    from aitk_observability.arguments import GetTrainingObservability
    from aitk_observability.report.assess import Judged
    from aitk_observability.report.baseline import Baselines


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
    judged: Judged,
    *,
    config_context: Mapping[str, Any],
    baselines: Baselines | None = None,
) -> dict[str, Any]:
    """Return the report as JSON-ready data.

    Args:
        arguments: As asked.
        judged: The run.
        config_context: Which config counts.
        baselines: Runs to compare with, where that was asked for.
    """
    evidence, job = judged.evidence, judged.evidence.job
    dataset, nlp, resolution = dataset_sections(
        evidence,
        judged.inspected,
        arguments.dataset_path,
        include_dataset=arguments.include_dataset,
        include_nlp=arguments.include_nlp,
    )
    scores = rubric(judged)
    verdict: Mapping[str, Any] = {"skipped": True}
    if arguments.include_evaluation:
        verdict = evaluation(judged, scores, pass_threshold=arguments.pass_threshold)
    run = run_report(
        judged,
        dataset=dataset,
        nlp=nlp,
        dataset_path=resolution["dataset_path"],
        score=score_sentence(scores),
    )
    report = ObservabilityReport(
        job_id=job.id,
        generated_at=moment(evidence.collected_at),
        overall_health=judged.health,
        status_snapshot=sections.status_snapshot(job) | {"liveness": dict(judged.liveness)},
        system_snapshot=sections.system_snapshot(evidence.gpu, evidence.cpu, evidence.active_jobs),
        config_context=config_context,
        logs=sections.logs(evidence, arguments.lines),
        speed_analysis=judged.speed,
        quality_analysis=judged.quality,
        error_analysis=judged.errors,
        dataset_analysis=dataset,
        nlp_analysis=nlp,
        dataset_resolution=resolution,
        alerts=run["alerts"],
        raw_log_excerpt=sections.excerpt(evidence, arguments.excerpt_lines)
        if arguments.include_raw_log_excerpt
        else None,
        inputs=_inputs(arguments),
        run_report=run,
        evaluation=verdict,
        intelligence=intelligence(judged, verdict),
        next_experiment=experiment.next_experiment(
            judged.findings, evidence, assessed=judged.health != "insufficient_evidence"
        )
        if arguments.include_next_experiment
        else {"skipped": True},
        baseline_comparison=_baseline(judged, run, baselines),
    )
    data: dict[str, Any] = unstructure(report)
    if not arguments.include_raw_log_excerpt:
        del data["raw_log_excerpt"]
    return data


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
        "scoring_method": arguments.scoring_method,
    }


def _baseline(
    judged: Judged, run: Mapping[str, Any], baselines: Baselines | None
) -> Mapping[str, Any]:
    if baselines is None:
        return {"skipped": True}
    from aitk_observability.comparison.run import compared_run
    from aitk_observability.report.baseline import baseline_comparison

    return baseline_comparison(compared_run(judged, in_brief(run)), baselines)
