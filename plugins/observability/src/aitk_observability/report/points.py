"""One look at a run as a point of the contract's time series, and which points to show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aitk_core.backend.records import GpuInfo
from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.level import mean_level
from aitk_core.statistics.speed import gaps_of
from aitk_observability.report import findings as told
from aitk_observability.report import sections

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from aitk_core.backend.records import GpuAnswer, JobRow
    from aitk_core.evidence.follow import Tick
    from aitk_core.evidence.records import RunEvidence
    from aitk_core.protocols import Outcomes
    from aitk_core.records.findings import Analysis
    from aitk_observability.arguments import WatchTrainingTimeseries

RECENT_LOSSES: Final = 200
"""Ours: twice what an interval of the mean needs (STATS.md section 4), so that the level is a
recent one."""
_RECENT_GAPS: Final = 20
"""The window of the slow-down method (STATS.md section 9)."""
_IDLE_GAPS: Final = 10
"""Ours: after that many median step times without a step, no speed is known."""
_PAUSE_FACTOR: Final = 2.0
"""A gap over twice the median is a pause, not a step (STATS.md section 10)."""
_MESSAGE_CHARS: Final = 200
_MOST_ALERTS: Final = 3
_DIGITS: Final = 4
"""Significant digits of losses and speeds; a recorded loss has four (backend/API.md 12.2)."""
_MIB_PER_GIB: Final = 1024.0
_EXTREMES_OF: Final = ("loss_last", "iter_per_sec", "gpu_memory_used_mb")


def point_of(
    tick: Tick,
    evidence: RunEvidence,
    outcomes: Outcomes,
    arguments: WatchTrainingTimeseries,
    *,
    elapsed_s: float,
    idle_s: float,
    alerted: Collection[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return the point of one look, in the contract's shape; what is not known is null.

    Args:
        tick: The look.
        evidence: About the run, as of then.
        outcomes: What the installed analyzers said of it.
        arguments: As asked.
        elapsed_s: Seconds since the first look.
        idle_s: Seconds since a look that found new losses, 0 where there was none before.
        alerted: Code and severity of the alerts of the point before, which are not told again.
    """
    job, analyses = tick.job, outcomes.analyses
    quality, errors = sections.facts(analyses, "loss"), _assessed(analyses, "errors")
    findings = told.ordered(f for a in analyses.values() for f in a.findings)
    alerts = told.alerts(findings)
    point: dict[str, Any] = {
        "timestamp": sections.moment(tick.at),
        "elapsed_seconds": round(elapsed_s, 1),
        "status": job.status or "unknown",
        "current_step": job.step,
        "total_steps": job.planned_steps,
        "progress_pct": job.progress_percent,
        "iter_per_sec": speed_of(evidence, idle_s=idle_s),
        "speed_status": sections.facts(analyses, "speed").get("status", "unknown"),
        **_loss(evidence),
        "quality_status": quality.get("status", "unknown"),
        "error_severity": errors.get("severity"),
        "error_mentions": errors.get("total_mentions"),
        "overall_health": told.overall_health(
            findings,
            evidence,
            assessed={name for name, analysis in analyses.items() if analysis.assessed},
            losses=quality.get("loss", {}).get("count", 0),
        ),
        "alert_count": len(alerts),
        "alert_max_severity": alerts[0]["severity"] if alerts else "none",
    }
    if arguments.include_system:
        point |= _system(tick)
    if arguments.include_alerts:
        fresh = [alert for alert in alerts if (alert["code"], alert["severity"]) not in alerted]
        point["alerts"] = [_alert(alert) for alert in fresh[:_MOST_ALERTS]]
    if arguments.include_nlp:
        point["nlp"] = {"caption_token_diversity": None, "style_flags": None}
    return point


def alerts_of(outcomes: Outcomes) -> set[tuple[str, str]]:
    """Return code and severity of each alert."""
    found = told.alerts(f for a in outcomes.analyses.values() for f in a.findings)
    return {(alert["code"], alert["severity"]) for alert in found}


def speed_of(evidence: RunEvidence, *, idle_s: float) -> float | None:
    """Return how fast the newest steps came: 1 over the median of the last 20 step times.

    Args:
        evidence: About the run.
        idle_s: Seconds without a new step as far as is known, 0 or more.

    Returns:
        Iterations a second; None where no step time is known, or where the run has come to no
        step for so long that its speed is not what it was.
    """
    times = step_times(evidence)[-_RECENT_GAPS:]
    if not len(times):
        return None
    median = float(np.median(times))
    if not median > 0 or idle_s > _IDLE_GAPS * median:
        return None
    return significant(1 / median)


def step_times(evidence: RunEvidence, *, after_step: int | None = None) -> NDArray[np.float64]:
    """Return (n,) seconds per step in time order, from the metrics or else the progress bar.

    Args:
        evidence: About the run.
        after_step: Only of later steps.
    """
    series = evidence.loss
    if series is not None and np.isfinite(np.asarray(series.wall_times)).any():
        gaps = gaps_of(series.wall_times, series.steps)
        times, steps = gaps.per_step_s, gaps.steps
    elif evidence.log is not None:
        readings = evidence.log.scan.readings
        rates = np.asarray(readings.rate_it_per_s, dtype=np.float64)
        good = np.isfinite(rates) & (rates > 0)
        times, steps = 1 / rates[good], np.asarray(readings.step, dtype=np.int64)[good]
    else:
        return np.empty(0)
    return times if after_step is None else times[steps > after_step]


def without_pauses(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the step times that are no pauses for sampling or saving."""
    return times[times <= _PAUSE_FACTOR * np.median(times)] if len(times) else times


def significant(value: float | None) -> float | None:
    """Return the value to four significant digits, or None where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")


def _loss(evidence: RunEvidence) -> dict[str, Any]:
    series = evidence.loss
    if series is None:
        return {"loss_last": None, "loss_mean": None, "loss_interval": None}
    # A loss of 0 stands for one that was not finite, so it is no value (backend/API.md 12.3).
    recent = clean(series.values, series.steps).tail(RECENT_LOSSES)
    level = mean_level(recent.values, recent.steps)
    ends = None if level.interval is None else [significant(end) for end in level.interval]
    return {
        "loss_last": significant(level.last),
        "loss_mean": significant(level.estimate),
        "loss_interval": ends,
    }


def _assessed(analyses: Mapping[str, Analysis], name: str) -> Mapping[str, Any]:
    analysis = analyses.get(name)
    return analysis.facts if analysis is not None and analysis.assessed else {}


def _system(tick: Tick) -> dict[str, Any]:
    gpu = _gpu_of(tick.job, tick.gpu)
    seen = sections.system_snapshot(None, tick.cpu, None)
    return {
        "gpu_utilization_pct": _whole(gpu.utilization_percent),
        "gpu_memory_used_mb": _whole(gpu.memory_used_mib),
        "gpu_memory_total_mb": _whole(gpu.memory_total_mib),
        "cpu_percent": seen["cpu_percent"],
        "ram_used_gb": seen["ram_used"],
        "ram_total_gb": seen["ram_total"],
    }


def _gpu_of(job: JobRow, answer: GpuAnswer | None) -> GpuInfo:
    """Return the job's first GPU, else the machine's only one, else one nothing is known of."""
    gpus = () if answer is None else answer.gpus
    mine = (job.gpu_ids or "").split(",")[0].strip()
    named = next((gpu for gpu in gpus if str(gpu.index) == mine), None)
    return named or (gpus[0] if len(gpus) == 1 else GpuInfo())


def _whole(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else round(value)


def _alert(alert: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("severity", "category", "code", "confidence")
    shown = {name: alert[name] for name in kept if name in alert}
    return {**shown, "message": sections.cut(alert["message"], _MESSAGE_CHARS)}


def chosen(points: Sequence[Mapping[str, Any]], at_most: int) -> list[int]:
    """Return which points to show, ascending.

    Those that tell most come first, then points with new alerts, then others evenly spread.

    Args:
        points: In time order.
        at_most: How many, 1 or more.
    """
    count = len(points)
    spread = [round(k * (count - 1) / max(at_most - 1, 1)) for k in range(at_most)]
    with_alerts = [index for index, point in enumerate(points) if point.get("alerts")]
    order = dict.fromkeys([*telling(points), *with_alerts, *spread, *range(count)])
    return sorted(list(order)[:at_most])


def telling(points: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the points that no thinning should lose, most telling first.

    The last and the first, the extremes of loss, speed and memory, then those whose status or
    health is not that of the point before, newest first.
    """
    found = [len(points) - 1, 0]
    for name in _EXTREMES_OF:
        known = [
            (point[name], index)
            for index, point in enumerate(points)
            if point.get(name) is not None
        ]
        if known:
            found += [max(known)[1], min(known)[1]]
    states = [(point["status"], point["overall_health"]) for point in points]
    changed = [index for index in range(1, len(states)) if states[index] != states[index - 1]]
    return list(dict.fromkeys([*found, *reversed(changed)]))
