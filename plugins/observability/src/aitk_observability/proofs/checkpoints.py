"""Runs whose best checkpoint was, will be or will not be deleted (backend/API.md 12.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.evidence.records import VALIDATION_LOSS
from aitk_core.proving.build import job_config, job_row, run_evidence, series_of
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.generate import noise_losses, validation_losses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.evidence.records import RunEvidence

_SEED: Final = 14
_STEPS: Final = 4000
_SAVE_EVERY: Final = 250
_EVERY: Final = 100
_TURN: Final = 9
"""Index of the smallest validation loss: step 1000, which is also a checkpoint."""


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of checkpoints is to be shown."""
    yield ProofCase(
        name="step 1000 is best and kept, the run goes on",
        evidence=_run(done=1800, keep=4),
        must_find=("BEST_CHECKPOINT_AT_RISK",),
    )
    yield ProofCase(
        name="step 1000 was best, the newest two are kept",
        evidence=_run(done=_STEPS, keep=2),
        must_find=("BEST_CHECKPOINT_DELETED",),
    )
    yield ProofCase(name="step 1000 was best, all are kept", evidence=_run(done=_STEPS, keep=0))
    yield ProofCase(
        name="the newest is best, two are kept", evidence=_run(done=_STEPS, keep=2, turns=False)
    )


def _run(*, done: int, keep: int, turns: bool = True) -> RunEvidence:
    rng = np.random.default_rng(_SEED)
    config = job_config(steps=_STEPS)
    config["config"]["process"][0]["save"] = {
        "save_every": _SAVE_EVERY,
        "max_step_saves_to_keep": keep,
    }
    status = "completed" if done == _STEPS else "running"
    curve = validation_losses(rng, done // _EVERY, turn=_TURN if turns else None, rise=0.015)
    return run_evidence(
        noise_losses(rng, done).tolist(),
        validation=series_of(
            curve.tolist(),
            key=VALIDATION_LOSS,
            steps=range(_EVERY, done + 1, _EVERY),
            seconds_per_step=float(_EVERY),
        ),
        job=job_row(status=status, info="Training", step=done, config=config),
    )
