"""What to do with NaN, missing and zero losses (STATS.md section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.results import NumericResult

Losses = Sequence[float | None] | np.ndarray
"""(n,) numbers in time order; None, NaN and infinities stand for missing ones."""
Steps = Sequence[int] | np.ndarray | None
"""(n,) training steps of the values; None counts from 1."""

_INFO: Final = METHODS["numeric_v1"]
_RUN_OF_BAD: Final = _INFO.count("critical_count")
_WITHIN_STEPS: Final = _INFO.count("critical_within_steps")
_RECENT: Final = _INFO.count("recent_values")
_RECENT_BAD: Final = _INFO.count("recent_critical_count")


@frozen(kw_only=True, eq=False)
class Cleaned:
    """The usable values of a series, and what was left out."""

    values: NDArray[np.float64]
    """(n,) float64, finite and above 0, ascending in step."""
    steps: NDArray[np.int64]
    """(n,) int64, the step of each usable value."""
    indices: NDArray[np.int64]
    """(n,) int64, position of each usable value in the input."""
    bad_steps: NDArray[np.int64]
    """(m,) int64, steps of the values left out."""
    nonfinite: int
    zero: int
    total: int
    """Usable and bad values together; of several values for one step the last counts."""
    recent_bad: int
    """Bad values among the last 200."""

    @property
    def n(self) -> int:
        """Return the number of usable values."""
        return len(self.values)

    def covered(self, start: int = 0) -> tuple[int, int] | None:
        """Return first and last step of the usable values from an index on."""
        if start >= self.n:
            return None
        return int(self.steps[start]), int(self.steps[-1])

    def tail(self, count: int) -> Cleaned:
        """Return the last usable values only, without what was left out."""
        start = max(0, self.n - count)
        return Cleaned(
            values=self.values[start:],
            steps=self.steps[start:],
            indices=self.indices[start:],
            bad_steps=np.empty(0, dtype=np.int64),
            nonfinite=0,
            zero=0,
            total=self.n - start,
            recent_bad=0,
        )


def as_floats(values: Losses) -> NDArray[np.float64]:
    """Return (n,) float64; None and integers beyond the range of floats become NaN.

    Raises:
        ValueError: The values are not one-dimensional.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except OverflowError:
        array = np.array([_as_float(value) for value in values], dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"values of shape {array.shape!r} must be one-dimensional")
    return array


def _as_float(value: float | None) -> float:
    try:
        return float("nan") if value is None else float(value)
    except OverflowError:
        return float("nan")


def as_steps(steps: Steps, count: int) -> NDArray[np.int64]:
    """Return (count,) int64; without steps 1, 2, 3 and so on.

    Raises:
        ValueError: There are more or fewer steps than values.
    """
    if steps is None:
        return np.arange(1, count + 1, dtype=np.int64)
    array = np.asarray(steps, dtype=np.int64)
    if array.shape != (count,):
        raise ValueError(f"steps of shape {array.shape!r} must be ({count},) like the values")
    return array


def latest_per_step(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return positions ascending in step, only the last of several with one step.

    A progress bar prints one step many times, and a resumed run repeats steps.
    """
    order = np.argsort(steps, kind="stable")
    ordered = steps[order]
    is_last = np.ones(len(order), dtype=bool)
    is_last[:-1] = ordered[1:] != ordered[:-1]
    kept: NDArray[np.int64] = order[is_last].astype(np.int64)
    return kept


def clean(loss: Losses, steps: Steps = None) -> Cleaned:
    """Keep finite losses above 0 with their steps; count the rest.

    Args:
        loss: (n,) numbers or None; empty is legal.
        steps: (n,) training steps; of several values for one step the last counts.

    Raises:
        ValueError: The arrays have the wrong shape.
    """
    values = as_floats(loss)
    numbers = as_steps(steps, len(values))
    kept = latest_per_step(numbers)
    values, numbers = values[kept], numbers[kept]
    is_finite = np.isfinite(values)
    is_zero = is_finite & (np.where(is_finite, values, 1.0) <= 0)
    good = is_finite & ~is_zero
    return Cleaned(
        values=values[good],
        steps=numbers[good],
        indices=kept[good],
        bad_steps=numbers[~good],
        nonfinite=int((~is_finite).sum()),
        zero=int(is_zero.sum()),
        total=len(values),
        recent_bad=int((~good[-_RECENT:]).sum()),
    )


def numeric_health(loss: Losses, steps: Steps = None) -> NumericResult:
    """Say whether the loss stopped being a number.

    One bad value is a warning. Three within 20 steps, or four among the last 200 values,
    are critical and justify a stop.
    """
    cleaned = clean(loss, steps)
    bad = cleaned.bad_steps
    everything = np.concatenate([cleaned.steps, bad])
    span = (int(everything.min()), int(everything.max())) if cleaned.total else None
    stamped = stamp(_INFO)
    if not cleaned.total:
        return NumericResult(
            verdict="undetermined",
            reason="no loss value was logged",
            n=0,
            nonfinite=0,
            zero=0,
            needed_n=_INFO.minimum_n,
            **stamped,
        )
    crowded = len(bad) >= _RUN_OF_BAD and bool(
        (bad[_RUN_OF_BAD - 1 :] - bad[: len(bad) - _RUN_OF_BAD + 1] < _WITHIN_STEPS).any()
    )
    is_critical = crowded or cleaned.recent_bad >= _RECENT_BAD
    verdict: Literal["ok", "warning", "critical"] = "ok"
    if len(bad):
        verdict = "critical" if is_critical else "warning"
    reason = (
        f"{len(bad)} of {cleaned.total} losses are zero, missing or not finite"
        if len(bad)
        else f"all {cleaned.total} losses are finite and above zero"
    )
    return NumericResult(
        verdict=verdict,
        severity="none" if verdict == "ok" else verdict,
        reason=reason,
        estimate=len(bad) / cleaned.total,
        n=cleaned.total,
        nonfinite=cleaned.nonfinite,
        zero=cleaned.zero,
        first_bad_step=int(bad[0]) if len(bad) else None,
        last_bad_step=int(bad[-1]) if len(bad) else None,
        recent_bad=cleaned.recent_bad,
        stop_justified=is_critical,
        steps=span,
        **stamped,
    )
