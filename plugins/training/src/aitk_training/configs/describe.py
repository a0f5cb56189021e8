"""What a config would train, told from whatever is left of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import attrs

from aitk_core.evidence.retention import retention

InfoSource: TypeAlias = Literal["config", "metadata"]

_TEXT_LIMIT: Final = 4000
"""Characters of one text; ours."""
_COUNTABLE: Final = 10_000
"""Step saves of one run that are listed at most; ours."""


@attrs.frozen(kw_only=True)
class Conflict:
    """A field that the config and its `training_metadata` tell differently."""

    field: str
    config: Any
    metadata: Any


@attrs.frozen(kw_only=True)
class TrainingInfo:
    """What a config says; None or empty where it says nothing usable."""

    name: str | None = None
    trigger_word: str | None = None
    model: str | None = None
    arch: str | None = None
    resolution: tuple[int, ...] = ()
    steps: int | None = None
    rank: int | None = None
    alpha: float | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    dataset_paths: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    save_every: int | None = None
    keep: int | None = None
    """Newest step checkpoints kept; 0 keeps all."""
    kept_checkpoints: tuple[int, ...] | None = None
    """Steps of the checkpoints that a fresh run leaves; None where it cannot be told."""
    has_metadata: bool = False
    sources: Mapping[str, InfoSource] = attrs.field(factory=dict)
    """Where each field that has a value comes from."""
    conflicts: tuple[Conflict, ...] = ()


def training_info(config: object) -> TrainingInfo:
    """Describe a config of any shape; it never fails.

    The job trains by its config block, so that comes first; `training_metadata` fills what the
    block does not say, and where both speak and differ that is a conflict.

    Args:
        config: A whole job config, or its `config` block alone.
    """
    whole = _object(config)
    inner = _object(whole.get("config")) or whole
    told = _from_config(inner)
    metadata = whole.get("training_metadata", inner.get("training_metadata"))
    noted = _from_metadata(_object(metadata))
    values: dict[str, Any] = {}
    sources: dict[str, InfoSource] = {}
    conflicts: list[Conflict] = []
    for field in told | noted:
        mine, theirs = told.get(field), noted.get(field)
        if _says(mine):
            values[field], sources[field] = mine, "config"
            if _says(theirs) and theirs != mine:
                conflicts.append(Conflict(field=field, config=mine, metadata=theirs))
        elif _says(theirs):
            values[field], sources[field] = theirs, "metadata"
    return TrainingInfo(
        **values,
        kept_checkpoints=_kept(values),
        has_metadata=isinstance(metadata, Mapping),
        sources=sources,
        conflicts=tuple(conflicts),
    )


def _from_config(inner: Mapping[str, Any]) -> dict[str, Any]:
    process = _first_object(inner.get("process"))
    model, network = _object(process.get("model")), _object(process.get("network"))
    train, save = _object(process.get("train")), _object(process.get("save"))
    datasets = [_object(each) for each in _list(process.get("datasets"))]
    # `rank` is the older key and wins (backend API, section 14.2).
    rank = _whole(network.get("rank"))
    return {
        "name": _text(inner.get("name")),
        "trigger_word": _text(process.get("trigger_word")),
        "model": _text(model.get("name_or_path")),
        "arch": _text(model.get("arch")),
        "resolution": _distinct(
            size for each in datasets for size in _sizes(each.get("resolution"))
        ),
        "steps": _whole(train.get("steps")),
        "rank": rank if rank is not None else _whole(network.get("linear")),
        "alpha": _number(network.get("linear_alpha", network.get("alpha"))),
        "learning_rate": _number(train.get("lr")),
        "batch_size": _whole(train.get("batch_size")),
        "dataset_paths": _distinct(filter(None, map(_folder, datasets))),
        "prompts": _prompts(_object(process.get("sample"))),
        "save_every": _whole(save.get("save_every")),
        "keep": _whole(save.get("max_step_saves_to_keep")),
    }


def _from_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    folder = _text(metadata.get("dataset_path"))
    return {
        "trigger_word": _text(metadata.get("trigger_word")),
        "model": _text(metadata.get("model_name")),
        "resolution": _sizes(metadata.get("resolution")),
        "steps": _whole(metadata.get("steps")),
        "rank": _whole(metadata.get("rank")),
        "alpha": _number(metadata.get("alpha")),
        "learning_rate": _number(metadata.get("learning_rate")),
        "dataset_paths": (folder,) if folder else (),
        "prompts": tuple(filter(None, map(_text, _list(metadata.get("test_prompts"))))),
    }


def _kept(values: Mapping[str, Any]) -> tuple[int, ...] | None:
    steps, every, keep = (values.get(key) for key in ("steps", "save_every", "keep"))
    if steps is None or every is None or keep is None or steps > _COUNTABLE * max(every, 1):
        return None
    return retention(steps=steps, save_every=every, keep=keep).kept


def _says(value: Any) -> bool:
    return value is not None and value != ()


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _first_object(value: object) -> Mapping[str, Any]:
    return next((each for each in _list(value) if isinstance(each, Mapping)), {})


def _text(value: object) -> str | None:
    bare = value.strip()[:_TEXT_LIMIT] if isinstance(value, str) else ""
    return bare or None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Only a float can be infinite, and a huge int does not convert.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _sizes(value: object) -> tuple[int, ...]:
    sizes = map(_whole, value if isinstance(value, list) else [value])
    return _distinct(size for size in sizes if size is not None)


def _distinct(values: Any) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _folder(dataset: Mapping[str, Any]) -> str | None:
    # The keys and their order: tool contract, section 0, dataset resolution.
    paths = (_text(dataset.get(key)) for key in ("folder_path", "dataset_path", "path"))
    return next(filter(None, paths), None)


def _prompts(sample: Mapping[str, Any]) -> tuple[str, ...]:
    # `prompts` is the legacy form, used only where `samples` is absent (backend API, 14.2).
    if "samples" in sample:
        found = (_text(_object(each).get("prompt")) for each in _list(sample["samples"]))
    else:
        found = (_text(each) for each in _list(sample.get("prompts")))
    return tuple(filter(None, found))
