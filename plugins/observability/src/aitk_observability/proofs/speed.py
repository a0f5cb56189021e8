"""Step times that must be called slow, and sound ones with their pauses (STATS.md section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.proving.build import generated_run
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.generate import noise_losses, shifted, step_times
from aitk_core.proving.recorded import evidence_of, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_SEED: Final = 12
_STEPS: Final = 1500


def _run(number: int, times: NDArray[np.float64]) -> object:
    losses = noise_losses(np.random.default_rng((_SEED, number)), len(times))
    return generated_run(losses, times=times)


def _times(number: int, *, sample_every: int = 250, pace_s: float = 1.0) -> NDArray[np.float64]:
    rng = np.random.default_rng((_SEED, 100 + number))
    return step_times(rng, _STEPS, pace_s=pace_s, sample_every=sample_every)


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of speed is to be shown."""
    # At exactly twice the time the median falls on either side of the limit.
    for number, factor in enumerate((2.3, 2.3, 3.0, 3.0, 10.0)):
        yield ProofCase(
            name=f"steps x{factor:g} as slow from step 800 on ({number + 1})",
            evidence=_run(number, shifted(_times(number), onset=800, factor=factor)),
            must_find=("STEPS_SLOWED_DOWN",),
            onset_step=800,
        )
    yield ProofCase(
        name="recorded: throttled from step 80 on",
        evidence=evidence_of(recorded_runs()["slow_down"]),
        must_find=("STEPS_SLOWED_DOWN",),
        onset_step=78,
    )
    for pace_s in (0.1, 1.0, 30.0):
        yield ProofCase(
            name=f"{pace_s:g} s per step, pauses every 250 steps",
            evidence=_run(20, _times(20, pace_s=pace_s)),
        )
    yield ProofCase(name="samples every 25 steps", evidence=_run(21, _times(21, sample_every=25)))
    yield ProofCase(
        name="x1.5 as slow from step 800 on: below the limit",
        evidence=_run(22, shifted(_times(22), onset=800, factor=1.5)),
    )
