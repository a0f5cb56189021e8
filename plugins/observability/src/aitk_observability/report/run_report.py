"""The contract's run report: what is known of one run, in one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.convert import unstructure
from aitk_observability.report import findings as told
from aitk_observability.report import sections

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_observability.report.assess import Judged

_HIGHLIGHTS: Final = 5
_HEALTH: Final = {
    "critical": "Critical",
    "warning": "Needs attention",
    "healthy": "Healthy as far as it was assessed",
    "insufficient_evidence": "Not enough evidence for a verdict",
}
_WORST: Final = 3
_LENGTHY: Final = frozenset({"methods", "pauses", "validation", "source_hits", "sample_lines"})
_REFERENCES: Final = frozenset({"remedies", "unknown", "false_alarm_rate"})


def run_report(
    judged: Judged,
    *,
    dataset: Mapping[str, Any],
    nlp: Mapping[str, Any],
    dataset_path: str | None,
    score: str = "",
) -> dict[str, Any]:
    """Return the run report, JSON-ready.

    Args:
        judged: The run.
        dataset: The dataset section.
        nlp: The caption section.
        dataset_path: The dataset that counts.
        score: A sentence about the score, for the summary.
    """
    job, speed = judged.evidence.job, judged.speed.get("iter_per_sec", {})
    alerts = told.alerts(judged.findings)
    components = judged.components.values
    return {
        "job_id": job.id,
        "job_name": job.name,
        "status": job.status,
        "overall_health": judged.health,
        "summary": _summary(judged) + score,
        "metrics": {
            "convergence_score": components["convergence"],
            "speed_mean_iter_per_sec": speed.get("mean"),
            "speed_last_iter_per_sec": speed.get("last"),
            "stability_score": components["stability"],
            "dataset_quality_score": components["dataset"],
        },
        "findings": unstructure(list(judged.findings)),
        "not_assessed": dict(judged.not_assessed),
        "notes": list(judged.notes),
        "provenance": sections.provenance(judged.evidence),
        "checkpoints": judged.checkpoints,
        "quality_analysis": judged.quality,
        "speed_analysis": judged.speed,
        "error_analysis": judged.errors,
        "dataset_analysis": dataset,
        "nlp_analysis": nlp,
        "alerts": alerts,
        "highlights": [alert["message"] for alert in alerts[:_HIGHLIGHTS]],
        "dataset_path": dataset_path,
    }


def _summary(judged: Judged) -> str:
    worst = [f.message for f in judged.findings if f.severity != "info"][:_WORST]
    return _HEALTH[judged.health] + (": " + "; ".join(worst) if worst else "") + "."


def in_brief(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run report with the contract's fields and little more, for many side by side."""
    brief = dict(report)
    for name in ("quality_analysis", "speed_analysis", "error_analysis"):
        brief[name] = {k: v for k, v in report[name].items() if k not in _LENGTHY}
    brief["findings"] = [
        {k: v for k, v in finding.items() if k not in _REFERENCES} for finding in report["findings"]
    ]
    return brief
