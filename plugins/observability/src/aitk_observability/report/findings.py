"""Findings as the contract's alerts and bottlenecks, and the health they add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.records.findings import Finding

_ORDER: Final = {"critical": 0, "warning": 1, "info": 2}
_BOTTLENECKS: Final = {
    "LOSS_NONFINITE": "QUALITY_NUMERICAL",
    "LOSS_EXPLODED": "QUALITY_CRITICAL",
    "LOSS_DIVERGED": "QUALITY_CRITICAL",
    "LOSS_AT_NOISE_LEVEL": "QUALITY_REGRESSION",
    "LOSS_LEVEL_SHIFT": "QUALITY_REGRESSION",
    "OVERFITTING": "QUALITY_REGRESSION",
    "VALIDATION_RISING": "QUALITY_REGRESSION",
    "STEPS_SLOWED_DOWN": "THROUGHPUT_LOW",
    "NO_PROGRESS": "ERROR_CRITICAL",
    "PROCESS_GONE": "ERROR_CRITICAL",
}
"""Codes of the contract (SCORING.md section 5) that automation knows."""
_ENOUGH_LOSSES: Final = 50
"""For 'healthy': the window of the shortest method that can find a run broken from its start
(STATS.md section 12)."""


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, gravest first, otherwise in their order."""
    return sorted(findings, key=lambda finding: _ORDER[finding.severity])


def alerts(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return the contract's alerts: findings that are warnings or worse."""
    return [
        {
            "severity": f.severity,
            "category": f.category,
            "message": f.message,
            **({} if f.confidence is None else {"confidence": f.confidence}),
            "code": f.code,
            "method": f.method,
        }
        for f in findings
        if f.severity != "info"
    ]


def bottlenecks(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return the contract's bottlenecks; its confidence is a number, 0.5 where none is stated."""
    found = []
    for f in findings:
        if f.severity == "info":
            continue
        code = _BOTTLENECKS.get(f.code)
        if code is None:
            errors = {"critical": "ERROR_CRITICAL", "warning": "ERROR_WARNING"}
            code = errors[f.severity] if f.category == "errors" else f.code
        found.append(
            {
                "code": code,
                "finding": f.code,
                "severity": f.severity,
                "message": f.message,
                "evidence": {
                    "n": f.n,
                    "method": f.method,
                    "estimate": None if f.estimate is None else f.estimate.value,
                },
                "confidence": 0.5 if f.confidence is None else f.confidence,
                "confidence_source": f.confidence_source,
            }
        )
    return found


def recommendations(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return one recommendation for each finding that has a remedy."""
    return [
        {
            "priority": f.severity,
            "for": f.code,
            "action": f.remedies[0].action,
            **({} if f.remedies[0].path is None else {"path": f.remedies[0].path}),
            **({} if f.remedies[0].value is None else {"value": f.remedies[0].value}),
        }
        for f in findings
        if f.remedies and f.severity != "info"
    ]


def overall_health(
    findings: Sequence[Finding], evidence: RunEvidence, *, assessed: Collection[str], losses: int
) -> str:
    """Return `critical`, `warning`, `healthy` or `insufficient_evidence`.

    Healthy means that the log was read, that enough losses were seen for the methods that find
    a broken run to speak up, that a run which has not ended is known to move, and that none
    of them found anything.

    Args:
        findings: Of all analyzers.
        evidence: About the run.
        assessed: Names of the analyzers that could judge.
        losses: How many usable ones there are.
    """
    severities = {finding.severity for finding in findings}
    for word in ("critical", "warning"):
        if word in severities:
            return word
    needed = {"errors", "loss"} if evidence.job.is_terminal else {"errors", "loss", "liveness"}
    if evidence.job.status == "queued" or losses < _ENOUGH_LOSSES or not needed <= set(assessed):
        return "insufficient_evidence"
    return "healthy"
