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

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import finite
from aitk_core.statistics.results import ExplosionResult
from aitk_core.statistics.speed import median_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

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

    More than half of a window of neighbours has to, so that single steps do not decide.

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
    counted = np.concatenate(([0], np.cumsum(cleaned.values > level)))
    crowded = np.flatnonzero(2 * (counted[width:] - counted[:-width]) > width)
    verdict: Literal["none", "exploded", "exploded_earlier"] = "none"
    if len(crowded):
        verdict = "exploded" if crowded[-1] + width == cleaned.n else "exploded_earlier"
    latest = median_of(cleaned.values[-width:])
    return ExplosionResult(
        verdict=verdict,
        severity=_SEVERITY[verdict],
        reason=_reason(cleaned.steps, crowded, width, latest, level),
        estimate=finite(latest),
        n=cleaned.n,
        first_step=int(cleaned.steps[crowded[0]]) if len(crowded) else None,
        last_step=int(cleaned.steps[crowded[-1] + width - 1]) if len(crowded) else None,
        steps=cleaned.covered(),
        **stamped,
    )


def _reason(
    steps: NDArray[np.int64],
    crowded: NDArray[np.intp],
    width: int,
    latest: float,
    level: float,
) -> str:
    level_text = f"a model that predicts nothing stays below {level:g}"
    if not len(crowded):
        return f"the median of the last {width} losses is {latest:.3g}; {level_text}"
    first, last = steps[crowded[0]], steps[crowded[-1] + width - 1]
    return (
        f"most losses between steps {first} and {last} were above {level:g}, the median of the "
        f"last {width} is {latest:.3g}; {level_text}"
    )
