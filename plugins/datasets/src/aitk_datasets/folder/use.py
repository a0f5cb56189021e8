"""How a job's config reads a dataset's folder (API.md section 14.2).

Values that make no sense count as not given, as everywhere in the evidence.
"""

from __future__ import annotations

import math
import posixpath
from typing import TYPE_CHECKING, Any

from aitk_core.evidence.config import first_process
from aitk_core.evidence.dataset import DatasetUse

if TYPE_CHECKING:
    from collections.abc import Mapping


def uses_of(config: Mapping[str, Any] | None) -> tuple[tuple[str, DatasetUse], ...]:
    """Return folder and use of each dataset of a config, in its order.

    Args:
        config: As the backend stores it: `{"job", "config": {"name", "process": [...]}}`.
    """
    process = first_process(config)
    datasets = process.get("datasets")
    if not isinstance(datasets, list):
        return ()
    found = []
    for entry in datasets:
        if isinstance(entry, dict):
            folder = entry.get("folder_path") or entry.get("dataset_path")
            if isinstance(folder, str) and folder:
                found.append((folder, _use(entry, process, config)))
    return tuple(found)


def use_of(config: Mapping[str, Any] | None, folder: str) -> DatasetUse | None:
    """Return how a config reads one folder, its first entry of it; None where it does not.

    Args:
        config: As the backend stores it.
        folder: Absolute path, or the folder's name where the backend is another machine.
    """
    uses = uses_of(config)
    wanted = _plain(folder)
    for path, use in uses:
        if _plain(path) == wanted:
            return use
    name = posixpath.basename(wanted)
    return next((use for path, use in uses if posixpath.basename(_plain(path)) == name), None)


def _plain(path: str) -> str:
    return path.replace("\\", "/").rstrip("/")


def _use(
    entry: Mapping[str, Any], process: Mapping[str, Any], config: Mapping[str, Any] | None
) -> DatasetUse:
    train, model = _mapping(process.get("train")), _mapping(process.get("model"))
    extension = _text(entry.get("caption_ext")) or ".txt"
    return DatasetUse(
        resolutions=_resolutions(entry.get("resolution")),
        batch_size=_count(entry.get("batch_size")) or _count(train.get("batch_size")) or 1,
        gradient_accumulation=_count(train.get("gradient_accumulation")) or 1,
        steps=_count(train.get("steps")),
        num_repeats=_count(entry.get("num_repeats")) or 1,
        flip_x=entry.get("flip_x") is True,
        flip_y=entry.get("flip_y") is True,
        random_crop=entry.get("random_crop") is True,
        square_crop=entry.get("square_crop") is True,
        scale=_above_0(entry.get("scale")) or 1.0,
        is_regularisation=entry.get("is_reg") is True,
        num_frames=_count(entry.get("num_frames")) or 1,
        trigger_word=_text(entry.get("trigger_word")) or _text(process.get("trigger_word")),
        caption_ext="." + extension.removeprefix("."),
        default_caption=_text(entry.get("default_caption")),
        caption_dropout_rate=_share(entry.get("caption_dropout_rate")),
        arch=_text(model.get("arch")),
        job=_text(_mapping(_mapping(config).get("config")).get("name")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < 2**53 else None


def _above_0(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 2**53 and math.isfinite(value) else None


def _share(value: Any) -> float:
    number = _above_0(value)
    return number if number is not None and number <= 1 else 0.0


def _resolutions(value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    found = tuple(number for one in values if (number := _count(one)) is not None)
    return found or (512,)
