"""What each path of a planted folder may be called, from the truth: whom the checks answer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataset_folders import RESOLUTION
from dataset_truth import BELOW_TARGET

if TYPE_CHECKING:
    from aitk_core.evidence.dataset import DatasetEvidence
    from aitk_core.testing.planted import Truth

TRAIN: Final = "train/"


def inside(path: str) -> str:
    """Return a path as seen from `train/`."""
    return path.removeprefix(TRAIN)


def of_files(truth: Truth, evidence: DatasetEvidence) -> dict[str, set[str]]:
    """Return the labels of each picture that was listed."""
    listed = {image.path for image in evidence.images}
    found = {}
    for file in truth.files(within=TRAIN):
        if (path := inside(file.path)) in listed:
            found[path] = {*file.labels}
            is_seen = file.is_trained and not {"linked", "too_large"} & {*file.labels}
            if is_seen and file.size and file.size[0] * file.size[1] < RESOLUTION**2:
                found[path].add(BELOW_TARGET)
    return found


def of_captions(truth: Truth, evidence: DatasetEvidence) -> dict[str, set[str]]:
    """Return the labels of each trained picture's caption; others have none to be found."""
    trained = {file.path for file in truth.files(within=TRAIN) if file.is_trained}
    found: dict[str, set[str]] = {image.path: set() for image in evidence.images}
    for caption in truth.captions(within=TRAIN):
        for image in caption.images:
            if image in trained and inside(image) in found:
                found[inside(image)] |= {*caption.labels}
    return found


def of_lists(truth: Truth) -> dict[str, set[str]]:
    """Return the labels of every path, captions included."""
    found = {inside(file.path): {*file.labels} for file in truth.files(within=TRAIN)}
    for caption in truth.captions(within=TRAIN):
        found[inside(caption.path)] = {*caption.labels}
    found.update({inside(odd.path): {odd.kind} for odd in truth.odd("default_txt")})
    return found
