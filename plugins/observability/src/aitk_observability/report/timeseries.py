"""The answer of watch-training-timeseries, in the contract's shape."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from attrs import frozen

from aitk_core.evidence.records import LEARNING_RATE, RunEvidence
from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.compare import compare
from aitk_observability.report import sections
from aitk_observability.report.dataset import Inspected
from aitk_observability.report.dataset import sections as dataset_sections
from aitk_observability.report.points import (
    chosen,
    significant,
    step_times,
    telling,
    without_pauses,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aitk_core.evidence.records import Series
    from aitk_observability.arguments import WatchTrainingTimeseries

MOST_POINTS: Final = 12
"""Ours: more of them do not fit the size."""
LARGEST_CHARS: Final = 7000
"""Ours: of the JSON document without excerpts; with the summary about 2,000 tokens at four
characters each. Fewer points are shown where it would be exceeded."""
_NOT_LOOKED_AT: Final = Inspected(
    reason="a watch does not look at the dataset: get-training-observability does"
)
_INFO_CHARS: Final = 300
_NOTE_CHARS: Final = 160
_MOST_NOTES: Final = 5
_EXCERPT_CHARS: Final = 40_000
"""About 10,000 tokens, of all excerpts together."""
_ENOUGH: Final = 100
"""What `compare` needs of each side (STATS.md section 6)."""

ENDINGS: Final[Mapping[str, str]] = {
    "window_complete": "call again to go on watching",
    "terminal_status": (
        "the job does not run now; get-training-observability judges the whole of what it did"
    ),
    "call_limit": (
        "the call's time limit is shorter than the window asked for; call again to go on, the "
        "backend keeps the series"
    ),
    "job_gone": "the backend no longer has the job; list-training-jobs shows those it has",
}
"""Why a watch ended, and what to do next."""


@frozen(kw_only=True)
class Watched:
    """What a watch collected."""

    points: Sequence[dict[str, Any]]
    """All of them, in time order; at least one."""
    excerpts: Sequence[str]
    """The log lines of each point; empty where they were not asked for."""
    first: RunEvidence
    """As of the first look."""
    last: RunEvidence
    ended: str
    """A key of `ENDINGS`."""
    elapsed_s: float
    went_back: bool
    """The run returned to an earlier step while it was watched."""
    notes: Sequence[str]
    not_assessed: Mapping[str, str]
    """At the last point: analyzers that could not judge, and why."""
    failed_polls: int


def build(
    arguments: WatchTrainingTimeseries, watched: Watched, *, config_context: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the answer as JSON-ready data, with as many points as fit its size.

    Args:
        arguments: As asked.
        watched: What was collected.
        config_context: Which config counts.
    """
    last = watched.last
    dataset, nlp, resolution = dataset_sections(
        last,
        _NOT_LOOKED_AT,
        arguments.dataset_path,
        include_dataset=arguments.include_dataset,
        include_nlp=arguments.include_nlp,
    )
    if arguments.include_nlp:
        nlp |= {"style_flag_counts": None, "caption_token_diversity_mean": None}
    document: dict[str, Any] = {
        "job_id": last.job.id,
        "generated_at": sections.moment(last.collected_at),
        "window": _window(arguments, watched),
        "config_context": dict(config_context),
        "dataset_context": {**resolution, "dataset_analysis": dataset},
        "summary": summary_of(watched),
        "nlp_summary": nlp,
        "points": [],
        "final_status": _final_status(watched),
        "notes": _bounded(watched.notes),
        "missing": {what: _short(why) for what, why in last.missing.items()},
        "not_assessed": {name: _short(why) for name, why in watched.not_assessed.items()},
    }
    kept = _fit(document, watched.points)
    if arguments.include_raw_log_excerpt:
        room = _EXCERPT_CHARS // len(kept)
        for index, point in zip(kept, document["points"], strict=True):
            point["raw_log_excerpt"] = watched.excerpts[index][-room:]
    return document


def _fit(document: dict[str, Any], points: Sequence[dict[str, Any]]) -> list[int]:
    """Put as many points into the document as its size allows, at least one; return which."""
    count = min(MOST_POINTS, len(points))
    while True:
        kept = chosen(points, count)
        document["points"] = [dict(points[index]) for index in kept]
        document["window"] |= {"points_shown": len(kept), "thinned": _thinned(points, kept)}
        if count == 1 or _size(document) <= LARGEST_CHARS:
            return kept
        count -= 1


def _size(document: Mapping[str, Any]) -> int:
    return len(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def _thinned(points: Sequence[Mapping[str, Any]], kept: Sequence[int]) -> str | None:
    """Say what is not shown."""
    left_out = len(points) - len(kept)
    if not left_out:
        return None
    lost = len(set(telling(points)) - set(kept))
    told = (
        f"{lost} of these are extremes or changes of status or health"
        if lost
        else (
            "every extreme of loss, speed and memory and every change of status or health is shown"
        )
    )
    return f"{left_out} of {len(points)} points are left out; {told}"


def _window(arguments: WatchTrainingTimeseries, watched: Watched) -> dict[str, Any]:
    return {
        "duration_seconds_requested": arguments.duration_seconds,
        "poll_interval_seconds": arguments.poll_interval_seconds,
        "points_collected": len(watched.points),
        "elapsed_seconds_actual": round(watched.elapsed_s, 1),
        "ended": watched.ended,
        "next": ENDINGS[watched.ended],
        "failed_polls": watched.failed_polls,
        "loss_steps_judged": _covered(watched.last.loss),
    }


def _covered(series: Series | None) -> list[int] | None:
    return None if series is None else [int(series.steps[0]), int(series.steps[-1])]


def _final_status(watched: Watched) -> dict[str, Any]:
    job = watched.last.job
    snapshot = sections.status_snapshot(job) | {
        "info": sections.cut(job.info or "", _INFO_CHARS),
        "as_of": sections.moment(watched.last.collected_at),
    }
    if watched.ended == "job_gone":
        why = "the job is gone; the rest is what was seen of it last"
        snapshot |= {"found": False, "status": "unknown", "info": why}
    return snapshot


def _short(text: str) -> str:
    return sections.cut(text, _NOTE_CHARS)


def _bounded(notes: Sequence[str]) -> list[str]:
    said = [_short(note) for note in dict.fromkeys(notes)]
    more = len(said) - _MOST_NOTES
    return said if more <= 0 else [*said[:_MOST_NOTES], f"{more} more"]


def summary_of(watched: Watched) -> dict[str, Any]:
    """Return the contract's summary (SCORING.md section 11), of all points, shown or not.

    In place of a change from the first value to the last, `trend_pct` and `delta_pct` compare
    means (STATS.md section 6), and are null with the reason beside them where nothing can be
    said.
    """
    points = watched.points
    severities = Counter(point["alert_max_severity"] for point in points)
    return {
        "point_count": len(points),
        "step": _steps(_known(points, "current_step")),
        "iter_per_sec": _speed(watched),
        "loss": _loss(watched),
        "learning_rate": _learning_rate(watched.last),
        "gpu": {
            "util_mean_pct": _mean(_known(points, "gpu_utilization_pct"), 1),
            "memory_peak_mb": max(_known(points, "gpu_memory_used_mb"), default=None),
        },
        "status_counts": dict(Counter(point["status"].lower() for point in points)),
        "health_counts": dict(Counter(point["overall_health"].lower() for point in points)),
        "alerts": {
            "total_alerts": sum(point["alert_count"] for point in points),
            "critical_points": severities["critical"],
            "warning_points": severities["warning"],
        },
    }


def _known(points: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [value for point in points if (value := point.get(name)) is not None]


def _mean(values: Sequence[float], places: int) -> float | None:
    return round(math.fsum(values) / len(values), places) if values else None


def _steps(steps: Sequence[int]) -> dict[str, int | None]:
    if not steps:
        return {"start": None, "end": None, "delta": None}
    return {"start": steps[0], "end": steps[-1], "delta": steps[-1] - steps[0]}


def _learning_rate(evidence: RunEvidence) -> float | None:
    series = evidence.series.get(LEARNING_RATE)
    return None if series is None else significant(series.values[-1])


def _speed(watched: Watched) -> dict[str, Any]:
    rates = _known(watched.points, "iter_per_sec")
    before = without_pauses(step_times(watched.first))
    during = without_pauses(step_times(watched.last, after_step=_newest_step(watched.first)))
    change, reason, _ = _change(before, during, "step times", went_back=watched.went_back)
    return {
        "mean": significant(_mean(rates, 9)),
        "max": max(rates, default=None),
        # A step that takes twice the time is half the speed.
        "trend_pct": None if change is None else _percent(-change),
        "trend_reason": reason,
    }


def _loss(watched: Watched) -> dict[str, Any]:
    means = _known(watched.points, "loss_mean")
    before, during = _losses(watched.first), _losses(watched.last, _newest_step(watched.first))
    change, reason, ends = _change(before, during, "losses", went_back=watched.went_back)
    start, end = ends or (means[0] if means else None, means[-1] if means else None)
    return {
        "start": start,
        "end": end,
        "delta_pct": None if change is None else _percent(change),
        "delta_reason": reason,
    }


def _newest_step(evidence: RunEvidence) -> int:
    return int(evidence.loss.steps[-1]) if evidence.loss is not None else -1


def _losses(evidence: RunEvidence, after_step: int = -1) -> NDArray[np.float64]:
    series = evidence.loss
    if series is None:
        return np.empty(0)
    usable = clean(series.values, series.steps)
    return usable.values[usable.steps > after_step]


def _change(
    before: NDArray[np.float64], during: NDArray[np.float64], what: str, *, went_back: bool
) -> tuple[float | None, str, tuple[float | None, float | None] | None]:
    """Compare what was there before the watch with what came while it lasted.

    Where there is too little of the former, the first half of the latter stands in for it.

    Returns:
        ln(mean during / mean before), or None where they cannot be told apart; the reason in
        words; and the two means where there is a change.
    """
    if went_back:
        return None, "the run went back to an earlier step while it was watched", None
    came, sides = len(during), "before and while watching"
    if len(before) < _ENOUGH:
        before, during = during[: came // 2], during[came // 2 :]
        sides = "in the halves of the watch"
    if not came:
        return None, f"no {what} came while watching", None
    if min(len(before), len(during)) < _ENOUGH:
        return None, f"{came} {what} came while watching, {_ENOUGH} are needed on each side", None
    result = compare(during, before)
    if result.estimate is None or result.interval is None or result.verdict == "undetermined":
        return None, f"{result.n} {what} each {sides} show no change beyond noise", None
    low, high = (_percent(end) for end in result.interval)
    said = (
        f"means of {result.n} {what} each {sides}, 95 % interval of their change {low:g} to "
        f"{high:g} % ({result.method})"
    )
    return result.estimate, said, (significant(result.mean_b), significant(result.mean_a))


def _percent(log_ratio: float) -> float:
    # 50 is more than any loss or speed changes by, and far from overflow.
    return round(100 * math.expm1(min(log_ratio, 50.0)), 2)


def summarize(document: Mapping[str, Any]) -> str:
    """Return the answer in a few lines for people."""
    window, final, last = document["window"], document["final_status"], document["points"][-1]
    loss, speed = document["summary"]["loss"], document["summary"]["iter_per_sec"]
    state = final["status"] if final["found"] else "gone"
    lines = [
        f"Watched {window['elapsed_seconds_actual']:g} s, {window['points_collected']} looks.",
        f"Now {state}; at the last look: {state_line(last)}.",
        f"Loss: {_changed(loss['delta_pct'], loss['delta_reason'])}.",
        f"Speed: {_changed(speed['trend_pct'], speed['trend_reason'])}.",
    ]
    alerts = [alert for point in document["points"] for alert in point.get("alerts", ())]
    lines += [f"- {alert['severity']} {alert['code']}: {alert['message']}" for alert in alerts[-2:]]
    lines.append(f"Ended: {window['ended']}; {window['next']}.")
    return "\n".join(lines)


def _changed(percent: float | None, reason: str) -> str:
    return reason if percent is None else f"{percent:+g} %, {reason}"


def state_line(point: Mapping[str, Any]) -> str:
    """Return a point in one line: `step 812 of 2000, loss 0.41, 1.9 it/s, healthy`."""
    step, total = point["current_step"], point["total_steps"]
    parts = [] if point["status"] == "running" else [point["status"]]
    if step is not None:
        parts.append(f"step {step}" + (f" of {total}" if total else ""))
    if point["loss_mean"] is not None:
        parts.append(f"loss {point['loss_mean']:.3g}")
    if point["iter_per_sec"] is not None:
        parts.append(f"{point['iter_per_sec']:.3g} it/s")
    return ", ".join([*parts, point["overall_health"].replace("_", " ")])
