"""How a job config reads a folder: the trainer's defaults, and nothing that a wrong value breaks.

Defaults and precedence are those of `DatasetConfig`, `preprocess_dataset_raw_config` and
`get_dataloader_from_datasets` (toolkit/config_modules.py and toolkit/data_loader.py of 0.12.26).
A value that the trainer could not use is read as if its key were absent.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.evidence.config import first_process
from aitk_core.evidence.dataset import DatasetUse
from aitk_datasets.folder.architectures import architectures, trainer_arch

if TYPE_CHECKING:
    from aitk_datasets.folder.architectures import Architecture

DATASETS_PATH: Final = "config.process.0.datasets"

_STEPS: Final = 1000
_RESOLUTION: Final = 512
_LARGEST_SIDE: Final = 65_535
"""Pixels; the most that a JPEG can hold."""
_LARGEST_COUNT: Final = 10_000_000
_LONGEST_EXT: Final = 32
_LONGEST_TEXT: Final = 65_536
_RESOLUTIONS: Final = 32
"""Listed resolutions that are read; the form writes three."""


@frozen(kw_only=True)
class FolderUse:
    """One entry of `datasets[]` that reads the folder, with what analyzers do not need."""

    use: DatasetUse
    path: str
    """Config path of the entry: `config.process.0.datasets.0`."""
    control_paths: tuple[str, ...] = ()
    """Folders with control images, as the config names them."""
    mask_path: str | None = None
    reads_videos: bool = False
    """More than one frame, or as many as each clip has."""
    has_buckets: bool = True
    """Without buckets every picture is cropped to a square of the resolution."""
    other_datasets: int = 0
    """Further entries that the same steps are shared with, regularisation sets apart."""
    has_regularisation: bool = False
    """Another entry is a regularisation set, which takes every second step."""


def uses_of(config: Mapping[str, Any] | None, *folders: str) -> tuple[FolderUse, ...]:
    """Return how a config reads a folder, one record for each entry that names it.

    Args:
        config: As the backend stores it: `{"job", "config": {"name", "process": [...]}}`.
        folders: Names of the one folder, as the backend and as this server see it.
    """
    process = first_process(config)
    name = _text(_mapping(_mapping(config).get("config")).get("name"))
    entries = process.get("datasets")
    sets = [_mapping(entry) for entry in entries] if isinstance(entries, list) else []
    wanted = {_plain(folder) for folder in folders}
    matching = [
        number
        for number, entry in enumerate(sets)
        if (path := folder_of(entry, name)) is not None and _plain(path) in wanted
    ]
    return tuple(_folder_use(process, sets, number, name) for number in matching)


def use_of(config: Mapping[str, Any] | None, folder: str) -> DatasetUse | None:
    """Return how a config reads a folder, by its first entry of it; None where it does not.

    Where none names the path, one whose last part is the folder's name does: the backend may see
    it under another path.

    Args:
        config: As the backend stores it.
        folder: As this server sees it.
    """
    uses = uses_of(config, folder)
    if not uses:
        name = last_part(folder)
        same = [path for path in folders_of(config) if last_part(path) == name]
        uses = uses_of(config, *same) if same else ()
    return uses[0].use if uses else None


def last_part(path: str) -> str:
    """Return a folder's own name, whichever separator its path has."""
    return posixpath.basename(_plain(path))


def folders_of(config: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the folders that a config's datasets name, in its order."""
    name = _text(_mapping(_mapping(config).get("config")).get("name"))
    entries = first_process(config).get("datasets")
    found = (
        [folder_of(_mapping(entry), name) for entry in entries or ()]
        if isinstance(entries, list)
        else []
    )
    return tuple(path for path in found if path is not None)


def folder_of(entry: Mapping[str, Any], name: str | None = None) -> str | None:
    """Return the folder that an entry of `datasets[]` reads, None where it names none.

    `dataset_path` wins over `folder_path`, and `[name]` stands for the job's name.
    """
    path = _text(entry.get("dataset_path")) or _text(entry.get("folder_path"))
    return path if path is None or name is None else path.replace("[name]", name)


def _folder_use(
    process: Mapping[str, Any], sets: list[Mapping[str, Any]], number: int, name: str | None
) -> FolderUse:
    entry = sets[number]
    use = _use(process, entry, name)
    others = [other for place, other in enumerate(sets) if place != number]
    return FolderUse(
        use=use,
        path=f"{DATASETS_PATH}.{number}",
        control_paths=_controls(entry),
        mask_path=_text(entry.get("mask_path")),
        reads_videos=use.num_frames > 1 or _flag(entry.get("auto_frame_count")),
        has_buckets=_flag(entry.get("buckets"), default=True),
        other_datasets=sum(not _flag(other.get("is_reg")) for other in others),
        has_regularisation=any(_flag(other.get("is_reg")) for other in others),
    )


def _use(process: Mapping[str, Any], entry: Mapping[str, Any], name: str | None) -> DatasetUse:
    train, model = _mapping(process.get("train")), _mapping(process.get("model"))
    arch = trainer_arch(model)
    row = None if arch is None else architectures().get(arch)
    limit = None if row is None else _text_limit(row, entry, model)
    trigger = entry.get("trigger_word")
    if trigger is None:
        # An empty word of the entry keeps the process's word away, as in the trainer.
        trigger = process.get("trigger_word")
    dropout = _number(entry.get("caption_dropout_rate"))
    return DatasetUse(
        resolutions=_resolutions(entry),
        divisibility=None if row is None else row.divisibility,
        batch_size=_count(entry.get("batch_size")) or _count(train.get("batch_size")) or 1,
        gradient_accumulation=_count(train.get("gradient_accumulation")) or 1,
        steps=_count(train["steps"]) if "steps" in train else _STEPS,
        num_repeats=_count(entry.get("num_repeats")) or 1,
        flip_x=_flag(entry.get("flip_x")),
        flip_y=_flag(entry.get("flip_y")),
        random_crop=_flag(entry.get("random_crop")),
        square_crop=_flag(entry.get("square_crop")),
        scale=_number(entry.get("scale")) or 1.0,
        is_regularisation=_flag(entry.get("is_reg")),
        num_frames=_count(entry.get("num_frames")) or 1,
        trigger_word=_text(trigger),
        caption_ext=_caption_ext(entry),
        default_caption=_text(entry.get("default_caption")),
        caption_dropout_rate=dropout if dropout is not None and dropout <= 1 else 0.0,
        arch=arch,
        text_limit=limit,
        text_encoder=None if row is None else row.text_encoder,
        job=name,
    )


def _text_limit(
    row: Architecture, entry: Mapping[str, Any], model: Mapping[str, Any]
) -> int | None:
    if not row.cuts_with_controls and _controls(entry):
        return None
    if row.limit_key is None:
        return row.text_limit
    return _count(_mapping(model.get("model_kwargs")).get(row.limit_key)) or row.text_limit


def _resolutions(entry: Mapping[str, Any]) -> tuple[int, ...]:
    value = entry.get("resolution", _RESOLUTION)
    values = value[:_RESOLUTIONS] if isinstance(value, list) else [value]
    # A list trains the set once for each of its values, equal ones included; an empty one, never.
    found = tuple(each for each in values if type(each) is int and 0 < each <= _LARGEST_SIDE)
    return found if found or value == [] else (_RESOLUTION,)


def _caption_ext(entry: Mapping[str, Any]) -> str:
    older = entry.get("caption_type")
    if _is_extension(older):
        return str(older)
    ext = entry.get("caption_ext")
    if not _is_extension(ext):
        return ".txt"
    return str(ext) if str(ext).startswith(".") else f".{ext}"


def _is_extension(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_EXT
        and value.isprintable()
        and not any(sign in value for sign in "/\\")
    )


def _controls(entry: Mapping[str, Any]) -> tuple[str, ...]:
    numbered = [entry.get(f"control_path_{number}") for number in (1, 2, 3)]
    single = entry.get("control_path")
    values = numbered if any(numbered) else single if isinstance(single, list) else [single]
    return tuple(path for path in map(_text, values) if path is not None)


def _plain(path: str) -> str:
    return posixpath.normpath(path.replace("\\", "/"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value <= _LARGEST_COUNT else None


def _number(value: Any) -> float | None:
    if type(value) not in (int, float) or not 0 < value <= _LARGEST_COUNT:
        return None
    return float(value) if math.isfinite(value) else None


def _flag(value: Any, *, default: bool = False) -> bool:
    return value if isinstance(value, bool) else default
