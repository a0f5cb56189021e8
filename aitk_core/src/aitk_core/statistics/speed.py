"""Seconds per step: slow-down, stall limits, pauses (STATS.md section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from attrs import frozen
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from aitk_core.statistics.cleaning import as_floats, as_steps, clean, latest_per_step
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import finite, scaled
from aitk_core.statistics.results import (
    Pause,
    PauseResult,
    SlowdownResult,
    StallResult,
)

if TYPE_CHECKING:
    from aitk_core.statistics.cleaning import Losses, Steps
    from aitk_core.statistics.results import (
        Severity,
    )

Phase = Literal["training", "sampling", "saving", "loading", "caching", "other"]

_SLOW: Final = METHODS["slowdown_median_v1"]
_WARM: Final = _SLOW.count("warm_up_gaps")
_BASELINE: Final = _SLOW.count("baseline_gaps")
_WINDOW: Final = _SLOW.count("window_gaps")
_FACTOR: Final = _SLOW.number("factor")

_SLOW_SEVERITY: Final[dict[str, Severity]] = {"slow": "warning", "recovered": "info", "ok": "none"}

_STALL: Final = METHODS["stall_v1"]
_PAUSES: Final = METHODS["pauses_v1"]
_LONG: Final = _PAUSES.number("pause_factor")

_PHASES: Final[tuple[tuple[str, Phase], ...]] = (
    ("training", "training"),
    ("generating", "sampling"),
    ("sampling", "sampling"),
    ("saving", "saving"),
    ("caching", "caching"),
    ("loading", "loading"),
    ("starting", "loading"),
)
"""How the info field of a running job begins (backend RUNBOOK.md section 3, API.md 11.3)."""


@frozen(kw_only=True, eq=False)
class Gaps:
    """Time between logged steps."""

    steps: NDArray[np.int64]
    """(n,) int64, the step that ends each gap."""
    span: NDArray[np.int64]
    """(n,) int64, steps in each gap: above 1 where steps were lost or not logged."""
    duration_s: NDArray[np.float64]
    """(n,) float64, above 0."""

    @property
    def per_step_s(self) -> NDArray[np.float64]:
        """Return (n,) float64, seconds per step of each gap."""
        seconds: NDArray[np.float64] = self.duration_s / self.span
        return seconds


def gaps_of(wall_time_s: Losses, steps: Steps = None) -> Gaps:
    """Return the gaps between logged wall times.

    Times that are missing, and gaps that run backward or last no time because the clock was
    set, are left out.

    Args:
        wall_time_s: (n,) seconds or None.
        steps: (n,) training steps.
    """
    times = as_floats(wall_time_s)
    numbers = as_steps(steps, len(times))
    kept = latest_per_step(numbers)
    kept = kept[np.isfinite(times[kept])]
    times, numbers = times[kept], numbers[kept]
    with np.errstate(over="ignore"):  # times 1e308 apart give an infinite gap, left out below
        duration = np.diff(times)
    good = np.isfinite(duration) & (duration > 0)
    return Gaps(steps=numbers[1:][good], span=np.diff(numbers)[good], duration_s=duration[good])


def sustained_of(per_step_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the step times that are no pause: at most twice the median (STATS.md section 10).

    Args:
        per_step_s: (n,) float64, n at least 1, as `Gaps.per_step_s`.
    """
    sustained: NDArray[np.float64] = per_step_s[per_step_s <= _LONG * median_of(per_step_s)]
    return sustained


def slow_down(seconds_per_step: Losses, steps: Steps = None) -> SlowdownResult:
    """Say whether steps take more than twice as long as they did early in the run.

    Median of the last 20 over the median of steps 21 to 120.

    Args:
        seconds_per_step: (n,) seconds, as `Gaps.per_step_s` or from the progress bar.
        steps: (n,) training steps.
    """
    cleaned = clean(seconds_per_step, steps)
    if cleaned.n < _SLOW.minimum_n:
        return SlowdownResult(
            verdict="undetermined",
            reason=f"{cleaned.n} step times, {_SLOW.minimum_n} are needed",
            n=cleaned.n,
            needed_n=_SLOW.minimum_n,
            steps=cleaned.covered(),
            **stamp(_SLOW),
        )
    shares, scale = scaled(cleaned.values)
    baseline = float(np.median(shares[_WARM : _WARM + _BASELINE]))
    medians = np.median(sliding_window_view(shares[_WARM + _BASELINE :], _WINDOW), axis=1)
    is_slow = medians > _FACTOR * baseline
    first = int(is_slow.argmax()) + _WARM + _BASELINE + _WINDOW - 1
    verdict: Literal["slow", "recovered", "ok"] = "ok"
    if is_slow.any():
        verdict = "slow" if is_slow[-1] else "recovered"
    recent = float(medians[-1])
    baseline_s, recent_s = baseline * scale, recent * scale
    return SlowdownResult(
        verdict=verdict,
        severity=_SLOW_SEVERITY[verdict],
        reason=f"median {recent_s:.3g} s in the last {_WINDOW} steps, {baseline_s:.3g} s early on",
        estimate=finite(recent / baseline) if baseline > 0 else None,
        n=cleaned.n,
        baseline_s=baseline_s,
        recent_s=recent_s,
        first_slow_step=int(cleaned.steps[first]) if is_slow.any() else None,
        steps=cleaned.covered(),
        **stamp(_SLOW),
    )


def phase_of(info: str) -> Phase:
    """Return what a running job is doing, from the backend's `info` field."""
    text = info.strip().lower()
    return next((phase for start, phase in _PHASES if text.startswith(start)), "other")


def stall_limit_s(phase: Phase, *, median_s: float | None = None) -> float:
    """Return the silence in seconds that a healthy run can show in this phase.

    Args:
        phase: From `phase_of`.
        median_s: Median seconds per step of this run, where known.
    """
    if phase == "training":
        if median_s is None:
            return _STALL.number("training_unknown_speed_s")
        return max(_STALL.number("training_s"), _STALL.number("training_steps") * median_s)
    return _STALL.number(f"{phase}_s")


def stall(
    silence_s: float | None,
    *,
    phase: Phase = "training",
    median_s: float | None = None,
    is_running: bool = True,
    is_alive: bool | None = None,
) -> StallResult:
    """Say whether a run stands still.

    Args:
        silence_s: Seconds since the last sign of progress: a step, or growth of the log.
            `updated_at` of the job row is none (backend RUNBOOK.md section 3).
        phase: From `phase_of`.
        median_s: Median seconds per step of this run, where known.
        is_running: Whether the backend calls the job running; a queued one has no clock.
        is_alive: Whether the process exists; None where unknown. Gone is dead, not stalled.
    """
    limit = stall_limit_s(phase, median_s=median_s)
    silence = None if silence_s is None else finite(silence_s)
    is_late = silence is not None and silence > limit
    if not is_running:
        answer: tuple[
            Literal["not_training", "dead", "undetermined", "stalled", "progressing"], str
        ]
        answer = "not_training", "the job is not running, so no clock runs"
    elif is_alive is False:
        answer = "dead", "the process is gone"
    elif silence is None:
        answer = "undetermined", "the time of the last progress is not known"
    elif is_late:
        answer = "stalled", f"no progress for {silence:.0f} s, {limit:.0f} s are allowed in {phase}"
    else:
        answer = "progressing", f"the last progress is {silence:.0f} s ago"
    verdict, reason = answer
    return StallResult(
        verdict=verdict,
        severity="critical" if verdict in {"stalled", "dead"} else "none",
        reason=reason,
        estimate=silence,
        n=0 if silence is None else 1,
        limit_s=limit if is_running else None,
        phase=phase,
        **stamp(_STALL, median_s=median_s),
    )


def find_pauses(wall_time_s: Losses, steps: Steps = None) -> PauseResult:
    """List the pauses of a run and cut it at breaks.

    A pause is a gap above twice the median; a break is a pause above the stall limit, as
    between a stop and a resume.
    """
    gaps = gaps_of(wall_time_s, steps)
    count = len(gaps.steps)
    stamped = stamp(_PAUSES)
    if count < _PAUSES.minimum_n:
        return PauseResult(
            verdict="undetermined",
            reason=f"{count} gaps between steps, {_PAUSES.minimum_n} are needed",
            n=count,
            needed_n=_PAUSES.minimum_n,
            **stamped,
        )
    middle = median_of(gaps.per_step_s)
    limit = stall_limit_s("training", median_s=middle)
    pauses = tuple(
        Pause(
            after_step=int(gaps.steps[index] - gaps.span[index]),
            duration_s=float(gaps.duration_s[index]),
            excess_s=float(gaps.duration_s[index] - middle * gaps.span[index]),
            is_break=bool(gaps.duration_s[index] > limit),
        )
        for index in np.flatnonzero(gaps.per_step_s / _LONG > middle)
    )
    first, last = int(gaps.steps[0] - gaps.span[0]), int(gaps.steps[-1])
    breaks = [pause.after_step for pause in pauses if pause.is_break]
    after = [int(step) for step in gaps.steps[gaps.duration_s > limit]]
    shares, scale = scaled(gaps.duration_s)
    lost = sum(pause.excess_s / scale for pause in pauses)
    return PauseResult(
        verdict="segmented",
        reason=f"{len(pauses)} pauses, {len(breaks)} of them breaks",
        estimate=lost / float(shares.sum()),
        n=count,
        median_s=middle,
        pause_s_per_step=finite(lost * scale / float(gaps.span.sum())),
        pauses=pauses,
        segments=tuple(zip([first, *after], [*breaks, last], strict=True)),
        steps=(first, last),
        **stamped,
    )


def median_of(seconds: NDArray[np.float64]) -> float:
    """Return the median of (n,) positive values, n at least 1, without overflow."""
    shares, scale = scaled(seconds)
    return float(np.median(shares)) * scale
