"""What is in the dataset folders, as far as a caller has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.json_values import shown
from aitk_guardrails.lint.sources import CONTRACT, trainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitk_guardrails.lint.facts import DatasetFacts
    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.lint.subject import Subject

LEAST_COVERAGE: Final = 0.9
"""Share of pictures with a caption, as in the alert and the dataset checks: the contract's 0.8 for
configs was a second threshold for one thing (its pitfall 18)."""
FEW_PICTURES: Final = 10
_GUIDES: Final = "public LoRA guides: 15 to 50 pictures for a character, 50 to 200 for a style"


def _known(subject: Subject) -> Iterator[tuple[int, Mapping[str, Any], str, DatasetFacts]]:
    for index, dataset in subject.process.datasets:
        folder = subject.folder(index)
        facts = subject.facts.datasets.get(folder or "")
        if folder is not None and facts is not None:
            yield index, dataset, folder, facts


def there(subject: Subject) -> Iterator[Issue]:
    """A folder that is missing, is none, or holds nothing to train on."""
    for index, dataset, folder, facts in _known(subject):
        path = f"datasets.{index}.folder_path"
        if not subject.has(path):
            path = f"datasets.{index}.dataset_path"
        code, words = "", ""
        if facts.state == "missing":
            code, words = "DATASET_PATH_NOT_FOUND", "does not exist"
        elif facts.state == "file":
            code, words = "DATASET_PATH_NOT_DIRECTORY", "is no folder"
        elif facts.images == 0 and not facts.videos:
            code, words = "DATASET_EMPTY", "holds no picture that the trainer reads"
        elif facts.images == 0 and _frames(dataset) == 1:
            code, words = "VIDEO_READ_AS_PICTURES", "holds videos only, and num_frames is 1"
        elif facts.videos == 0 and _frames(dataset) > 1:
            code, words = "PICTURES_READ_AS_VIDEO", "holds no video, and num_frames is above 1"
        if code:
            yield subject.issue(
                code,
                "error",
                path,
                f"the dataset folder {shown(folder)} {words}",
                why="the trainer finds nothing to train on and stops",
                source=trainer("toolkit/data_loader.py"),
            )


def _frames(dataset: Mapping[str, Any]) -> float:
    if dataset.get("auto_frame_count"):
        return 2
    frames = dataset.get("num_frames", 1)
    return frames if isinstance(frames, int | float) else 1


def pictures(subject: Subject) -> Iterator[Issue]:
    """Broken and repeated pictures."""
    for index, _, folder, facts in _known(subject):
        path = f"datasets.{index}.folder_path"
        if facts.corrupt:
            yield subject.issue(
                "DATASET_CORRUPT_IMAGES",
                "error",
                path,
                f"{facts.corrupt} files of {shown(folder)} are named as pictures and give none",
                why="the trainer skips them or stops at them",
                source=trainer("toolkit/data_loader.py"),
            )
        if facts.duplicates:
            yield subject.issue(
                "DATASET_DUPLICATES_DETECTED",
                "warning",
                path,
                f"{facts.duplicates} pictures of {shown(folder)} repeat another one",
                why="what is repeated is learnt most",
                source=CONTRACT,
            )


def captions(subject: Subject) -> Iterator[Issue]:
    """Pictures without a caption."""
    for index, dataset, folder, facts in _known(subject):
        seen = facts.scanned or facts.images
        if facts.captioned is None or not seen:
            continue
        path, share = f"datasets.{index}.folder_path", facts.captioned / seen
        words = [dataset.get("default_caption"), dataset.get("trigger_word")]
        spoken = any(words) or subject.text("trigger_word") is not None
        if share < LEAST_COVERAGE:
            yield subject.issue(
                "DATASET_LOW_CAPTION_COVERAGE",
                "warning",
                path,
                f"{facts.captioned} of {seen} pictures of {shown(folder)} have a caption",
                why="the others train on the trigger word alone"
                if spoken
                else "there is no trigger word or default caption, so the others train on an "
                "empty prompt",
                source=f"{CONTRACT}; {trainer('ui/src/docs.tsx')}",
                expected={"minimum_share": LEAST_COVERAGE},
            )


def counts(subject: Subject) -> Iterator[Issue]:
    """Few pictures, also against the batch."""
    batch, accumulation = (
        subject.count("train.batch_size"),
        subject.count("train.gradient_accumulation"),
    )
    for index, dataset, folder, facts in _known(subject):
        if not facts.images:
            continue
        path = f"datasets.{index}.folder_path"
        if facts.images < FEW_PICTURES and not dataset.get("is_reg"):
            yield subject.issue(
                "DATASET_FEW_IMAGES",
                "warning",
                path,
                f"{shown(folder)} has {facts.images} pictures",
                why="so few are learnt by heart soon",
                source=_GUIDES,
                expected={"minimum": FEW_PICTURES},
            )
        if batch and accumulation and batch * accumulation > facts.images:
            yield subject.issue(
                "BATCH_LARGER_THAN_DATASET",
                "warning",
                "train.batch_size",
                f"a batch of {batch * accumulation} in all is more than the {facts.images} "
                f"pictures of {shown(folder)}",
                why="batches stay partly empty, or show a picture twice",
                source="bghira/SimpleTuner: smallest size of a bucket",
                expected={"maximum": facts.images},
            )


def sizes(subject: Subject) -> Iterator[Issue]:
    """Pictures smaller than the largest resolution."""
    sides = subject.resolutions
    for index, _, folder, facts in _known(subject):
        if facts.smallest_side and sides and facts.smallest_side < sides[-1]:
            yield subject.issue(
                "IMAGES_BELOW_RESOLUTION",
                "info",
                f"datasets.{index}.resolution",
                f"the smallest picture of {shown(folder)} has {facts.smallest_side} pixels on its "
                f"short side, and the largest resolution is {sides[-1]:g}",
                why="pictures are never enlarged, so it is trained in a smaller bucket",
                source=trainer("README.md"),
            )


CHECKS: Final = (there, pictures, captions, counts, sizes)
