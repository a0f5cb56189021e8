"""Sound pictures as evidence, for proofs to spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from aitk_core.evidence.dataset import DatasetEvidence, ImageFile, Looks
from aitk_core.proving.cases import ProofCase

if TYPE_CHECKING:
    from collections.abc import Mapping

SOUND: Final = Looks(
    p5=20.0, p95=230.0, clipped=0.01, spread=55.0, laplacian=600.0, tile_laplacian=2500.0
)
"""As a photograph has them (datasets.md A7)."""
COUNT: Final = 20


def sound(count: int = COUNT) -> DatasetEvidence:
    """Return a set with nothing wrong with its pictures."""
    images = tuple(
        ImageFile(
            path=f"{number:03d}.jpg",
            size_bytes=200_000 + number,
            mtime_ns=1,
            format="JPEG",
            mode="RGB",
            width=1200 + 8 * number,
            height=1000,
            looks=SOUND,
        )
        for number in range(count)
    )
    return DatasetEvidence(name="proof", images=images, found_images=count)


def spoiled(changes: Mapping[int, Mapping[str, Any]], count: int = COUNT) -> DatasetEvidence:
    """Return a set of which some pictures, by number, are changed."""
    whole = sound(count)
    images = tuple(
        evolve(image, **changes.get(number, {})) for number, image in enumerate(whole.images)
    )
    return evolve(whole, images=images)


def case(name: str, evidence: DatasetEvidence, *codes: str) -> ProofCase:
    """Return a case that must find these codes, and nothing grave where there are none."""
    return ProofCase(name=name, evidence=evidence, must_find=codes)
