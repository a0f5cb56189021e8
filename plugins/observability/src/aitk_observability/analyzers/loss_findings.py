"""Results of the methods on the loss, as findings for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.records.findings import Estimate, EvidenceRef, Finding, Remedy

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence
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
_CRITICAL_NANS: Final = 3
"""STATS.md section 1."""
_UNKNOWN_START: Final = {
    "noise_level": ("whether the run was ever better",),
    "noise_level_since_start": (
        "whether the run was ever better: its beginning shows the same level",
    ),
}


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


def nonfinite(evidence: RunEvidence, result: NumericResult, nan_count: int) -> list[Finding]:
    """Return what non-finite losses mean; the log's own message is the firmer evidence."""
    if result.verdict not in ("warning", "critical"):
        return [nan_from_log(evidence)] if nan_count else []
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


def nan_from_log(evidence: RunEvidence) -> Finding:
    """Return what the trainer's own message says, where no metrics do."""
    count = evidence.log.nan_count if evidence.log is not None else 0
    lines = evidence.log.nan_lines[:5] if evidence.log is not None else ()
    return Finding(
        code="LOSS_NONFINITE",
        category="quality",
        severity="critical" if count >= _CRITICAL_NANS else "warning",
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


def exploded(result: ExplosionResult) -> list[Finding]:
    """Return that the loss left every sensible range."""
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


def diverged(result: EarlyResult) -> list[Finding]:
    """Return that the latest losses are those of a model that predicts nothing."""
    if result.verdict in ("none", "undetermined"):
        return []
    low, high = result.interval or (None, None)
    tail = result.tail
    shown = "" if tail is None or tail.mean is None else f" (mean {tail.mean:.3g})"
    was_better = result.verdict == "diverged"
    lower = Remedy(action="use a lower learning rate", path=_LR_PATH)
    fit = Remedy(action="check that model, dataset and noise scheduler fit each other")
    return [
        _finding(
            "LOSS_DIVERGED" if was_better else "LOSS_AT_NOISE_LEVEL",
            "critical" if was_better else "warning",
            f"the latest losses{shown} are those of a model that predicts nothing: {result.reason}",
            result,
            estimate=Estimate(
                value=result.estimate, unit="ln(latest mean / first mean)", low=low, high=high
            ),
            remedies=(lower, fit) if was_better else (fit, lower),
            unknown=_UNKNOWN_START.get(result.verdict, ()),
        )
    ]


def level_shift(result: ShiftResult) -> list[Finding]:
    """Return that the loss rose to a higher level."""
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


def blowups(result: BlowupResult) -> list[Finding]:
    """Return single steps with a loss far above any before."""
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


def trend(result: TrendResult) -> list[Finding]:
    """Return the tendency of the training loss, as a note."""
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


def overfitting(result: OverfitResult) -> list[Finding]:
    """Return that the validation loss has turned upward."""
    if result.verdict not in ("overfitting", "val_rising"):
        return []
    firm = result.verdict == "overfitting"
    return [
        _finding(
            "OVERFITTING" if firm else "VALIDATION_RISING",
            "warning",
            f"the validation loss has risen {_share(result.estimate)}above its minimum at step "
            f"{result.best_step}" + ("" if firm else ", not yet by enough to call it overfitting"),
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


def _share(estimate: float | None) -> str:
    return "" if estimate is None else f"{estimate:.2%} "
