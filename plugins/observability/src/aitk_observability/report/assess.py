"""A run as it was judged: evidence, what the analyzers said of it, and what it scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.evidence.records import RunEvidence
from aitk_core.records.findings import Finding
from aitk_observability.report import findings as told
from aitk_observability.report import sections
from aitk_observability.report.dataset import NO_DATASET, Inspected, shares
from aitk_observability.scoring.choice import Components, components_of

if TYPE_CHECKING:
    from aitk_core.protocols import Outcomes

NOT_PASSED: Final = ("critical", "insufficient_evidence")
"""A run with something critical, or without a verdict, does not pass, whatever its mean says."""

_SAMPLES: Final = "samples"
"""The analyzer of sample images, which costs two requests for each and up to 48 MiB."""
_WHERE_SAMPLES: Final = (
    "not looked at: evaluate-lora checks them for black, noise, standing still and near copies"
)


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
    """Analyzers that could not judge or were not asked, and why."""
    notes: tuple[str, ...]
    """Analyzers that failed, with their distribution."""
    health: str
    """`critical`, `warning`, `healthy` or `insufficient_evidence`."""
    components: Components
    inspected: Inspected
    """The run's dataset, or why it was not inspected."""

    @property
    def may_pass(self) -> bool:
        """Tell whether the run was judged and nothing critical was found."""
        return self.health not in NOT_PASSED


def judge(
    evidence: RunEvidence,
    outcomes: Outcomes,
    *,
    scoring_method: str,
    inspected: Inspected = NO_DATASET,
) -> Judged:
    """Return a run as judged.

    Args:
        evidence: As collected.
        outcomes: What the installed analyzers said of it.
        scoring_method: `evidence_v1` or `reference_v1`.
        inspected: The run's dataset.
    """
    analyses = outcomes.analyses
    quality, errors = sections.facts(analyses, "loss"), sections.facts(analyses, "errors")
    speed = sections.facts(analyses, "speed")
    found = [f for analysis in analyses.values() for f in analysis.findings]
    findings = told.ordered([*found, *inspected.findings])
    return Judged(
        evidence=evidence,
        findings=tuple(findings),
        quality=quality,
        speed=speed,
        errors=errors,
        liveness=sections.facts(analyses, "liveness"),
        checkpoints=sections.facts(analyses, "checkpoints"),
        not_assessed=({} if _SAMPLES in analyses else {_SAMPLES: _WHERE_SAMPLES})
        | {name: analysis.reason for name, analysis in analyses.items() if not analysis.assessed},
        notes=outcomes.notes,
        health=told.overall_health(
            findings,
            evidence,
            assessed={name for name, analysis in analyses.items() if analysis.assessed},
            losses=quality.get("loss", {}).get("count", 0),
        ),
        components=components_of(
            scoring_method,
            evidence,
            findings,
            quality=quality,
            speed=speed,
            errors=errors,
            dataset=shares(inspected),
            inspected=inspected.data,
        ),
        inspected=inspected,
    )
