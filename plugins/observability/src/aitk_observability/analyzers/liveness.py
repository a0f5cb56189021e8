"""Is the run alive? The core's verdict as a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.evidence.liveness import assess_liveness
from aitk_core.records.findings import Analysis, Estimate, EvidenceRef, Finding, Remedy

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence


def analyze(evidence: RunEvidence) -> Analysis:
    """Judge whether a run that the backend calls running still makes progress."""
    alive = assess_liveness(
        evidence.job, now=evidence.collected_at, loss=evidence.loss, log=evidence.log
    )
    facts = {
        "verdict": alive.verdict,
        "phase": alive.phase,
        "reason": alive.reason,
        "silence_s": alive.silence_s,
        "limit_s": alive.limit_s,
    }
    if alive.verdict not in ("stuck", "dead") or evidence.job.status == "error":
        # How a job with status error failed is the errors analyzer's to tell.
        return Analysis(facts=facts, assessed=alive.verdict != "undetermined", reason=alive.reason)
    finding = Finding(
        code="NO_PROGRESS" if alive.verdict == "stuck" else "PROCESS_GONE",
        category="liveness",
        severity="critical",
        message=alive.reason,
        estimate=Estimate(value=alive.silence_s, unit="s without progress", level=None),
        n=1,
        method="stall_v1" if alive.verdict == "stuck" else "log_ending_v1",
        evidence=(EvidenceRef(source="job", quote=(evidence.job.info or "")[:200]),),
        remedies=(
            Remedy(
                action="mark the job as stopped (stop-training with recover), then start it again: "
                "it resumes from the last save"
            ),
        ),
        unknown=alive.causes,
    )
    return Analysis(findings=(finding,), facts=facts)
