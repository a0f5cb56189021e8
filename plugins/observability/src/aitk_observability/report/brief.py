"""The report in few words: what a model needs to answer a person, within 800 tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_observability.report.sections import cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FINDINGS: Final = 5
_MESSAGE_CHARS: Final = 220
_NAME_CHARS: Final = 80
"""Together with the rest at most 3,200 characters, about 800 tokens."""


def in_few_words(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the brief form of a full report.

    Args:
        report: As `aitk_observability.report.build.build` makes it.
    """
    run, status = report["run_report"], report["status_snapshot"]
    findings = run["findings"]
    return {
        "analysis_mode": "brief",
        "job_id": report["job_id"],
        "job_name": None if run["job_name"] is None else cut(run["job_name"], _NAME_CHARS),
        "generated_at": report["generated_at"],
        "overall_health": report["overall_health"],
        "status": status["status"],
        "progress": status["progress"],
        "current_step": status["current_step"],
        "total_steps": status["total_steps"],
        "liveness": status["liveness"].get("verdict"),
        "findings": [_finding(finding) for finding in findings[:_FINDINGS]],
        "further_findings": max(0, len(findings) - _FINDINGS),
        "not_assessed": sorted(run["not_assessed"]),
        "loss": _loss(report["quality_analysis"]),
        "speed": _speed(report["speed_analysis"]),
        "score": _score(report["intelligence"], report["evaluation"]),
        "next_step": _next(report["next_experiment"]),
        "missing": sorted(run["provenance"]["missing"]),
        "notes": [cut(note, _MESSAGE_CHARS) for note in run["notes"][:2]],
        "more": "detail=full gives intervals, methods, evidence and remedies; "
        "evaluate-lora looks at samples",
    }


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "severity": finding["severity"],
        "code": finding["code"],
        "message": cut(finding["message"], _MESSAGE_CHARS),
        "n": finding["n"],
        "method": finding["method"],
    }


def _loss(quality: Mapping[str, Any]) -> dict[str, Any] | None:
    count = quality.get("loss", {}).get("count", 0)
    if not count:
        return None
    level = quality.get("methods", {}).get("level", {})
    return {
        "mean": _short(level.get("estimate")),
        "interval": _shorts(level.get("interval")),
        "n": count,
        "trend": quality["trend"],
    }


def _speed(speed: Mapping[str, Any]) -> dict[str, Any] | None:
    rates = speed.get("iter_per_sec", {})
    if not rates.get("count"):
        return None
    left = speed.get("time_left", {})
    return {
        "median_it_per_s": _short(rates["median"]),
        "trend": speed["trend"],
        "seconds_left": _short(left.get("seconds")),
        "seconds_left_interval": _shorts(left.get("interval_s")),
    }


def _score(profile: Mapping[str, Any], evaluation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "overall": evaluation.get("overall_score"),
        "grade": evaluation.get("grade"),
        "passed": evaluation.get("passed"),
        "coverage": evaluation.get("coverage", profile["coverage"]),
        "scoring_method": profile["scoring_method"],
    }


def _next(step: Mapping[str, Any]) -> dict[str, Any] | None:
    if step.get("recommendation_type") is None:
        return None
    return {
        "parameter": step["parameter"],
        "current": step["current"],
        "proposed": step["proposed"],
        "rationale": cut(step["rationale"], _MESSAGE_CHARS),
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _shorts(values: Sequence[float] | None) -> list[float | None] | None:
    return None if values is None else [_short(value) for value in values]
