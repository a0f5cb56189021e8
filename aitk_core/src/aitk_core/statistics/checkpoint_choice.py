"""Which checkpoint is best, from the validation loss only (STATS.md sections 7 and 8).

Training loss never chooses: its lowest values belong to the runs that memorised most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.results import CheckpointChoice, CheckpointLoss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aitk_core.statistics.cleaning import Losses, Steps

_INFO: Final = METHODS["checkpoint_val_v1"]
_TOLERANCE: Final = _INFO.number("smallest_difference")
_ERRORS: Final = _INFO.number("standard_errors")
_JITTER_FROM: Final = _INFO.count("evaluations_for_jitter")
_MAD_TO_SD: Final = 1.4826
"""Of a normal distribution."""


def choose_checkpoint(
    val_loss: Losses, val_steps: Steps, checkpoints: Sequence[int]
) -> CheckpointChoice:
    """Say which checkpoint has the lowest validation loss, and which others are as good.

    The loss at a checkpoint is read off the straight line between the evaluations around it; one
    outside of them is not judged. As good as the lowest is what lies within the larger of what
    seeds differ by and what evaluations jitter by from one to the next.

    Args:
        val_loss: (n,) evaluations of the loss on fixed images held out from training.
        val_steps: (n,) training steps of the evaluations.
        checkpoints: Steps of the weights that are there.
    """
    cleaned = clean(val_loss, val_steps)
    stamped = stamp(_INFO)

    def undetermined(reason: str, needed_n: int | None = None) -> CheckpointChoice:
        return CheckpointChoice(
            verdict="undetermined",
            reason=reason,
            n=cleaned.n,
            needed_n=needed_n,
            steps=cleaned.covered(),
            **stamped,
        )

    if cleaned.n < _INFO.minimum_n:
        return undetermined(
            f"{cleaned.n} evaluations of the validation loss, {_INFO.minimum_n} are needed",
            _INFO.minimum_n,
        )
    first, last = int(cleaned.steps[0]), int(cleaned.steps[-1])
    # The last checkpoint comes up to one evaluation after the last one of them.
    reach = int(np.diff(cleaned.steps).max())
    judged = sorted({step for step in checkpoints if first <= step <= last + reach})
    if not judged:
        return undetermined(f"no checkpoint lies in the evaluated steps {first} to {last}")
    losses = np.interp(judged, cleaned.steps, cleaned.values)
    best = int(losses.argmin())
    lowest = float(losses[best])
    margin = max(_TOLERANCE * lowest, _ERRORS * np.sqrt(2) * _jitter(cleaned.values))
    as_good = [step for step, loss in zip(judged, losses, strict=True) if loss <= lowest + margin]
    is_alone = len(as_good) == 1 and len(judged) > 1
    return CheckpointChoice(
        verdict="chosen" if is_alone else "tied",
        reason=_reason(judged, best, as_good, margin / lowest),
        estimate=lowest,
        interval=(max(0.0, lowest - margin), lowest + margin),
        n=cleaned.n,
        step=judged[best],
        as_good=tuple(as_good),
        judged=tuple(
            CheckpointLoss(step=step, loss=float(loss))
            for step, loss in zip(judged, losses, strict=True)
        ),
        not_judged=tuple(sorted(set(checkpoints) - set(judged))),
        steps=cleaned.covered(),
        **stamped,
    )


def _jitter(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of one evaluation about the line through its neighbours."""
    if len(values) < _JITTER_FROM:
        return 0.0
    bends = values[1:-1] - (values[:-2] + values[2:]) / 2
    spread = float(np.median(np.abs(bends - np.median(bends))))
    # A bend holds one value whole and two by halves.
    return _MAD_TO_SD * spread / float(np.sqrt(1.5))


def _reason(judged: Sequence[int], best: int, as_good: Sequence[int], margin: float) -> str:
    if len(judged) == 1:
        return "it is the only checkpoint in the evaluated steps"
    if len(as_good) == 1:
        return f"all others lie more than {margin:.1%} above it"
    others = len(as_good) - 1
    span = f"steps {as_good[0]} to {as_good[-1]}"
    return (
        f"the lowest validation loss is at step {judged[best]}, and {others} other"
        f"{'' if others == 1 else 's'} within {margin:.1%} of it cannot be told from it ({span})"
    )
