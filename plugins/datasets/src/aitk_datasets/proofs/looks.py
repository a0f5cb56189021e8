"""Pictures that look wrong, and pictures that may look so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from aitk_datasets.proofs.pictures import SOUND, case, sound, spoiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.evidence.dataset import DatasetEvidence, Looks
    from aitk_core.proving.cases import ProofCase


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of looks is to be shown."""
    yield case("4 of 20 dark", _some(evolve(SOUND, p5=0.0, p95=30.0)), "IMAGE_DARK")
    yield case("4 of 20 bright", _some(evolve(SOUND, p5=220.0, p95=255.0)), "IMAGE_BRIGHT")
    plain = evolve(SOUND, spread=2.0, tile_laplacian=0.2)
    yield case("4 of 20 nearly plain", _some(plain), "IMAGE_LOW_INFORMATION")
    yield case("4 of 20 blurred", _some(evolve(SOUND, tile_laplacian=2.0)), "IMAGE_BLURRED")
    framed = evolve(SOUND, borders=(0.0, 0.12, 0.0, 0.12))
    yield case("4 of 20 with bars above and below", _some(framed), "IMAGE_BORDERED")
    yield case("sound photographs", sound())
    yield case("one night shot of 20", spoiled({7: {"looks": evolve(SOUND, p5=0.0, p95=40.0)}}))
    foggy = evolve(SOUND, laplacian=30.0, tile_laplacian=120.0, reblur=0.6)
    yield case("a whole set in fog", spoiled({number: {"looks": foggy} for number in range(20)}))
    shallow = evolve(SOUND, laplacian=12.0, tile_laplacian=900.0)
    yield case("sharp subjects on soft grounds", _some(shallow))


def _some(looks: Looks) -> DatasetEvidence:
    return spoiled({number: {"looks": looks} for number in range(4)})
