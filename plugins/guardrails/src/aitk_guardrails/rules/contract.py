"""The contract's four stop reasons (SCORING.md section 7): pure, on numbers measured elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_guardrails.rules.settings import Guardrails

NAN: Final = "TRAINING_NAN_LOSS"
OOM: Final = "TRAINING_REPEATED_OOM"
STALL: Final = "TRAINING_STALLED_PROGRESS"
SPEED: Final = "TRAINING_THROUGHPUT_COLLAPSE"

_NONFINITE: Final = ("loss_nan_detected", "loss_inf_detected")


def nonfinite(flags: Iterable[str]) -> dict[str, Any] | None:
    """Return the evidence that the loss was not finite, None without it."""
    found = [flag for flag in flags if flag in _NONFINITE]
    return {"flags": found} if found else None


def repeated_oom(count: int, guardrails: Guardrails) -> dict[str, Any] | None:
    """Return the evidence that memory ran out too often."""
    if count < guardrails.oom_threshold:
        return None
    return {"oom_count": count, "oom_threshold": guardrails.oom_threshold}


def stalled(
    current_step: int, last_step: int, idle_s: float, guardrails: Guardrails
) -> dict[str, Any] | None:
    """Return the evidence that too few steps came in too long a time.

    Args:
        current_step: Of the run now.
        last_step: When it last made progress.
        idle_s: Seconds since then, in which it should have.
        guardrails: Window and steps.
    """
    required = last_step + max(1, guardrails.min_step_delta)
    if idle_s < guardrails.stall_window_seconds or current_step >= required:
        return None
    return {
        "seconds_since_progress": idle_s,
        "stall_window_seconds": float(guardrails.stall_window_seconds),
        "current_step": current_step,
        "required_step": required,
    }


def low_speed(iter_per_sec: float | None, before: int, guardrails: Guardrails) -> int:
    """Return on how many readings in a row it was too slow; none without a value."""
    if iter_per_sec is None or iter_per_sec > guardrails.throughput_floor_iter_per_sec:
        return 0
    return before + 1


def collapsed(
    iter_per_sec: float | None, in_a_row: int, guardrails: Guardrails
) -> dict[str, Any] | None:
    """Return the evidence that it was too slow on too many readings."""
    if in_a_row < guardrails.low_speed_consecutive_polls or iter_per_sec is None:
        return None
    return {
        "latest_iter_per_sec": iter_per_sec,
        "throughput_floor_iter_per_sec": guardrails.throughput_floor_iter_per_sec,
        "consecutive_low_speed_polls": in_a_row,
    }
