"""Which checkpoints the retention setting has deleted or will delete, the best one among them.

The trainer keeps the newest `save.max_step_saves_to_keep` step saves (backend/API.md section
12.4); the best one by validation loss is often older. What is said here follows from the
config and the steps done, for a run that started afresh; deletions that the log shows are
counted beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aitk_core.evidence.logevents import LogEventKind
from aitk_core.evidence.retention import retention
from aitk_core.records.findings import Analysis, EvidenceRef, Finding, Remedy
from aitk_core.statistics.overfit import overfit

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence

_METHOD: Final = "retention_v1"
_STEP: Final = re.compile(r"_(\d{9})(?:_\w+)?\.safetensors")
"""`<name>_<step 9 digits>.safetensors`, with a suffix for models of two experts."""
_SHOWN: Final = 20
_KEEP_PATH: Final = "config.process.0.save.max_step_saves_to_keep"


def analyze(evidence: RunEvidence) -> Analysis:
    """Judge whether the best checkpoint is still there, and will be."""
    config, job = evidence.config, evidence.job
    steps, every, keep = job.configured_steps, config.save_every, config.max_step_saves_to_keep
    if steps is None or every is None or keep is None:
        return Analysis(assessed=False, reason="the config does not say what is saved and kept")
    done = min(steps, job.step or 0)
    now = retention(steps=done, save_every=every, keep=keep)
    end = retention(steps=steps, save_every=every, keep=keep)
    going = not job.is_terminal
    leaving = [step for step in now.kept if step not in end.kept] if going else []
    facts: dict[str, Any] = {
        "save_every": every,
        "max_step_saves_to_keep": keep,
        "kept_steps": list(now.kept[-_SHOWN:]),
        "deleted_count": now.deleted_count,
        "deletions_in_log": _deletions(evidence),
        "will_be_deleted_steps": leaving[-_SHOWN:],
        "final_saved": job.status == "completed",
    }
    finding = _best(evidence, every, now.kept, end.kept, facts)
    return Analysis(findings=() if finding is None else (finding,), facts=facts)


def _deletions(evidence: RunEvidence) -> list[int]:
    if evidence.log is None:
        return []
    scan = evidence.log.scan
    found = [
        int(match[1])
        for event in scan.events
        if event.kind is LogEventKind.REMOVED_SAVE and event.number >= scan.run_first_line
        for match in (_STEP.search(event.path or ""),)
        if match is not None
    ]
    return found[-_SHOWN:]


def _best(
    evidence: RunEvidence,
    every: int,
    kept: tuple[int, ...],
    at_end: tuple[int, ...],
    facts: dict[str, Any],
) -> Finding | None:
    """Return that the checkpoint nearest the best validation loss is gone, or will be."""
    series = evidence.validation_loss
    if series is None:
        return None
    verdict = overfit(list(series.values), list(series.steps))
    best = verdict.best_step
    if best is None or best == series.steps[-1]:
        return None
    nearest = max(every, round(best / every) * every)
    facts |= {"best_step": best, "nearest_save_step": nearest}
    done = evidence.job.step or 0
    if evidence.job.status == "completed" and abs(done - best) <= abs(nearest - best):
        facts["nearest_save_step"] = done  # the final weights, which always stay
        return None
    if nearest >= done or nearest in (at_end if not evidence.job.is_terminal else kept):
        return None
    going = nearest in kept
    action = "keep more checkpoints (0 keeps all), or copy this one before it is deleted"
    return Finding(
        code="BEST_CHECKPOINT_AT_RISK" if going else "BEST_CHECKPOINT_DELETED",
        category="checkpoints",
        # Unless the loss rises beyond what seeds do, a later checkpoint is as good.
        severity="warning" if verdict.verdict in ("overfitting", "val_rising") else "info",
        message=f"the checkpoint of step {nearest}, nearest the best validation loss at step "
        f"{best}, {'will be' if going else 'was'} deleted: only the newest "
        f"{evidence.config.max_step_saves_to_keep} step saves are kept",
        n=len(series),
        method=_METHOD,
        confidence=0.9,
        confidence_source="catalogue",
        evidence=(
            EvidenceRef(source="metrics", first_step=best, last_step=best),
            EvidenceRef(source="config", quote=f"save.save_every: {every}"),
        ),
        remedies=(Remedy(action=action, path=_KEEP_PATH, value=0),),
        unknown=("whether somebody copied it elsewhere",),
    )
