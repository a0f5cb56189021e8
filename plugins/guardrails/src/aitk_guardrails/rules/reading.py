"""What one look at a run gives to the rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import frozen

from aitk_core.evidence.liveness import Liveness
from aitk_core.records.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable


@frozen(kw_only=True)
class Reading:
    """One look, in numbers; None is not known."""

    at: float
    """Unix seconds."""
    status: str | None
    """As the backend says it."""
    step: int | None
    total_steps: int | None
    progress_percent: int | None
    info: str = ""
    phase: str = "unknown"
    liveness: Liveness
    findings: tuple[Finding, ...] = ()
    """Of all installed analyzers."""
    oom_count: int | None = None
    """Messages of this launch that memory ran out; None where the log was not read."""
    iter_per_sec: float | None = None
    """Of the newest steps; None while it does not train."""
    free_disk_bytes: int | None = None
    gpu_used_mib: float | None = None
    """Of the run's first GPU, all programs on it together; None where it was not asked."""
    running_s: float | None = None
    """Seconds since the launch; None while it waits."""
    validation_rise: float | None = None
    """Share of the newest validation loss above the lowest."""
    grew: bool = False
    """There was a new step, or more log, since the look before."""
    launched: float | None = None
    """When the trainer was launched, Unix seconds: another value is another run."""
    missing: tuple[str, ...] = ()
    """What could not be read this time."""

    @property
    def is_running(self) -> bool:
        """Tell whether the backend calls it running."""
        return self.status == "running"

    def worst(self, category: str) -> str:
        """Return the gravest severity among the findings of a category, `none` without any."""
        found = {finding.severity for finding in self.findings if finding.category == category}
        return next((word for word in ("critical", "warning") if word in found), "none")

    def of(self, codes: Iterable[str]) -> tuple[Finding, ...]:
        """Return the findings with one of the codes."""
        wanted = frozenset(codes)
        return tuple(finding for finding in self.findings if finding.code in wanted)


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return what a decision keeps of a finding."""
    estimate = finding.estimate
    rate = finding.false_alarm_rate
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "value": None if estimate is None else _finite(estimate.value),
        "unit": None if estimate is None else estimate.unit,
        "interval": None
        if estimate is None or estimate.low is None
        else [_finite(estimate.low), _finite(estimate.high)],
        "n": finding.n,
        "method": finding.method,
        "confidence": finding.confidence,
        "confidence_source": finding.confidence_source,
        "false_alarm_rate": None
        if rate is None
        else {"rate": rate.rate, "unit": rate.unit, "source": rate.source},
        "steps": [[ref.first_step, ref.last_step] for ref in finding.evidence if ref.first_step],
        "remedies": [
            {"action": each.action, "path": each.path, "value": each.value}
            for each in finding.remedies
        ],
        "log_lines": [line for ref in finding.evidence for line in ref.lines][:10],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
