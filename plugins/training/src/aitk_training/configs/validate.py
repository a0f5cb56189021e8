"""What every config must fulfil before it is saved or sent; the full lint is another matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.json_values import json_faults
from aitk_core.configkeys.names import name_fault
from aitk_core.configkeys.paths import LONGEST_PATH, to_pointer
from aitk_core.configkeys.table import key_table
from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from collections.abc import Iterator

Fault = dict[str, str]

_BOUNDED: Final = (
    "train/steps",
    "train/batch_size",
    "train/gradient_accumulation",
    "train/lr",
    "network/linear",
    "network/linear_alpha",
    "network/conv",
    "network/conv_alpha",
    "save/save_every",
    "save/max_step_saves_to_keep",
    "sample/sample_every",
    "sample/width",
    "sample/height",
    "sample/sample_steps",
)
"""Numbers below `process[]` that must lie in the range of the key table."""
_RESOLUTION: Final = "datasets.0.resolution"
_REQUIRED: Final = frozenset({"train/steps"})
_MAY_BE_NULL: Final = frozenset({"save/save_every", "sample/sample_every"})
"""Null is the trainer's word for never (backend API, section 14.2)."""


def check_config(config: object, *, name: str | None = None) -> None:
    """Refuse a config that must not be saved or sent.

    Args:
        config: The whole job config.
        name: Name of the job or file it is meant for, if it has one already.

    Raises:
        InvalidArgumentsError: With all faults at once.
        TooLargeError: It is more than a config can be.
    """
    faults = config_faults(config, name=name)
    if faults:
        first = faults[0]
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise InvalidArgumentsError(
            f"the config cannot be used: {first['message']} at {first['path'] or '/'!r}{more}",
            remedy="correct the values that the faults name",
            faults=faults,
        )


def config_faults(config: object, *, name: str | None = None) -> list[Fault]:
    """Return all faults of a config, each with its JSON pointer.

    Raises:
        TooLargeError: It is more than a config can be.
    """
    if not isinstance(config, Mapping):
        return [_fault("", "a config must be an object")]
    faults = [
        _fault(to_pointer(each.keys)[:LONGEST_PATH], each.message) for each in json_faults(config)
    ]
    inner = config.get("config")
    if not isinstance(inner, Mapping):
        return [*faults, _fault("/config", "the object with name and process is missing")]
    faults += _name_faults(inner, name)
    processes = inner.get("process")
    if not isinstance(processes, Sequence) or isinstance(processes, str) or not processes:
        return [*faults, _fault("/config/process", "must be a list with at least one process")]
    for index, process in enumerate(processes):
        here = f"/config/process/{index}"
        if isinstance(process, Mapping):
            faults += _process_faults(process, here)
        else:
            faults.append(_fault(here, "a process must be an object"))
    return faults


def _fault(path: str, message: str) -> Fault:
    return {"path": path, "message": message}


def _name_faults(inner: Mapping[str, Any], name: str | None) -> Iterator[Fault]:
    own = inner.get("name")
    problem = name_fault(own)
    if problem is None and own != str(own).strip():
        problem = "a name may not begin or end with white space"
    if problem is not None:
        yield _fault("/config/name", problem)
    elif name is not None and own != name:
        yield _fault("/config/name", f"must be the name of the job, {name!r}, not {own!r}")


def _process_faults(process: Mapping[str, Any], here: str) -> Iterator[Fault]:
    kind = process.get("type")
    if not isinstance(kind, str) or not kind:
        yield _fault(f"{here}/type", "must name the kind of process")
    # A captioner has no steps and none of the blocks below.
    if isinstance(process.get("caption"), Mapping) and "train" not in process:
        return
    for key in _BOUNDED:
        yield from _bounded(process, here, key)
    datasets = process.get("datasets")
    for index, dataset in enumerate(datasets if isinstance(datasets, list) else ()):
        if isinstance(dataset, Mapping) and "resolution" in dataset:
            where = f"{here}/datasets/{index}/resolution"
            yield from _resolution_faults(dataset["resolution"], where)


def _bounded(process: Mapping[str, Any], here: str, key: str) -> Iterator[Fault]:
    block_name, _, leaf = key.partition("/")
    block = process.get(block_name)
    if not isinstance(block, Mapping):
        if block is not None:
            yield _fault(f"{here}/{block_name}", "must be an object")
        elif key in _REQUIRED:
            yield _fault(f"{here}/{key}", "is missing")
        return
    if leaf not in block:
        if key in _REQUIRED:
            yield _fault(f"{here}/{key}", "is missing")
        return
    if block[leaf] is None and key in _MAY_BE_NULL:
        return
    problem = _number_fault(block[leaf], key.replace("/", "."))
    if problem:
        yield _fault(f"{here}/{key}", problem)


def _resolution_faults(value: object, where: str) -> Iterator[Fault]:
    if not isinstance(value, list):
        problem = _number_fault(value, _RESOLUTION)
        if problem:
            yield _fault(where, problem)
        return
    if not value:
        yield _fault(where, "must hold at least one resolution")
    for index, each in enumerate(value):
        problem = _number_fault(each, _RESOLUTION)
        if problem:
            yield _fault(f"{where}/{index}", problem)


def _number_fault(value: object, key: str) -> str | None:
    known = key_table().find(f"config.process.0.{key}")
    low, high = (known.minimum, known.maximum) if known else (None, None)
    whole = known is not None and "number" not in known.types
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be {kind}, not {str(value)[:60]!r}"
    if whole and not (isinstance(value, int) or value.is_integer()):
        return f"must be {kind}, not {value!r}"
    if low is not None and high is not None and not low <= value <= high:
        return f"must be from {low:g} to {high:g}, not {value!r}"
    return None
