"""Losses that must be found wrong, and sound ones: generated, and recorded.

The factors are those that the methods state a detection for (STATS.md sections 2, 3, 8, 12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.proving.build import generated_run
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.generate import (
    diverging,
    flow_losses,
    noise_losses,
    not_finite_from,
    shifted,
    spiked,
    validation_losses,
)
from aitk_core.proving.recorded import evidence_of, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEED: Final = 13
"""With it none of the runs has an alarm by chance: how often that happens is counted on noise."""
_VALIDATE_EVERY: Final = 100
_TURN: Final = 9
"""Index of the smallest validation loss."""


def _rng(number: int) -> np.random.Generator:
    return np.random.default_rng((_SEED, number))


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of losses is to be shown."""
    yield from _not_finite()
    yield from _shifts()
    yield from _blowups()
    yield from _from_the_start()
    yield from _validation()
    yield from _recorded()
    yield from _sound()


def _not_finite() -> Iterator[ProofCase]:
    for number, (name, healthy) in enumerate(
        (("noise", noise_losses(_rng(1), 900)), ("flow", flow_losses(_rng(2), 900)))
    ):
        yield ProofCase(
            name=f"{name}: loss not finite from step 450 on",
            evidence=generated_run(not_finite_from(healthy, onset=450), is_flow=number == 1),
            must_find=("LOSS_NONFINITE",),
            onset_step=450,
        )
    yield ProofCase(
        name="noise: one loss that is not finite",
        evidence=generated_run(spiked(noise_losses(_rng(3), 900), at=600, factor=0.0)),
        must_find=("LOSS_NONFINITE",),
        onset_step=600,
    )


def _shifts() -> Iterator[ProofCase]:
    for number, factor in enumerate((2.0, 2.0, 3.0, 3.0)):
        losses = shifted(noise_losses(_rng(10 + number), 2500), onset=1500, factor=factor)
        yield ProofCase(
            name=f"noise: level x{factor:g} from step 1500 on ({number + 1})",
            evidence=generated_run(losses),
            must_find=("LOSS_LEVEL_SHIFT",),
            onset_step=1500,
        )
    losses = shifted(noise_losses(_rng(20), 2500, batch=4), onset=1500, factor=1.5)
    yield ProofCase(
        name="noise, batch 4: level x1.5 from step 1500 on",
        evidence=generated_run(losses, batch=4),
        must_find=("LOSS_LEVEL_SHIFT",),
        onset_step=1500,
    )
    for number, factor in enumerate((1.5, 2.0)):
        losses = shifted(flow_losses(_rng(30 + number), 1200), onset=600, factor=factor)
        yield ProofCase(
            name=f"flow: level x{factor:g} from step 600 on",
            evidence=generated_run(losses, is_flow=True),
            must_find=("LOSS_LEVEL_SHIFT",),
            onset_step=600,
        )


def _blowups() -> Iterator[ProofCase]:
    losses = spiked(flow_losses(_rng(40), 1500), at=800, factor=30.0)
    yield ProofCase(
        name="flow: x30 at step 800, x1000 at step 810",
        evidence=generated_run(spiked(losses, at=810, factor=1000.0), is_flow=True),
        must_find=("LOSS_BLOWUP",),
        onset_step=800,
    )
    yield ProofCase(
        name="noise: a single step x30",
        evidence=generated_run(spiked(noise_losses(_rng(41), 1500), at=800, factor=30.0)),
    )
    # Far from the steps before, and still no level that stays.
    yield ProofCase(
        name="flow: a single step x10",
        evidence=generated_run(
            spiked(flow_losses(_rng(42), 1500), at=800, factor=10.0), is_flow=True
        ),
    )


def _from_the_start() -> Iterator[ProofCase]:
    yield ProofCase(
        name="noise: diverges from step 20 on",
        evidence=generated_run(diverging(_rng(50), noise_losses(_rng(51), 400), onset=20)),
        must_find=("LOSS_DIVERGED",),
        onset_step=20,
    )
    yield ProofCase(
        name="flow: diverges from step 20 on",
        evidence=generated_run(
            diverging(_rng(52), flow_losses(_rng(53), 400), onset=20, to=2.0), is_flow=True
        ),
        must_find=("LOSS_DIVERGED",),
        onset_step=20,
    )
    yield ProofCase(
        name="noise: predicts nothing from the first step on",
        evidence=generated_run(diverging(_rng(54), noise_losses(_rng(55), 400), onset=-20)),
        must_find=("LOSS_AT_NOISE_LEVEL",),
        onset_step=0,
    )
    yield ProofCase(
        name="noise: x10000 from step 30 on",
        evidence=generated_run(shifted(noise_losses(_rng(56), 400), onset=30, factor=1e4)),
        must_find=("LOSS_EXPLODED",),
        onset_step=30,
    )


def _validation() -> Iterator[ProofCase]:
    losses = noise_losses(_rng(60), 2500, fall=0.06)
    turned = validation_losses(_rng(61), 25, turn=_TURN, rise=0.015)
    level = validation_losses(_rng(62), 25, turn=_TURN, rise=0.0)
    onset = _VALIDATE_EVERY * (_TURN + 2)
    yield ProofCase(
        name="validation loss rises by 1.5 % at each evaluation",
        evidence=generated_run(losses, validation=turned, validate_every=_VALIDATE_EVERY),
        must_find=("OVERFITTING",),
        onset_step=onset,
    )
    yield ProofCase(
        name="validation loss stays 0.75 % above its minimum",
        evidence=generated_run(
            losses,
            validation=shifted(level, onset=_TURN + 1, factor=1.0075),
            validate_every=_VALIDATE_EVERY,
        ),
        must_find=("VALIDATION_RISING",),
        onset_step=onset,
    )
    yield ProofCase(
        name="validation loss falls to the end",
        evidence=generated_run(
            losses,
            validation=validation_losses(_rng(63), 25),
            validate_every=_VALIDATE_EVERY,
        ),
    )


def _recorded() -> Iterator[ProofCase]:
    runs = recorded_runs()
    yield ProofCase(
        name="recorded: learning rate 30 times too high",
        evidence=evidence_of(runs["high_lr_divergence"]),
        must_find=("LOSS_DIVERGED",),
        onset_step=1,
    )
    yield ProofCase(
        name="recorded: float16 at a learning rate too high",
        evidence=evidence_of(runs["nan_loss"]),
        must_find=("LOSS_DIVERGED", "LOSS_NONFINITE"),
        onset_step=1,
    )
    yield ProofCase(
        name="recorded: two nearly plain images",
        evidence=evidence_of(runs["overfit"]),
        must_find=("OVERFITTING",),
    )
    yield ProofCase(
        name="recorded: steps slow down, the loss is sound",
        evidence=evidence_of(runs["slow_down"]),
    )


def _sound() -> Iterator[ProofCase]:
    for batch in (1, 2, 4):
        yield ProofCase(
            name=f"noise, batch {batch}: falls by 6 %",
            evidence=generated_run(
                noise_losses(_rng(70 + batch), 3000, batch=batch, fall=0.06), batch=batch
            ),
        )
    yield ProofCase(
        name="noise: falls by half",
        evidence=generated_run(noise_losses(_rng(80), 3000, fall=0.5)),
    )
    yield ProofCase(
        name="flow: falls by 20 %",
        evidence=generated_run(flow_losses(_rng(81), 3000, fall=0.2), is_flow=True),
    )
    yield ProofCase(name="noise: 60 steps only", evidence=generated_run(noise_losses(_rng(82), 60)))
