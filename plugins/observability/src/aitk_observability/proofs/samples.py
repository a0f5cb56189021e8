"""Samples that went wrong in each way that is looked for, and samples of a run that learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aitk_core.evidence.samples import ReferenceImage, SampleImage, SamplesEvidence
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.pictures import natural_picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitk_core.evidence.samples import Pixels

_STEPS = (0, 250, 500, 750)
_PROMPTS = (0, 1)


def _picture(seed: int) -> Pixels:
    return natural_picture(np.random.default_rng(seed))


def _noise(seed: int) -> Pixels:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, size=(256, 256, 3), dtype=np.uint8)


def _evidence(
    pictures: Mapping[tuple[int, int], Pixels], references: tuple[Pixels, ...] = ()
) -> SamplesEvidence:
    return SamplesEvidence(
        job_id="proof",
        samples=tuple(
            SampleImage(
                step=step,
                prompt_index=prompt,
                path=f"/toolkit/output/proof/samples/1__{step:09d}_{prompt}.png",
                prompt=None,
                wall_time=1.0,
                pixels=pixels,
            )
            for (step, prompt), pixels in sorted(pictures.items())
        ),
        reference_images=tuple(
            ReferenceImage(path=f"/toolkit/datasets/proof/{number}.png", pixels=pixels)
            for number, pixels in enumerate(references)
        ),
        reference_total=len(references),
        total=len(pictures),
        steps=_STEPS,
        prompt_indexes=_PROMPTS,
    )


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of samples is to be shown."""
    cells = [(step, prompt) for step in _STEPS for prompt in _PROMPTS]
    learning = {cell: _picture(number) for number, cell in enumerate(cells)}
    last = _STEPS[-1]
    yield ProofCase(
        name="samples that change from step to step",
        evidence=_evidence(learning, (_picture(100), _picture(101))),
    )
    black = {cell: np.zeros((256, 256, 3), dtype=np.uint8) for cell in cells if cell[0] == last}
    yield ProofCase(
        name="the newest samples are black",
        evidence=_evidence(learning | black),
        must_find=("SAMPLES_BLACK",),
    )
    noise = {cell: _noise(number) for number, cell in enumerate(cells) if cell[0] == last}
    yield ProofCase(
        name="the newest samples are noise",
        evidence=_evidence(learning | noise),
        must_find=("SAMPLES_NOISE",),
    )
    yield ProofCase(
        name="samples that never change",
        evidence=_evidence({(step, prompt): _picture(prompt) for step, prompt in cells}),
        must_find=("SAMPLES_FROZEN",),
    )
    yield ProofCase(
        name="a sample that is a training image",
        evidence=_evidence(learning, (learning[last, 0],)),
        must_find=("SAMPLES_NEAR_COPY",),
    )
