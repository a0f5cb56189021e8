"""A run as it was judged: evidence, what the analyzers said of it, and what it scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.evidence.records import RunEvidence
from aitk_core.records.findings import Finding
from aitk_observability.report import findings as told
from aitk_observability.scoring.choice import Components, components_of

if TYPE_CHECKING:
    from aitk_core.protocols import Outcomes
    from aitk_core.records.findings import Analysis

NOT_ASSESSED: Final = "dataset and caption analysis is not part of what is installed"
NOT_PASSED: Final = ("critical", "insufficient_evidence")
"""A run with something critical, or without a verdict, does not pass, whatever its mean says."""


@frozen(kw_only=True)
class Judged:
    """What every tool that speaks about a run starts from."""

    evidence: RunEvidence
    findings: tuple[Finding, ...]
    """Of all installed analyzers, gravest first."""
    quality: Mapping[str, Any]
    """Facts of the loss analyzer."""
    speed: Mapping[str, Any]
    """Facts of the speed analyzer."""
    errors: Mapping[str, Any]
    """Facts of the errors analyzer."""
    liveness: Mapping[str, Any]
    """Facts of the liveness analyzer."""
    checkpoints: Mapping[str, Any]
    """Facts of the checkpoints analyzer."""
    not_assessed: Mapping[str, str]
    """Analyzers that could not judge, and why."""
    notes: tuple[str, ...]
    """Analyzers that failed, with their distribution."""
    health: str
    """`critical`, `warning`, `healthy` or `insufficient_evidence`."""
    components: Components

    @property
    def may_pass(self) -> bool:
        """Tell whether the run was judged and nothing critical was found."""
        return self.health not in NOT_PASSED


def judge(evidence: RunEvidence, outcomes: Outcomes, *, scoring_method: str) -> Judged:
    """Return a run as judged.

    Args:
        evidence: As collected.
        outcomes: What the installed analyzers said of it.
        scoring_method: `evidence_v1` or `reference_v1`.
    """
    analyses = outcomes.analyses
    quality, errors = _facts(analyses, "loss"), _facts(analyses, "errors")
    speed = _facts(analyses, "speed")
    findings = told.ordered(f for a in analyses.values() for f in a.findings)
    return Judged(
        evidence=evidence,
        findings=tuple(findings),
        quality=quality,
        speed=speed,
        errors=errors,
        liveness=_facts(analyses, "liveness"),
        checkpoints=_facts(analyses, "checkpoints"),
        not_assessed={
            name: analysis.reason for name, analysis in analyses.items() if not analysis.assessed
        },
        notes=outcomes.notes,
        health=told.overall_health(
            findings,
            evidence,
            assessed={name for name, analysis in analyses.items() if analysis.assessed},
            losses=quality.get("loss", {}).get("count", 0),
        ),
        components=components_of(
            scoring_method, evidence, findings, quality=quality, speed=speed, errors=errors
        ),
    )


def _facts(analyses: Mapping[str, Analysis], name: str) -> Mapping[str, Any]:
    analysis = analyses.get(name)
    if analysis is None:
        return {"assessed": False, "reason": f"the analyzer {name!r} is not installed or failed"}
    if analysis.assessed:
        return analysis.facts
    return {**analysis.facts, "assessed": False, "reason": analysis.reason}
