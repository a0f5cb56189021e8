"""What the rules look at: the run, its findings by code, and its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.evidence.config import first_process
from aitk_core.evidence.records import RunEvidence
from aitk_core.records.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

BROKEN: Final = (
    "LOSS_EXPLODED",
    "LOSS_DIVERGED",
    "LOSS_NONFINITE",
    "LOSS_LEVEL_SHIFT",
    "LOSS_AT_NOISE_LEVEL",
)
MEMORY: Final = ("OOM_STEP_SKIPPED", "OOM_REPEATED_ABORT", "CUDA_OOM", "HIP_OOM", "MPS_OOM")


@frozen(kw_only=True)
class Situation:
    """What the rules look at."""

    evidence: RunEvidence
    findings: Mapping[str, Finding]
    """By code, warnings and worse only."""
    process: Mapping[str, Any]
    """First process of the job's config; empty where there is none."""

    def first(self, codes: Sequence[str]) -> Finding | None:
        """Return the finding of the first code that there is."""
        return next((self.findings[code] for code in codes if code in self.findings), None)

    def at(self, *path: str) -> Any:
        """Return a value of the config, or None."""
        value: Any = self.process
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


def situation(findings: Sequence[Finding], evidence: RunEvidence) -> Situation:
    """Return what the rules look at."""
    return Situation(
        evidence=evidence,
        findings={f.code: f for f in findings if f.severity != "info"},
        process=first_process(evidence.job.config),
    )
