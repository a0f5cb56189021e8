"""What the rules look at: the run, its findings by code, and its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.evidence.config import first_process
from aitk_core.evidence.records import RunEvidence
from aitk_core.records.findings import Finding
from aitk_core.statistics.methods import METHODS

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

_WAS_BETTER: Final = ("LOSS_DIVERGED", "LOSS_LEVEL_SHIFT")
_NOISE: Final = METHODS["noise_level_v1"]


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

    def never_better(self) -> Finding | None:
        """Return what says that the loss is that of a broken model and not that it ever was less.

        A loss that exploded tells it where it did so within the first losses; of one at noise
        level, a finding that the run was better before is the only sign against.
        """
        if any(code in self.findings for code in _WAS_BETTER):
            return None
        exploded = self.findings.get("LOSS_EXPLODED")
        if exploded is not None:
            return exploded if self._begins_exploded() else None
        return self.findings.get("LOSS_AT_NOISE_LEVEL")

    def _begins_exploded(self) -> bool:
        series = self.evidence.loss
        if series is None or not len(series) or series.steps[0] > _NOISE.count("early_first_step"):
            return False
        level = METHODS["explosion_v1"].number(
            "noise_level" if self.evidence.config.prediction == "noise" else "flow_level"
        )
        return all(value > level for value in series.values[: _NOISE.count("early_values")])

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
