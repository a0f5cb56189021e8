"""The answer of suggest-next-experiment, in the contract's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.patch import check_patch, make_patch
from aitk_core.convert import unstructure
from aitk_core.errors import AitkError
from aitk_observability.report.evaluation import evaluation, rubric
from aitk_observability.report.experiment import no_recommendation, recommendation
from aitk_observability.report.sections import moment
from aitk_observability.suggestions.candidate import cost_of
from aitk_observability.suggestions.rules import candidates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_observability.arguments import SuggestNextExperiment
    from aitk_observability.comparison.collect import Collected
    from aitk_observability.comparison.run import ComparedRun
    from aitk_observability.suggestions.candidate import Candidate

_SHOWN: Final = 5


def build(
    arguments: SuggestNextExperiment, collected: Collected, *, requested: Sequence[str], now: float
) -> dict[str, Any]:
    """Return the proposals for the best of the runs, JSON-ready.

    Args:
        arguments: As asked.
        collected: The candidate runs.
        requested: Their ids, without repetitions.
        now: Unix seconds.
    """
    verdicts = {
        run.job_id: evaluation(
            run.judged, rubric(run.judged), pass_threshold=arguments.pass_threshold
        )
        for run in collected.runs
    }
    run = _selected(collected.runs, verdicts)
    if run is None:
        return {
            "generated_at": moment(now),
            "status": "no_evaluable_candidates",
            "requested_job_ids": list(requested),
            "skipped_candidates": list(collected.skipped),
        }
    evidence = run.judged.evidence
    found, why_none = candidates(
        run.judged.findings, evidence, assessed=run.judged.health != "insufficient_evidence"
    )
    data: dict[str, Any] = unstructure(
        {
            "generated_at": moment(now),
            "inputs": {
                "candidate_job_ids": list(requested),
                "log_lines": arguments.log_lines,
                "include_dataset": arguments.include_dataset,
                "include_nlp": arguments.include_nlp,
                "pass_threshold": arguments.pass_threshold,
                "scoring_method": arguments.scoring_method,
            },
            "selected_job_id": run.job_id,
            "selected_because": _why_selected(verdicts, run),
            "selected_evaluation": verdicts[run.job_id],
            "selected_run_report": run.report,
            "recommendation": _told(found[0], run) if found else no_recommendation(why_none),
            "alternatives": [_told(one, run) for one in found[1:]],
            "candidate_scores": [
                {
                    "job_id": job_id,
                    "overall_score": verdict["overall_score"],
                    "grade": verdict["grade"],
                    "passed": verdict["passed"],
                }
                for job_id, verdict in verdicts.items()
            ],
            "skipped_candidates": list(collected.skipped),
        }
    )
    return data


def _selected(
    runs: Sequence[ComparedRun], verdicts: Mapping[str, Mapping[str, Any]]
) -> ComparedRun | None:
    """Return the best-scored run; else the first with a finding, which is a reason to change."""
    scored = [run for run in runs if verdicts[run.job_id]["overall_score"] is not None]
    if scored:
        return max(scored, key=lambda run: verdicts[run.job_id]["overall_score"])
    judged = [run for run in runs if run.judged.health != "insufficient_evidence"]
    return judged[0] if judged else None


def _why_selected(verdicts: Mapping[str, Mapping[str, Any]], run: ComparedRun) -> str:
    if len(verdicts) == 1:
        return "the only run that could be judged"
    if verdicts[run.job_id]["overall_score"] is None:
        return "no run has a score; the first that was judged"
    return "the highest score; whether that is more than noise is compare-training-runs' to say"


def _told(candidate: Candidate, run: ComparedRun) -> dict[str, Any]:
    return recommendation(candidate) | {
        "motivated_by": list(candidate.motivated_by),
        "expected_effect": candidate.expected_effect,
        "risk": candidate.risk,
        "source": candidate.source,
        "needs": candidate.needs,
        "cost": cost_of(candidate, run.judged.evidence),
        **_patch(candidate, run),
    }


def _patch(candidate: Candidate, run: ComparedRun) -> dict[str, Any]:
    """Return the change as a JSON Patch of the job's config, and what speaks against it."""
    config = run.judged.evidence.job.config
    if config is None or not candidate.changes:
        return {"patch": None, "patch_problems": []}
    try:
        patch = make_patch(config, candidate.paths)
        problems = check_patch(config, patch)
    except AitkError as error:
        told = {"code": error.code, "path": "", "message": str(error), "remedy": error.remedy}
        return {"patch": None, "patch_problems": [told]}
    return {
        "patch": patch.to_json(),
        "patch_problems": [
            {"code": p.code, "path": p.path, "message": p.message, "remedy": p.remedy}
            for p in problems
        ],
    }


def summarize(data: Mapping[str, Any]) -> str:
    """Return the proposals in a few lines."""
    if "recommendation" not in data:
        skipped = "; ".join(f"{s['job_id']}: {s['reason']}" for s in data["skipped_candidates"])
        return f"No run could be judged, so nothing is proposed. {skipped}".strip()
    name = data["selected_run_report"]["job_name"] or data["selected_job_id"]
    first = data["recommendation"]
    if first["recommendation_type"] is None:
        return f"{name}: nothing to change: {first['rationale']}."
    lines = [f"Starting from {name} ({data['selected_because']}):"]
    for number, one in enumerate([first, *data["alternatives"]][:_SHOWN], 1):
        line = f"{number}. {one['parameter']}: {one['current']} -> {one['proposed']}"
        line += f" ({one['expected_impact']} impact, {one['risk_level']} risk). {one['rationale']}"
        if one["patch"]:
            sets = [step for step in one["patch"] if step["op"] != "test"]
            line += " Patch: " + ", ".join(f"{step['op']} {step['path']}" for step in sets) + "."
        if one["needs"]:
            line += f" Needs: {one['needs']}."
        lines.append(line)
    return "\n".join(lines)
