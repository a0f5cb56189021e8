"""Losses far above what a model that predicts nothing would have.

The anchor is that of STATS.md section 12: for noise prediction the target is unit Gaussian
noise, so predicting nothing costs 1 at every timestep; for flow matching it costs the variance
of (noise - data), about 2 for latents of unit variance. A loss that stays well above that is
no noise and no hard batch: the weights have exploded. Unlike the rules that need a healthy
start or a narrow spread, this one also sees a run that exploded in its first steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import finite
from aitk_core.statistics.results import ExplosionResult

if TYPE_CHECKING:
    from aitk_core.statistics.cleaning import Losses, Steps
    from aitk_core.statistics.results import Severity

_INFO: Final = METHODS["explosion_v1"]
_TAIL: Final = _INFO.count("window_values")
_SEVERITY: Final[dict[str, Severity]] = {
    "none": "none",
    "exploded": "critical",
    "exploded_earlier": "warning",
}


def explosion(
    loss: Losses, steps: Steps = None, *, prediction: Literal["noise", "flow", "other"] = "noise"
) -> ExplosionResult:
    """Say whether losses lie, or lay, far above those of a model that predicts nothing.

    Medians of neighbours are compared, so that single steps do not decide.

    Args:
        loss: (n,) numbers or None.
        steps: (n,) training steps.
        prediction: What the model predicts; `other` is judged like `flow`, whose level is higher.
    """
    cleaned = clean(loss, steps)
    level = _INFO.number("noise_level" if prediction == "noise" else "flow_level")
    stamped = stamp(_INFO, prediction=prediction)
    if cleaned.n < _INFO.minimum_n:
        return ExplosionResult(
            verdict="undetermined",
            reason=f"{cleaned.n} usable losses, {_INFO.minimum_n} are needed",
            n=cleaned.n,
            needed_n=_INFO.minimum_n,
            steps=cleaned.covered(),
            **stamped,
        )
    width = min(_TAIL, cleaned.n)
    medians = np.median(sliding_window_view(cleaned.values, width), axis=1)
    above = np.flatnonzero(medians > level)
    verdict: Literal["none", "exploded", "exploded_earlier"] = "none"
    if len(above):
        verdict = "exploded" if above[-1] == len(medians) - 1 else "exploded_earlier"
    worst = int(medians.argmax())
    return ExplosionResult(
        verdict=verdict,
        severity=_SEVERITY[verdict],
        reason=f"the highest median of {width} neighbouring losses is {medians[worst]:.3g}, the "
        f"latest {medians[-1]:.3g}; a model that predicts nothing stays below {level:g}",
        estimate=finite(float(medians[-1])),
        n=cleaned.n,
        first_step=int(cleaned.steps[above[0]]) if len(above) else None,
        last_step=int(cleaned.steps[above[-1] + width - 1]) if len(above) else None,
        steps=cleaned.covered(),
        **stamped,
    )
