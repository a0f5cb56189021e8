"""Sets whose buckets cost something, and sets that fit theirs (datasets.md A2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from aitk_core.evidence.dataset import DatasetUse
from aitk_core.proving.cases import ProofCase
from aitk_datasets.proofs.folders import folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_USE: Final = DatasetUse(resolutions=(512, 768, 1024), divisibility=32, arch="flux", steps=2000)
_BATCH_OF_4: Final = evolve(_USE, batch_size=4)


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of buckets is to be shown."""
    photographs = [(3000, 2000), (2000, 3000), (1600, 1200), (4032, 3024), (1080, 1350)] * 8
    yield ProofCase(name="photographs at batch size 1", evidence=folder_of(photographs, _USE))
    yield ProofCase(
        name="photographs at batch size 4, each bucket full",
        evidence=folder_of(photographs, _BATCH_OF_4),
    )
    yield ProofCase(name="photographs without a config", evidence=folder_of(photographs))
    yield ProofCase(
        name="an architecture whose bucket step is not known",
        evidence=folder_of([(9000, 90)] * 20, evolve(_USE, divisibility=None, arch="cogview4")),
    )
    yield ProofCase(
        name="one picture in forty a little below 1024 squared",
        evidence=folder_of([*photographs, (900, 1100)], _USE),
    )
    yield ProofCase(
        name="wide pictures cut to squares",
        evidence=folder_of([(1920, 1080)] * 20, evolve(_USE, square_crop=True)),
        must_find=("BUCKET_CROP_LARGE",),
    )
    yield ProofCase(
        name="small pictures enlarged to squares",
        evidence=folder_of([(400, 400)] * 20, evolve(_USE, square_crop=True)),
        must_find=("BUCKET_UPSCALES", "IMAGE_SMALLER_THAN_TARGET"),
    )
    yield ProofCase(
        name="twenty shapes, one picture each, at batch size 4",
        evidence=folder_of([(1100 + 90 * n, 2900 - 90 * n) for n in range(20)], _BATCH_OF_4),
        must_find=("BUCKET_PARTIAL_BATCHES",),
    )
    yield ProofCase(
        name="pictures of 640 by 480 for resolution 1024",
        evidence=folder_of([(640, 480)] * 20, evolve(_USE, resolutions=(1024,))),
        must_find=("IMAGE_SMALLER_THAN_TARGET",),
    )
