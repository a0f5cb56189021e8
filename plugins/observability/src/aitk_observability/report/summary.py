"""A few lines for people; the second text item of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def summarize(report: Mapping[str, Any]) -> str:
    """Return the report in a few lines."""
    run, status = report["run_report"], report["status_snapshot"]
    alive = status["liveness"]
    lines = [
        (
            f"{run['job_name'] or report['job_id']}: {report['overall_health'].upper()}. "
            f"{run['summary']}"
        ),
        f"Status {status['status']}, step {status['current_step']} of {status['total_steps']}"
        + (f"; {alive['verdict']}: {alive['reason']}" if alive.get("verdict") else ""),
    ]
    lines.append(_loss(report["quality_analysis"]))
    lines.append(_speed(report["speed_analysis"]))
    if "samples" in run["not_assessed"]:
        lines.append(f"Samples: {run['not_assessed']['samples']}.")
    lines += [f"- {f['severity']} {f['code']}: {f['message']}" for f in run["findings"][:5]]
    step = report["next_experiment"]
    if step.get("recommendation_type"):
        lines.append(f"Next: {step['parameter']} -> {step['proposed']}. {step['rationale']}")
    if run["notes"]:
        lines.append("Notes: " + "; ".join(run["notes"]))
    return "\n".join(line for line in lines if line)


def _loss(quality: Mapping[str, Any]) -> str:
    summary = quality.get("loss") or {}
    if not summary.get("count"):
        return f"Loss: not assessed ({quality.get('reason', 'none recorded')})."
    level = quality.get("methods", {}).get("level", {})
    interval = level.get("interval")
    text = f"Loss: {summary['count']} points, mean {summary['mean']:.4g}"
    if interval:
        text += f" [{interval[0]:.4g}, {interval[1]:.4g}]"
    trend = quality.get("methods", {}).get("trend", {})
    return text + (f"; trend {trend['verdict']} ({trend['reason']})." if trend else ".")


def _speed(speed: Mapping[str, Any]) -> str:
    rates = speed.get("iter_per_sec") or {}
    if not rates.get("count"):
        return f"Speed: not assessed ({speed.get('reason', 'none recorded')})."
    text = f"Speed: median {rates['median']:.3g} it/s, {speed['trend']}"
    left = speed.get("time_left", {})
    if left.get("seconds") is not None:
        low, high = left["interval_s"] or (None, None)
        text += f"; about {_duration(left['seconds'])} left"
        if low is not None and high is not None:
            text += f" ({_duration(low)} to {_duration(high)})"
    return text + "."


def _duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
