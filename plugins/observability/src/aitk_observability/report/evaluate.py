"""The answer of evaluate-lora, in the contract's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.convert import unstructure
from aitk_observability.report.assess import judge
from aitk_observability.report.dataset import sections as dataset_sections
from aitk_observability.report.evaluation import evaluation, rubric, score_sentence
from aitk_observability.report.run_report import run_report
from aitk_observability.report.sections import moment
from aitk_observability.samples.methods import unseen_stillness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.evidence.samples import SamplesEvidence
    from aitk_core.protocols import Outcomes
    from aitk_observability.arguments import EvaluateLora
    from aitk_observability.report.dataset import Inspected

_SHOWN = 5


def build(
    arguments: EvaluateLora,
    evidence: RunEvidence,
    outcomes: Outcomes,
    *,
    weights: Mapping[str, float],
    samples: SamplesEvidence | str,
    inspected: Inspected,
) -> dict[str, Any]:
    """Return the evaluation of a run, JSON-ready.

    Args:
        arguments: As asked.
        evidence: As collected.
        outcomes: What the installed analyzers said of it.
        weights: Of the rubric, by component.
        samples: Those that were looked at, or why none were.
        inspected: The run's dataset.
    """
    method = arguments.scoring_method
    judged = judge(evidence, outcomes, scoring_method=method, inspected=inspected)
    dataset, nlp, resolution = dataset_sections(
        evidence,
        inspected,
        None,
        include_dataset=arguments.include_dataset,
        include_nlp=arguments.include_nlp,
    )
    scores = rubric(judged, weights)
    data: dict[str, Any] = unstructure(
        {
            "generated_at": moment(evidence.collected_at),
            "job_id": evidence.job.id,
            "inputs": {
                "log_lines": arguments.log_lines,
                "include_dataset": arguments.include_dataset,
                "include_nlp": arguments.include_nlp,
                "max_dataset_files": arguments.max_dataset_files,
                "pass_threshold": arguments.pass_threshold,
                "rubric_weights": dict(weights),
                "include_samples": arguments.include_samples,
                "scoring_method": arguments.scoring_method,
            },
            "evaluation": evaluation(judged, scores, pass_threshold=arguments.pass_threshold),
            "run_report": run_report(
                judged,
                dataset=dataset,
                nlp=nlp,
                dataset_path=resolution["dataset_path"],
                score=score_sentence(scores),
            )
            | {"samples": _samples(samples)},
        }
    )
    return data


def _samples(samples: SamplesEvidence | str) -> dict[str, Any]:
    if isinstance(samples, str):
        return {"looked_at": 0, "reason": samples}
    return {
        "looked_at": sum(sample.pixels is not None for sample in samples.samples),
        "total": samples.total,
        "steps": len(samples.steps),
        "prompts": len(samples.prompt_indexes),
        "missing": dict(samples.missing),
        "unknown": unseen_stillness(samples.samples),
    }


def summarize(data: Mapping[str, Any]) -> str:
    """Return the evaluation in a few lines."""
    verdict, run = data["evaluation"], data["run_report"]
    if verdict["overall_score"] is None:
        head = f"insufficient evidence, not passed: {verdict['coverage']:.0%} assessed"
    else:
        head = (
            f"{verdict['overall_score']:g} ({verdict['grade']}), "
            f"{'passed' if verdict['passed'] else 'not passed'} at "
            f"{verdict['pass_threshold']:g}; {verdict['coverage']:.0%} assessed"
        )
    parts = ", ".join(
        f"{name} {'not assessed' if value is None else format(value, 'g')}"
        for name, value in verdict["components"].items()
    )
    lines = [
        f"{run['job_name'] or data['job_id']}: {head} ({verdict['scoring_method']}).",
        f"Components: {parts}.",
        run["summary"],
    ]
    looked_at = run["samples"]["looked_at"]
    why = run["samples"].get("reason", "none could be read")
    lines.append(f"Samples: {looked_at} looked at." if looked_at else f"Samples: none ({why}).")
    lines += [f"- {text}" for text in verdict["diagnostics"][:_SHOWN]]
    return "\n".join(lines)
