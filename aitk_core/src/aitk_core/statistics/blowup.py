"""Single steps that blow up (STATS.md section 2)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import finite
from aitk_core.statistics.results import BlowupResult, Flag, OddnessResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aitk_core.statistics.cleaning import Cleaned, Losses, Steps

_MAXIMUM: Final = METHODS["blowup_running_max_v1"]
_FIRST: Final = _MAXIMUM.count("first_index")
_FACTOR: Final = _MAXIMUM.number("factor")
_NEAR: Final = _MAXIMUM.count("repeat_within_steps")

_ROBUST: Final = METHODS["oddness_robust_z_v1"]
_WINDOW: Final = _ROBUST.count("window")
_THRESHOLD: Final = _ROBUST.number("threshold")
_SCALE: Final = _ROBUST.number("scale")
_FLOOR: Final = _ROBUST.number("floor")


def _flags(cleaned: Cleaned) -> tuple[Flag, ...]:
    values = cleaned.values
    before = np.maximum.accumulate(values)[:-1]
    # Divided rather than multiplied: twice the largest float is not finite.
    hits = np.flatnonzero(values[1:] / _FACTOR > before) + 1
    return tuple(
        Flag(
            step=int(cleaned.steps[index]),
            index=int(index),
            value=float(values[index]),
            ratio=finite(float(values[index]) / float(before[index - 1])),
        )
        for index in hits[hits >= _FIRST]
    )


def one_step_blowup(loss: Losses, steps: Steps = None) -> BlowupResult:
    """Flag losses above twice the largest one before them.

    One isolated flag is information, two within 20 steps are a warning. A flag never
    justifies a stop by itself.
    """
    cleaned = clean(loss, steps)
    if cleaned.n <= _FIRST:
        return BlowupResult(
            verdict="undetermined",
            reason=f"{cleaned.n} usable losses, the rule judges from the {_FIRST + 1}th on",
            n=cleaned.n,
            needed_n=_MAXIMUM.minimum_n,
            steps=cleaned.covered(),
            **stamp(_MAXIMUM),
        )
    flags = _flags(cleaned)
    is_repeated = any(
        later.step - earlier.step < _NEAR for earlier, later in itertools.pairwise(flags)
    )
    ratios = [flag.ratio for flag in flags if flag.ratio is not None]
    return BlowupResult(
        verdict="repeated" if is_repeated else "isolated" if flags else "none",
        severity="warning" if is_repeated else "info" if flags else "none",
        reason=(
            f"{len(flags)} losses above {_FACTOR:g} times the largest before"
            if flags
            else f"no loss above {_FACTOR:g} times the largest before"
        ),
        estimate=max(ratios, default=None),
        n=cleaned.n,
        flags=flags,
        steps=cleaned.covered(),
        **stamp(_MAXIMUM),
    )


def robust_z_log(values: NDArray[np.float64], *, window: int = _WINDOW) -> NDArray[np.float64]:
    """Return robust z-scores of ln loss against the values before each.

    z_i = 0.6745 (ln x_i - median) / MAD over the window before i, MAD about its own median
    (STATS.md section 2).

    Args:
        values: (n,) float64, above 0.
        window: Values before i that it is held against.

    Returns:
        (n,) float64; NaN for the first `window` values.
    """
    scores = np.full(len(values), np.nan)
    if len(values) <= window:
        return scores
    logs = np.log(values)
    past = sliding_window_view(logs[:-1], window)
    middle = np.median(past, axis=1)
    spread = np.median(np.abs(past - middle[:, None]), axis=1)
    scores[window:] = _SCALE * (logs[window:] - middle) / np.maximum(spread, _FLOOR)
    return scores


def describe_oddness(loss: Losses, steps: Steps = None) -> OddnessResult:
    """Say how odd the latest loss is; a description, never an alarm."""
    cleaned = clean(loss, steps)
    if cleaned.n <= _WINDOW:
        return OddnessResult(
            verdict="undetermined",
            reason=f"{cleaned.n} usable losses, the window takes {_WINDOW} before the value",
            n=cleaned.n,
            needed_n=_ROBUST.minimum_n,
            steps=cleaned.covered(),
            **stamp(_ROBUST),
        )
    scores = robust_z_log(cleaned.values)
    # Everything before the window is NaN, which no comparison passes.
    odd = cleaned.steps[scores > _THRESHOLD]
    latest = float(scores[-1])
    return OddnessResult(
        verdict="odd" if latest > _THRESHOLD else "usual",
        reason=f"robust z {latest:.2f} of the latest loss against the {_WINDOW} before it",
        estimate=latest,
        n=cleaned.n,
        odd_steps=tuple(int(step) for step in odd),
        steps=cleaned.covered(),
        **stamp(_ROBUST),
    )
