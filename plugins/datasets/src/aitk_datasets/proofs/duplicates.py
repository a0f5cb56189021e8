"""Sets with pictures that come more than once, and sets with pictures that look alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from aitk_core.evidence.dataset import DuplicatePair, DuplicateSearch
from aitk_datasets.proofs.pictures import case, sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.evidence.dataset import DatasetEvidence
    from aitk_core.proving.cases import ProofCase


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of duplicates is to be shown."""
    yield case("a file three times", _found(_chain("exact_file", 3)), "IMAGE_DUPLICATE_FILE")
    yield case("three equal pictures", _found(_chain("exact_pixels", 3)), "IMAGE_DUPLICATE_PIXELS")
    yield case("three near copies", _found(_chain("near", 3)), "IMAGE_DUPLICATE_NEAR")
    leak = _pair(1, 4, "near", other="validation")
    yield case("a validation picture that is trained", _found([leak]), "DATASET_LEAK")
    yield case("pictures that differ", _found([]))
    yield case("one pair of 20", _found([_pair(1, 4, "exact_file")]))
    yield case("products on white", _found(_chain("possible", 12)))
    yield case("a look-alike in validation", _found([_pair(1, 4, "possible", other="validation")]))


def _chain(level: Any, count: int) -> list[DuplicatePair]:
    return [_pair(number, number + 1, level) for number in range(count - 1)]


def _pair(first: int, second: int, level: Any, other: str | None = None) -> DuplicatePair:
    return DuplicatePair(
        first=f"{first:03d}.jpg", second=f"{second:03d}.jpg", level=level, other=other
    )


def _found(pairs: list[DuplicatePair]) -> DatasetEvidence:
    search = DuplicateSearch(pairs=tuple(pairs), compared=20, complete_to=28)
    return evolve(sound(), duplicates=search)
