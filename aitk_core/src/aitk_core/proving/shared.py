"""What every analyzer of runs is shown, whoever wrote it: runs with nothing wrong, and failures.

The recorded runs are of the real trainer, and how each went is known. Pure noise has no trend,
no shift and no fault at all, so whatever is said of its loss is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

import numpy as np
from attrs import frozen

from aitk_core.evidence.records import RunEvidence
from aitk_core.proving.build import generated_run
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.generate import Timesteps, flow_losses, noise_losses, step_times
from aitk_core.proving.recorded import evidence_of, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

NOISE_RUNS: Final = 100
NOISE_STEPS: Final = 2000
_SEED: Final = 2026

_EVENTFUL: Final = {
    "corrupt_image": "images that cannot be read",
    "slow_down": "steps four times as slow",
}
"""Recorded runs that ended well, with something on the way that is worth a warning."""
_GONE_SILENT: Final = frozenset({"hang_midway", "kill9_midway"})
"""Recorded runs whose row goes on saying running; an hour later that is evidence."""
_LATER_S: Final = 3600.0

_SPECTRA: Final = (0.8, 1.2, 1.6)
_BATCHES: Final = (1, 2, 4)


@frozen(kw_only=True)
class Failure:
    """A recorded run in which something went wrong, or happened that is worth a warning."""

    name: str
    cause: str
    evidence: RunEvidence


def quiet_runs() -> tuple[ProofCase, ...]:
    """Return the recorded runs in which nothing happened: no analyzer may warn of them."""
    return tuple(
        ProofCase(name=f"recorded: {name}", evidence=evidence_of(recording))
        for name, recording in recorded_runs().items()
        if recording.expected["healthy"] and name not in _EVENTFUL
    )


def failures() -> tuple[Failure, ...]:
    """Return the other recorded runs, as they stood at the end of the recording or later."""
    return tuple(
        Failure(
            name=name,
            cause=recording.expected["cause"] or _EVENTFUL[name],
            evidence=evidence_of(recording, silence_s=_LATER_S if name in _GONE_SILENT else 5.0),
        )
        for name, recording in recorded_runs().items()
        if not recording.expected["healthy"] or name in _EVENTFUL
    )


def noise_runs(count: int = NOISE_RUNS, steps: int = NOISE_STEPS) -> Iterator[RunEvidence]:
    """Yield runs of pure noise, of noise prediction and of flow matching by turns.

    Args:
        count: How many; the first ones are the same whatever the count.
        steps: Of each.
    """
    for number in range(count):
        rng = np.random.default_rng((_SEED, number))
        which, turn = divmod(number, 2)
        if turn == 0:
            batch = _BATCHES[which % len(_BATCHES)]
            losses = noise_losses(rng, steps, batch=batch)
            yield generated_run(losses, times=step_times(rng, steps), batch=batch)
        else:
            kinds: tuple[Timesteps, ...] = get_args(Timesteps)
            losses = flow_losses(
                rng,
                steps,
                exponent=_SPECTRA[which % len(_SPECTRA)],
                timesteps=kinds[which // len(_SPECTRA) % len(kinds)],
            )
            yield generated_run(losses, times=step_times(rng, steps), is_flow=True)
