"""What the loss supports, and nothing more.

Every method, its false-alarm rate and its minimum data are documented in
`aitk_core.statistics`; `undetermined` is an answer of each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aitk_core.records.findings import Analysis, Estimate, EvidenceRef, Finding, Remedy
from aitk_core.statistics.blowup import one_step_blowup
from aitk_core.statistics.cleaning import clean, numeric_health
from aitk_core.statistics.early import early_failure
from aitk_core.statistics.explosion import explosion
from aitk_core.statistics.level import mean_level
from aitk_core.statistics.overfit import overfit
from aitk_core.statistics.shift import level_shift
from aitk_core.statistics.trend import trend
from aitk_observability.analyzers.summary import summarize

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence, Series
    from aitk_core.statistics.results import (
        BlowupResult,
        EarlyResult,
        ExplosionResult,
        NumericResult,
        OverfitResult,
        Result,
        ShiftResult,
        TrendResult,
    )

_LR_PATH: Final = "config.process.0.train.lr"
_TREND_WORDS: Final = {"decreasing": "improving", "increasing": "regressing"}
_UNKNOWN_START: Final = {
    "noise_level": ("whether the run was ever better",),
    "noise_level_since_start": (
        "whether the run was ever better: its beginning shows the same level",
    ),
}
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
        findings.append(_nan_from_log(evidence))
    else:
        findings, facts = _judge(evidence, series)
    if validation is not None:
        verdict = overfit(list(validation.values), list(validation.steps))
        facts["validation"] = _told(verdict) | {
            "best_step": verdict.best_step,
            "best_value": verdict.best_value,
        }
        findings += _overfitting(verdict)
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
    tendency = trend(losses, steps)
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
        *_numeric(evidence, numeric, nan_count),
        *_exploded(blown),
        *_early(early),
        *_shift(shift),
        *_blowup(blowup),
        *_trend(tendency),
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


def _finding(code: str, severity: Any, message: str, result: Result, **more: Any) -> Finding:
    first, last = result.steps or (None, None)
    references = more.pop("evidence", None) or (
        EvidenceRef(source="metrics", first_step=first, last_step=last),
    )
    return Finding(
        code=code,
        category="quality",
        severity=severity,
        message=message,
        n=result.n,
        method=result.method,
        false_alarm_rate=result.false_alarm_rate,
        confidence_source=more.pop("confidence_source", "not_stated"),
        evidence=references,
        **more,
    )


def _numeric(evidence: RunEvidence, result: NumericResult, nan_count: int) -> list[Finding]:
    if result.verdict not in ("warning", "critical"):
        return [_nan_from_log(evidence)] if nan_count else []
    lines = evidence.log.nan_lines[:5] if evidence.log is not None else ()
    references = [
        EvidenceRef(
            source="metrics", first_step=result.first_bad_step, last_step=result.last_bad_step
        )
    ]
    if lines:
        references.append(EvidenceRef(source="log", lines=tuple(lines), quote="loss is nan"))
    return [
        _finding(
            "LOSS_NONFINITE",
            result.verdict,
            f"the loss was not finite in {nan_count} steps, first at step "
            f"{result.first_bad_step}; the trainer logs such a loss as 0 and goes on",
            result,
            estimate=Estimate(value=result.estimate, unit="share of steps", level=None),
            confidence=0.99 if lines else 0.9,
            confidence_source="deterministic" if lines else "catalogue",
            evidence=tuple(references),
            remedies=_nan_remedies(evidence),
            unknown=("whether a checkpoint saved after the first such step is usable",),
        )
    ]


def _nan_from_log(evidence: RunEvidence) -> Finding:
    count = evidence.log.nan_count if evidence.log is not None else 0
    lines = evidence.log.nan_lines[:5] if evidence.log is not None else ()
    return Finding(
        code="LOSS_NONFINITE",
        category="quality",
        severity="critical" if count >= 3 else "warning",  # noqa: PLR2004 - STATS.md section 1
        message=f"the trainer printed 'loss is nan' {count} times",
        n=count,
        method="log_nan_line_v1",
        confidence=0.99,
        confidence_source="deterministic",
        evidence=(EvidenceRef(source="log", lines=tuple(lines), quote="loss is nan"),),
        remedies=_nan_remedies(evidence),
    )


def _nan_remedies(evidence: RunEvidence) -> tuple[Remedy, ...]:
    remedies = []
    if evidence.config.dtype in ("fp16", "float16"):
        remedies.append(
            Remedy(
                action="train in bf16: fp16 is the usual cause on these models (PRACTICE M03)",
                path="config.process.0.train.dtype",
                value="bf16",
            )
        )
    return (*remedies, _lower_lr(evidence))


def _lower_lr(evidence: RunEvidence) -> Remedy:
    rate = evidence.config.learning_rate
    return Remedy(
        action="start again from the last good checkpoint with a lower learning rate",
        path=_LR_PATH,
        value=None if rate is None else float(f"{rate / 3:.2g}"),
    )


def _exploded(result: ExplosionResult) -> list[Finding]:
    if result.verdict not in ("exploded", "exploded_earlier"):
        return []
    now = result.verdict == "exploded"
    return [
        _finding(
            "LOSS_EXPLODED",
            "critical" if now else "warning",
            f"the loss {'left' if now else 'had left'} every sensible range: {result.reason}",
            result,
            estimate=Estimate(value=result.estimate, unit="median loss", level=None),
            evidence=(
                EvidenceRef(
                    source="metrics", first_step=result.first_step, last_step=result.last_step
                ),
            ),
            remedies=(Remedy(action="use a much lower learning rate", path=_LR_PATH),),
            unknown=("whether a checkpoint saved before it is still sound",),
        )
    ]


def _early(result: EarlyResult) -> list[Finding]:
    if result.verdict in ("none", "undetermined"):
        return []
    low, high = result.interval or (None, None)
    tail = result.tail
    shown = "" if tail is None or tail.mean is None else f" (mean {tail.mean:.3g})"
    code = "LOSS_DIVERGED" if result.verdict == "diverged" else "LOSS_AT_NOISE_LEVEL"
    return [
        _finding(
            code,
            "critical" if result.verdict == "diverged" else "warning",
            f"the latest losses{shown} are those of a model that predicts nothing: {result.reason}",
            result,
            estimate=Estimate(
                value=result.estimate, unit="ln(latest mean / first mean)", low=low, high=high
            ),
            remedies=(
                Remedy(action="use a lower learning rate", path=_LR_PATH),
                Remedy(action="check that model, dataset and noise scheduler fit each other"),
            ),
            unknown=_UNKNOWN_START.get(result.verdict, ()),
        )
    ]


def _shift(result: ShiftResult) -> list[Finding]:
    if result.verdict != "shift_up" or not result.up:
        return []
    alarm = result.up[-1]
    confirmed = result.stop_justified
    return [
        _finding(
            "LOSS_LEVEL_SHIFT",
            "critical" if confirmed else "warning",
            f"the loss rose to a higher level from about step {alarm.onset_step}"
            + (", and stayed at twice its baseline or more" if confirmed else ""),
            result,
            estimate=Estimate(value=alarm.log_ratio, unit="ln(level / baseline)", level=None),
            evidence=(
                EvidenceRef(source="metrics", first_step=alarm.onset_step, last_step=alarm.step),
            ),
            remedies=(Remedy(action="use a lower learning rate", path=_LR_PATH),),
            unknown=("whether the data changed at that step, which shifts the level as well",),
        )
    ]


def _blowup(result: BlowupResult) -> list[Finding]:
    if result.verdict not in ("isolated", "repeated"):
        return []
    flag = result.flags[-1]
    return [
        _finding(
            "LOSS_BLOWUP",
            "warning" if result.verdict == "repeated" else "info",
            f"{len(result.flags)} single steps with a loss over twice any before, "
            f"the last at step {flag.step} (loss {flag.value:.3g})",
            result,
            estimate=Estimate(value=flag.ratio, unit="times the largest before", level=None),
            evidence=tuple(
                EvidenceRef(source="metrics", first_step=f.step, last_step=f.step)
                for f in result.flags[-5:]
            ),
        )
    ]


def _trend(result: TrendResult) -> list[Finding]:
    if result.verdict == "undetermined":
        return []
    low, high = result.interval or (None, None)
    rises = result.verdict == "increasing"
    return [
        _finding(
            "LOSS_TREND_UP" if rises else "LOSS_TREND_DOWN",
            # A note only: of runs without any trend a few in a hundred show one.
            "info",
            f"the training loss {'rose' if rises else 'fell'} from the first quarter to the last",
            result,
            estimate=Estimate(value=result.estimate, unit="ln(last / first)", low=low, high=high),
            unknown=("whether the LoRA got better: a falling training loss does not say so",),
        )
    ]


def _overfitting(result: OverfitResult) -> list[Finding]:
    if result.verdict not in ("overfitting", "val_rising"):
        return []
    firm = result.verdict == "overfitting"
    return [
        _finding(
            "OVERFITTING" if firm else "VALIDATION_RISING",
            "warning",
            f"the validation loss has risen above its minimum at step {result.best_step}"
            + ("" if firm else ", not yet by enough to call it overfitting"),
            result,
            estimate=Estimate(value=result.estimate, unit="share above the minimum", level=None),
            evidence=(
                EvidenceRef(
                    source="metrics",
                    first_step=result.best_step,
                    last_step=(result.steps or (0, 0))[1],
                ),
            ),
            remedies=(
                Remedy(
                    action=f"compare samples of the checkpoint nearest step {result.best_step} "
                    "with later ones"
                ),
            ),
            unknown=("whether samples look worse: variety falls first, likeness can still grow",),
        )
    ]


def _status(findings: list[Finding], facts: dict[str, Any]) -> str:
    severities = {finding.severity for finding in findings}
    for word in ("critical", "warning"):
        if word in severities:
            return word
    return "healthy" if facts["loss"]["count"] else "unknown"
