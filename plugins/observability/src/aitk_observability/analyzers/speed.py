"""How fast the steps come, from the wall times of logged steps; the progress bar as fallback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aitk_core.records.findings import Analysis, Estimate, EvidenceRef, Finding, Remedy
from aitk_core.statistics.eta import time_left
from aitk_core.statistics.speed import find_pauses, gaps_of, median_of, slow_down, sustained_of
from aitk_observability.analyzers.summary import summarize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.statistics.results import PauseResult, SlowdownResult

_LEAST_PEERS = 3
"""Fewer finished runs do not show how far apart such runs lie; ours."""
_TREND_WORDS = {"slow": "slowing_down", "ok": "stable", "recovered": "stable"}


def analyze(evidence: RunEvidence) -> Analysis:
    """Judge the speed of the steps, pauses for sampling and saving told apart."""
    series = evidence.loss
    hits = {"it_per_sec": 0, "sec_per_it": 0, "ms_per_it": 0}
    times: NDArray[np.float64] = np.asarray(series.wall_times if series else (), dtype=np.float64)
    if series is not None and np.isfinite(times).any():
        steps = np.asarray(series.steps)
        gaps = gaps_of(times, steps)
        per_step, at, source = gaps.per_step_s, gaps.steps, "metrics"
        pauses = find_pauses(times, steps)
    else:
        per_step, at = step_times_of_log(evidence)
        source, pauses = "log", None
        hits["it_per_sec"] = len(per_step)
    if not len(per_step):
        return Analysis(
            assessed=False,
            reason="no step times: neither metrics nor progress bars show any",
            facts=_facts(np.empty(0), evidence, hits),
        )
    slow = slow_down(per_step, at)
    sustained = sustained_of(per_step)
    facts = _facts(1 / sustained, evidence, hits)
    facts |= {
        "trend": _TREND_WORDS.get(slow.verdict, "unknown"),
        "trend_delta_pct": _delta(slow),
        "status": "slow" if slow.verdict == "slow" else "healthy",
        "source": source,
        "seconds_per_step": summarize(sustained),
        "methods": {"slow_down": {"verdict": slow.verdict, "reason": slow.reason, "n": slow.n}},
    }
    if slow.verdict == "undetermined":
        # Too few steps to compare with: what was measured is told, what was not is not judged.
        facts["status"] = "unknown"
    past = _past_runs(evidence, median_of(sustained))
    facts |= {"past_runs": past} if past is not None else {}
    if slow.baseline_s and slow.recent_s:
        facts["relative_to_best"] = round(min(1.0, slow.baseline_s / slow.recent_s), 4)
    if pauses is not None:
        facts["pauses"] = _pauses(pauses)
    return Analysis(findings=tuple(_findings(slow)), facts=facts | _eta(evidence, times))


def step_times_of_log(evidence: RunEvidence) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return (n,) seconds per step and (n,) steps, from the rates that progress bars showed."""
    if evidence.log is None:
        return np.empty(0), np.empty(0, dtype=np.int64)
    readings = evidence.log.scan.readings
    rates = np.asarray(readings.rate_it_per_s, dtype=np.float64)
    good = np.isfinite(rates) & (rates > 0)
    return 1 / rates[good], np.asarray(readings.step, dtype=np.int64)[good]


def _facts(
    rates: NDArray[np.float64], evidence: RunEvidence, hits: dict[str, int]
) -> dict[str, Any]:
    return {
        "iter_per_sec": summarize(rates),
        "trend": "unknown",
        "trend_delta_pct": None,
        "status_speed_string": evidence.job.speed_string or None,
        "status": "unknown",
        "source_hits": hits,
    }


def _delta(slow: SlowdownResult) -> float | None:
    if slow.estimate is None or slow.estimate <= 0:
        return None
    return round(100 * (1 / slow.estimate - 1), 2)


def _past_runs(evidence: RunEvidence, own_s: float) -> dict[str, Any] | None:
    """Return how the run compares with finished ones of its kind; None where nobody asked."""
    if evidence.peers is None:
        return None
    paces = sorted(peer.seconds_per_step for peer in evidence.peers)
    if not paces:
        return {"n": 0, "reason": "no finished run of this model, resolution, batch and GPU"}
    return {
        "n": len(paces),
        "median_seconds_per_step": float(np.median(paces)),
        "slowest_seconds_per_step": paces[-1],
        "own_seconds_per_step": own_s,
        # Within what such runs have shown, nothing is said: other programs move it that far.
        "relative_to_slowest": round(min(1.0, paces[-1] / own_s), 4),
        "counts": len(paces) >= _LEAST_PEERS,
    }


def _pauses(pauses: PauseResult) -> dict[str, Any]:
    return {
        "count": len(pauses.pauses),
        "share_of_time": pauses.estimate,
        "breaks": sum(pause.is_break for pause in pauses.pauses),
        "longest_s": max((pause.duration_s for pause in pauses.pauses), default=None),
    }


def _eta(evidence: RunEvidence, times: NDArray[np.float64]) -> dict[str, Any]:
    # The run goes by the config it was started with, whichever one it is judged by.
    total = evidence.job.configured_steps
    if evidence.job.status != "running" or total is None or evidence.loss is None:
        return {}
    if not np.isfinite(times).any():
        return {}
    left = time_left(times, np.asarray(evidence.loss.steps), total_steps=total)
    return {
        "time_left": {
            "verdict": left.verdict,
            "seconds": left.estimate,
            "interval_s": None if left.interval is None else list(left.interval),
            "reason": left.reason,
            "method": left.method,
        }
    }


def _message(slow: SlowdownResult) -> str:
    if slow.verdict == "slow" and slow.estimate is not None:
        return f"steps take {slow.estimate:.2g} times as long as early on: {slow.reason}"
    return f"steps were slow from about step {slow.first_slow_step}, and recovered"


def _findings(slow: SlowdownResult) -> list[Finding]:
    if slow.verdict not in ("slow", "recovered"):
        return []
    first, last = slow.steps or (None, None)
    return [
        Finding(
            code="STEPS_SLOWED_DOWN",
            category="speed",
            severity="warning" if slow.verdict == "slow" else "info",
            message=_message(slow),
            estimate=Estimate(value=slow.estimate, unit="times the early step time", level=None),
            n=slow.n,
            method=slow.method,
            false_alarm_rate=slow.false_alarm_rate,
            evidence=(
                EvidenceRef(
                    source="metrics", first_step=slow.first_slow_step or first, last_step=last
                ),
            ),
            remedies=(
                Remedy(
                    action="check VRAM use and other programs on the GPU: memory that spills into "
                    "host RAM slows steps like this (PRACTICE M11)"
                ),
            ),
            unknown=("why: the backend keeps no history of GPU clocks, temperature or memory",),
        )
    ]
