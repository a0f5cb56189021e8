"""Pictures too small or too thin, sets too small, and those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from aitk_core.evidence.dataset import DatasetEvidence
from aitk_datasets.proofs.pictures import case, sound, spoiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.proving.cases import ProofCase


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of sizes is to be shown."""
    yield case("a folder without pictures", DatasetEvidence(name="proof"), "DATASET_EMPTY")
    small = {number: {"width": 200, "height": 180} for number in range(4)}
    yield case("4 of 20 small", spoiled(small), "IMAGE_SMALL")
    thin = {number: {"width": 3000, "height": 400} for number in range(4)}
    yield case("4 of 20 thin", spoiled(thin), "ASPECT_EXTREME")
    beside = evolve(sound(), unsupported=("a.bmp", "b.heic"))
    yield case("pictures that are passed over", beside, "IMAGE_FORMAT_UNSUPPORTED")
    yield case("sound photographs", sound())
    yield case("one small picture of 20", spoiled({3: {"width": 200, "height": 180}}))
    yield case("12 pictures", sound(12))
    yield case("a set of videos only", DatasetEvidence(name="proof", videos=("a.mp4", "b.mp4")))
