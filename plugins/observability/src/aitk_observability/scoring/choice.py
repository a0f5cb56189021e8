"""The two scoring methods behind one door; every output names the one that was used.

They share names, weights, grades and gates, and the rule that a run of which too little was
assessed has no score. A comparison never mixes them (design 10.17).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import frozen

from aitk_observability.scoring import evidence as sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.records.findings import Finding

ScoringMethod: TypeAlias = Literal["evidence_v1", "reference_v1"]
DEFAULT_METHOD: Final[ScoringMethod] = "evidence_v1"


@frozen(kw_only=True)
class Components:
    """The component scores of a run by one method."""

    method: str
    values: Mapping[str, float | None]
    """0 to 100 by name, None where not assessed."""
    reasons: Mapping[str, str]
    """Why those that are None are."""


def components_of(
    method: str,
    evidence: RunEvidence,
    findings: Sequence[Finding],
    *,
    quality: Mapping[str, Any],
    speed: Mapping[str, Any],
    errors: Mapping[str, Any],
    dataset: tuple[float | None, float | None, str],
    inspected: Mapping[str, Any] | None = None,
) -> Components:
    """Return the component scores.

    Args:
        method: `evidence_v1` or `reference_v1`.
        evidence: About the run.
        findings: Of all installed analyzers.
        quality: Facts of the loss analyzer.
        speed: Facts of the speed analyzer.
        errors: Facts of the errors analyzer.
        dataset: Shares of pictures and captions that train as meant, and why they are None.
        inspected: The document about the dataset, or None.
    """
    if method == "reference_v1":
        from aitk_observability.scoring.reference_inputs import reference_components

        values, reasons = reference_components(evidence, errors, inspected, dataset[2])
    else:
        series = evidence.validation_loss
        validation = tuple(
            v for v in (series.values if series else ()) if math.isfinite(v) and v > 0
        )
        values, reasons = sound.components_of(findings, quality, speed, validation, dataset)
    return Components(method=method, values=values, reasons=reasons)
