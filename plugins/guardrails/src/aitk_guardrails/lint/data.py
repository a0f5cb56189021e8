"""The datasets as the config describes them; what is in the folders is told by `dataset`."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aitk_core.configkeys.json_values import shown
from aitk_guardrails.lint.sources import CURVES, trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.lint.subject import Subject

_CONTROLS: Final = ("control_path", "control_path_1", "control_path_2", "control_path_3")
_DOCS: Final = "ui/src/docs.tsx"
_VARYING: Final = ("caption_dropout_rate", "token_dropout_rate", "shuffle_tokens")


def folders(subject: Subject) -> Iterator[Issue]:
    """Datasets without a folder, or no dataset at all."""
    places = [
        f"datasets.{index}.folder_path"
        for index, _ in subject.process.datasets
        if subject.folder(index) is None
    ]
    if not subject.process.datasets and subject.text("type") != "concept_slider":
        places.append("datasets")
    for path in places:
        yield subject.issue(
            "MISSING_DATASET_PATH",
            "error",
            path,
            "no folder of training pictures is given",
            why="the trainer has nothing to train on and stops",
            source=trainer("toolkit/data_loader.py"),
            expected="an absolute folder, as the backend sees it",
        )


def controls(subject: Subject) -> Iterator[Issue]:
    """An edit model without control images."""
    entry = subject.arch
    # An id without its tag may stand for a member of the family that takes plain pictures.
    if entry is None or not entry.edit or subject.given("model.arch") != entry.id:
        return
    for index, dataset in subject.process.datasets:
        has = any(dataset.get(key) for key in (*_CONTROLS, "control_from_same_folder"))
        if not has and not dataset.get("is_reg"):
            yield subject.issue(
                "CONTROL_PATH_MISSING",
                "error",
                f"datasets.{index}.control_path"
                + ("_1" if entry.control_images == "multi" else ""),
                f"{entry.label} trains on pairs, and this dataset has no control images",
                why="an edit cannot be learnt from results alone",
                source=trainer(f"{_DOCS}; toolkit/data_loader.py"),
                expected="a folder with one file of the same name for each picture",
            )


def flips(subject: Subject) -> Iterator[Issue]:
    """Mirrored pictures."""
    for index, dataset in subject.process.datasets:
        for key in ("flip_x", "flip_y"):
            if dataset.get(key) is True:
                yield subject.issue(
                    "PICTURES_FLIPPED",
                    "info",
                    f"datasets.{index}.{key}",
                    f"{key} adds mirrored copies of every picture",
                    why="mirrored faces and texts are learnt, too",
                    source=trainer(_DOCS),
                )


def cached_captions(subject: Subject) -> Iterator[Issue]:
    """Captions that are asked to vary and are cached."""
    everywhere = subject.on("train.cache_text_embeddings")
    for index, dataset in subject.process.datasets:
        if not (everywhere or dataset.get("cache_text_embeddings")):
            continue
        for key in _VARYING:
            if dataset.get(key):
                yield subject.issue(
                    "CACHED_CAPTIONS_CANNOT_VARY",
                    "warning",
                    f"datasets.{index}.{key}",
                    f"{key} is set, and cached text embeddings do not change from step to step",
                    why="the setting has no effect, or not the one asked for",
                    source=trainer(_DOCS),
                )


def captions_ignored(subject: Subject) -> Iterator[Issue]:
    """A text encoder that is unloaded before any caption was read."""
    cached = subject.on("train.cache_text_embeddings") or any(
        dataset.get("cache_text_embeddings") for _, dataset in subject.process.datasets
    )
    if subject.on("train.unload_text_encoder") and not cached:
        yield subject.issue(
            "CAPTIONS_IGNORED",
            "warning",
            "train.unload_text_encoder",
            "with the text encoder unloaded every caption is ignored",
            why="the run trains on the trigger word alone, or on an empty prompt",
            source=trainer(_DOCS),
            change={"train.unload_text_encoder": False, "train.cache_text_embeddings": True},
        )


def validation_pictures(subject: Subject) -> Iterator[Issue]:
    """Validation pictures that are trained on."""
    rows = subject.given("train.validation_config.validation_items")
    trained = {
        posixpath.normpath(folder.replace("\\", "/"))
        for index, _ in subject.process.datasets
        if (folder := subject.folder(index))
    }
    for number, row in enumerate(rows if isinstance(rows, list) else ()):
        picture = row.get("image_path") if isinstance(row, Mapping) else None
        if not isinstance(picture, str):
            continue
        folder = posixpath.dirname(posixpath.normpath(picture.replace("\\", "/")))
        if folder in trained:
            yield subject.issue(
                "VALIDATION_IN_TRAINING",
                "error",
                f"train.validation_config.validation_items.{number}.image_path",
                f"the validation picture {shown(picture)} lies in a training folder",
                why="its loss then falls for ever and shows no over-fitting",
                source=f"{CURVES}; {trainer('ui/src/app/jobs/new')}",
                expected="a picture outside of every training folder",
            )


def validation_off(subject: Subject) -> Iterator[Issue]:
    """No validation loss."""
    if not subject.given("train.validation_config.validation_items"):
        yield subject.issue(
            "VALIDATION_OFF",
            "info",
            "train.validation_config",
            "no validation pictures are set, so there will be no validation loss",
            why="the training loss alone shows neither over-fitting nor the best checkpoint",
            source=CURVES,
            expected="two or more typical pictures that are not trained on",
        )


CHECKS: Final = (
    folders,
    controls,
    flips,
    cached_captions,
    captions_ignored,
    validation_pictures,
    validation_off,
)
