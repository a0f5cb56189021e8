"""Do the metrics, the log and the config tell the same story? Where they do not, say so.

The bar prints each loss with four digits, so equal losses lie within 0.05 % of each other; on
18 recorded runs all but one step of a resume did (2,130 steps). More than 1 % apart counts as
different, and a run's sources disagree where over one shared step in twenty does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.records.findings import Analysis, Estimate, EvidenceRef, Finding, Remedy
from aitk_core.statistics.description import FalseAlarmRate

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence, Series

_METHOD: Final = "sources_agree_v1"
_DIFFERENT: Final = 0.01
_SHARE: Final = 0.05
_LEAST_SHARED: Final = 20
"""Shared steps; one resumed step among fewer would already be over the share."""
_BEHIND_STEPS: Final = 600
"""The trainer writes metrics after 256 values, of two keys and more (API.md 12.3)."""
_RATE: Final = FalseAlarmRate(
    rate=0.0, unit="per run", source="ours: 0 of 14 recorded runs with both sources"
)


def analyze(evidence: RunEvidence) -> Analysis:
    """Compare what the run's sources say of the same thing."""
    series, log = evidence.loss, evidence.log
    findings: list[Finding] = []
    facts: dict[str, Any] = {"loss_source": None if series is None else series.source}
    findings += _steps_planned(evidence, facts)
    if series is None or log is None or series.source != "metrics":
        reason = "only one source of losses could be read"
        return Analysis(
            findings=tuple(findings), facts=facts, assessed=bool(findings), reason=reason
        )
    readings = log.scan.readings
    shown = dict(zip(readings.step, readings.loss, strict=True))
    findings += _losses(series, shown, facts)
    if readings.step and not series.truncated:
        behind = readings.step[-1] - series.steps[-1]
        facts["metrics_behind_log_steps"] = max(0, behind)
        if behind > _BEHIND_STEPS:
            findings.append(_behind(series, readings.step[-1], behind))
    return Analysis(findings=tuple(findings), facts=facts)


def _losses(series: Series, shown: dict[int, float], facts: dict[str, Any]) -> list[Finding]:
    shared = apart = 0
    worst = 0.0
    first = last = 0
    for step, value in zip(series.steps, series.values, strict=True):
        told = shown.get(step)
        # A loss that was not finite is 0 in the metrics and not printed by the bar.
        if told is None or not told > 0 or not value > 0:
            continue
        shared += 1
        difference = abs(told - value) / max(told, value)
        if difference > _DIFFERENT:
            apart += 1
            first = first if apart > 1 else step
            last = step
            worst = max(worst, difference)
    facts |= {"shared_steps": shared, "different_steps": apart}
    if shared < _LEAST_SHARED or apart <= _SHARE * shared:
        return []
    return [
        Finding(
            code="SOURCES_DISAGREE",
            category="evidence",
            severity="warning",
            message=f"metrics and log show different losses at {apart} of {shared} shared steps, "
            f"up to {worst:.0%} apart; what is said of the loss rests on the metrics",
            estimate=Estimate(value=apart / shared, unit="share of the shared steps", level=None),
            n=shared,
            method=_METHOD,
            false_alarm_rate=_RATE,
            evidence=(
                EvidenceRef(source="metrics", first_step=first, last_step=last),
                EvidenceRef(source="log", first_step=first, last_step=last),
            ),
            remedies=(
                Remedy(
                    action="check that log and metrics are of one run: an earlier one may have "
                    "left its file in the folder"
                ),
            ),
            unknown=("which of the two is right",),
        )
    ]


def _behind(series: Series, log_step: int, behind: int) -> Finding:
    return Finding(
        code="METRICS_BEHIND_LOG",
        category="evidence",
        severity="info",
        message=f"the metrics end at step {series.steps[-1]}, the log shows step {log_step}: what "
        "is said of the loss leaves the newest steps out",
        estimate=Estimate(value=behind, unit="steps", level=None),
        n=len(series),
        method=_METHOD,
        evidence=(
            EvidenceRef(source="metrics", last_step=series.steps[-1]),
            EvidenceRef(source="log", last_step=log_step),
        ),
        unknown=("why the trainer stopped recording metrics",),
    )


def _steps_planned(evidence: RunEvidence, facts: dict[str, Any]) -> list[Finding]:
    """Compare the plan in the row's config with the total of the training bar."""
    planned = evidence.job.configured_steps
    shown = None if evidence.log is None else evidence.log.scan.total_steps
    facts |= {"configured_steps": planned, "bar_total_steps": shown}
    if planned is None or shown is None or planned == shown:
        return []
    return [
        Finding(
            code="CONFIG_CHANGED_SINCE_START",
            category="evidence",
            severity="info",
            message=f"the job's config plans {planned} steps, the run that wrote the log {shown}: "
            "the config was changed after the start, and the run goes by the old one",
            estimate=Estimate(value=planned - shown, unit="steps", level=None),
            n=1,
            method=_METHOD,
            evidence=(
                EvidenceRef(source="config", quote=f"train.steps: {planned}"),
                EvidenceRef(source="log", quote=f"total of the training bar: {shown}"),
            ),
            unknown=("which other settings were changed",),
        )
    ]
