"""Sets that are too small, too often seen or full of what is not trained, and sound ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from aitk_core.evidence.dataset import DatasetUse
from aitk_core.proving.cases import ProofCase
from aitk_datasets.proofs.folders import folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_USE: Final = DatasetUse(resolutions=(1024,), divisibility=16, arch="zimage", steps=2000)
_SIDES: Final = [(1200, 900)] * 20


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of counts is to be shown."""
    sound = folder_of(_SIDES, _USE)
    yield ProofCase(name="20 pictures seen 100 times", evidence=sound)
    yield ProofCase(name="20 pictures without a config", evidence=folder_of(_SIDES))
    yield ProofCase(
        name="the recorded best of 270 pictures",
        evidence=folder_of([(1200, 900)] * 270, evolve(_USE, steps=270 * 13)),
    )
    yield ProofCase(
        name="one picture of 9:1 in forty",
        evidence=folder_of([*_SIDES, *_SIDES, (1800, 200)], _USE),
    )
    yield ProofCase(
        name="three clips in a set of videos",
        evidence=folder_of(_SIDES, evolve(_USE, num_frames=41), videos=("a.mp4", "b.mp4", "c.mp4")),
    )
    yield ProofCase(
        name="a regularisation set of four",
        evidence=folder_of(_SIDES[:4], evolve(_USE, is_regularisation=True)),
    )
    yield ProofCase(
        name="a folder that could not be read",
        evidence=folder_of((), _USE, missing={".": "Permission denied"}),
    )
    yield ProofCase(
        name="nothing to train on",
        evidence=folder_of((), _USE, unsupported=("a.bmp",)),
        must_find=("DATASET_EMPTY", "UNSUPPORTED_FILES"),
    )
    yield ProofCase(
        name="six pictures", evidence=folder_of(_SIDES[:6], None), must_find=("DATASET_SMALL",)
    )
    yield ProofCase(
        name="panoramas and strips",
        evidence=folder_of([*_SIDES, (4000, 600), (300, 2000)], _USE),
        must_find=("ASPECT_EXTREME",),
    )
    yield ProofCase(
        name="20 pictures seen 1,000 times",
        evidence=folder_of(_SIDES, evolve(_USE, steps=5000, batch_size=4)),
        must_find=("EXPOSURES_HIGH",),
    )
    yield ProofCase(
        name="200 pictures seen twice",
        evidence=folder_of(_SIDES * 10, evolve(_USE, steps=400)),
    )
    yield ProofCase(
        name="clips in a set of pictures",
        evidence=evolve(sound, videos=("walk.mp4",)),
        must_find=("VIDEO_IN_IMAGE_SET",),
    )
    yield ProofCase(
        name="pictures that the trainer passes over",
        evidence=evolve(sound, unsupported=("a.gif", "b.heic")),
        must_find=("UNSUPPORTED_FILES",),
    )
    moved = tuple(evolve(image, path=f"_duplicates/{image.path}") for image in sound.images[:3])
    yield ProofCase(
        name="a quarantine that is trained",
        evidence=evolve(sound, images=(*moved, *sound.images)),
        must_find=("QUARANTINE_TRAINED",),
    )
