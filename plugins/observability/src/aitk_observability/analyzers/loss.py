"""What the loss supports, and nothing more.

Every method, its false-alarm rate and its minimum data are documented in
`aitk_core.statistics`; `undetermined` is an answer of each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aitk_core.evidence.records import LEARNING_RATE, LOSS, VALIDATION_LOSS
from aitk_core.records.findings import Analysis
from aitk_core.statistics.blowup import one_step_blowup
from aitk_core.statistics.cleaning import clean, numeric_health
from aitk_core.statistics.early import early_failure
from aitk_core.statistics.explosion import explosion
from aitk_core.statistics.level import mean_level
from aitk_core.statistics.overfit import overfit
from aitk_core.statistics.shift import level_shift
from aitk_core.statistics.trend import trend, trend_while_growing
from aitk_observability.analyzers import loss_findings as said
from aitk_observability.analyzers.summary import summarize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.records import RunEvidence, Series
    from aitk_core.records.findings import Finding
    from aitk_core.statistics.results import (
        BlowupResult,
        NumericResult,
        Result,
        TrendResult,
    )

_TREND_WORDS: Final = {"decreasing": "improving", "increasing": "regressing"}
_EQUIVALENT: Final = 0.05
"""Log ratio within which two levels count as equal (STATS.md section 6)."""


def analyze(evidence: RunEvidence) -> Analysis:
    """Judge the training loss, and the validation loss where there is one."""
    series, validation = evidence.loss, evidence.validation_loss
    nan_lines = evidence.log.nan_count if evidence.log is not None else 0
    if series is None and not nan_lines:
        return Analysis(assessed=False, reason=_why_absent(evidence), facts=_facts_without(0))
    findings: list[Finding] = []
    facts = _facts_without(nan_lines)
    if series is None:
        findings.append(said.nan_from_log(evidence))
    else:
        findings, facts = _judge(evidence, series)
    if validation is not None:
        verdict = overfit(list(validation.values), list(validation.steps))
        facts["validation"] = _told(verdict) | {
            "best_step": verdict.best_step,
            "best_value": verdict.best_value,
        }
        findings += said.overfitting(verdict)
    others = {
        key: summarize(clean(list(one.values), list(one.steps)).values)
        for key, one in evidence.series.items()
        if key not in (LOSS, VALIDATION_LOSS, LEARNING_RATE)
    }
    if others:
        facts["other_metrics"] = others
    facts["status"] = _status(findings, facts)
    return Analysis(findings=tuple(findings), facts=facts)


def _why_absent(evidence: RunEvidence) -> str:
    if "metrics" in evidence.missing and evidence.log is None:
        return "neither metrics nor log could be read"
    if not evidence.config.uses_metrics:
        return (
            "no loss in the log, and the config does not record metrics "
            "(logging.use_ui_logger is not true)"
        )
    return "no loss was recorded yet"


def _facts_without(nan_lines: int) -> dict[str, Any]:
    return {
        "loss": summarize(()),
        "trend": "unknown",
        "improvement_pct": None,
        "convergence_score": None,
        "nan_count": nan_lines,
        "inf_count": 0,
        "flags": ["loss_nan_detected"] if nan_lines else ["no_loss_values_detected"],
        "status": "unknown",
    }


def _judge(evidence: RunEvidence, series: Series) -> tuple[list[Finding], dict[str, Any]]:
    losses, steps = np.asarray(series.values), np.asarray(series.steps)
    config = evidence.config
    is_flow = config.prediction == "flow"
    numeric = numeric_health(losses, steps)
    blowup = one_step_blowup(losses, steps)
    shift = level_shift(losses, steps, is_flow=is_flow)
    level = mean_level(losses, steps)
    tendency = _tendency(evidence.job, losses, steps)
    # Where the scheduler is not known, the level of noise is not known either.
    early = early_failure(
        losses,
        steps,
        prediction=config.prediction or "other",
        effective_batch=config.effective_batch,
    )
    blown = explosion(losses, steps, prediction=config.prediction or "other")
    nan_count = max(numeric.zero, evidence.log.nan_count if evidence.log else 0)
    facts = {
        "loss": summarize(clean(losses, steps).values),
        "trend": _trend_word(tendency),
        "improvement_pct": _improvement(tendency),
        "convergence_score": None,
        "nan_count": nan_count,
        "inf_count": numeric.nonfinite,
        "flags": _flags(numeric, nan_count, blowup),
        "status": "unknown",
        "source": series.source,
        "steps": [int(steps[0]), int(steps[-1])],
        "complete": not series.truncated,
        "methods": {
            "numeric": _told(numeric),
            "blow_up": _told(blowup),
            "level_shift": _told(shift),
            "level": _told(level),
            "trend": _told(tendency),
            "early_failure": _told(early),
            "explosion": _told(blown),
        },
    }
    findings = [
        *said.nonfinite(evidence, numeric, nan_count),
        *said.exploded(blown),
        *said.diverged(early),
        *said.level_shift(shift),
        *said.blowups(blowup),
        *said.trend(tendency),
    ]
    return findings, facts


def _told(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = {
        "verdict": result.verdict,
        "reason": result.reason,
        "estimate": result.estimate,
        "interval": None if result.interval is None else list(result.interval),
        "n": result.n,
        "method": result.method,
        "false_alarm_rate": result.false_alarm_rate.rate,
        "false_alarm_unit": result.false_alarm_rate.unit,
    }
    if result.needed_n is not None:
        told["needed_n"] = result.needed_n
    return told


def _tendency(job: JobRow, losses: NDArray[np.float64], steps: NDArray[np.int64]) -> TrendResult:
    """Judge the trend; of a run that goes on, so that asking again costs no error rate."""
    if job.is_terminal:
        return trend(losses, steps)
    return trend_while_growing(losses, steps, planned_steps=job.planned_steps or 0)


def _trend_word(result: TrendResult) -> str:
    if result.verdict in _TREND_WORDS:
        return _TREND_WORDS[result.verdict]
    if result.interval is not None and max(map(abs, result.interval)) <= _EQUIVALENT:
        return "flat"
    return "unknown"


def _improvement(result: TrendResult) -> float | None:
    if result.verdict == "undetermined" or result.estimate is None:
        return None
    return round(100 * (1 - float(np.exp(min(result.estimate, 50.0)))), 2)


def _flags(numeric: NumericResult, nan_count: int, blowup: BlowupResult) -> list[str]:
    flags = []
    if nan_count:
        flags.append("loss_nan_detected")
    if numeric.nonfinite:
        flags.append("loss_inf_detected")
    if blowup.verdict == "repeated":
        flags.append("loss_spikes_detected")
    return flags


def _status(findings: list[Finding], facts: dict[str, Any]) -> str:
    severities = {finding.severity for finding in findings}
    for word in ("critical", "warning"):
        if word in severities:
            return word
    return "healthy" if facts["loss"]["count"] else "unknown"
