"""The next step of one run in the contract's shape: the first proposal, or that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_observability.suggestions.candidate import PLAN
from aitk_observability.suggestions.rules import candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.records.findings import Finding
    from aitk_observability.suggestions.candidate import Candidate


def next_experiment(
    findings: Sequence[Finding], evidence: RunEvidence, *, assessed: bool
) -> dict[str, Any]:
    """Return the contract's recommendation; its fields are null where nothing is supported."""
    found, why_none = candidates(findings, evidence, assessed=assessed)
    return recommendation(found[0]) if found else no_recommendation(why_none)


def recommendation(candidate: Candidate) -> dict[str, Any]:
    """Return a proposal with the contract's fields."""
    return {
        "recommendation_type": candidate.recommendation_type,
        "parameter": candidate.parameter,
        "current": candidate.current,
        "proposed": candidate.proposed,
        "expected_impact": candidate.expected_impact,
        "risk_level": candidate.risk_level,
        "rationale": candidate.rationale,
        "validation_plan": list(PLAN),
    }


def no_recommendation(reason: str) -> dict[str, Any]:
    """Return that nothing is proposed, and why."""
    return {
        "recommendation_type": None,
        "parameter": None,
        "current": None,
        "proposed": None,
        "expected_impact": None,
        "risk_level": None,
        "rationale": reason,
        "validation_plan": [],
    }
