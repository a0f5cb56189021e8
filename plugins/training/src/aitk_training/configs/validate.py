"""What every config must fulfil before it is saved or sent; the full lint is another matter."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from collections.abc import Iterator

Fault = dict[str, str]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}")
"""The backend joins names into folder paths and globs them (backend API, section 15, rule 1)."""

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in range(1, 10)}
)

_DEEPEST: Final = 64
"""Levels of nesting; ours. A job config of the form has 7."""


@attrs.frozen(kw_only=True)
class _Bound:
    """The range of a number; both ends are allowed."""

    low: float
    high: float
    whole: bool = True


# Below process[]. The ends are ours: wide enough for any real run, and they stop slips of units.
_BOUNDS: Final[Mapping[str, _Bound]] = {
    "train/steps": _Bound(low=1, high=10_000_000),
    "train/batch_size": _Bound(low=1, high=4096),
    "train/gradient_accumulation": _Bound(low=1, high=65_536),
    "train/lr": _Bound(low=1e-12, high=100.0, whole=False),
    "network/linear": _Bound(low=1, high=8192),
    "network/linear_alpha": _Bound(low=1e-6, high=65_536, whole=False),
    "network/conv": _Bound(low=1, high=8192),
    "network/conv_alpha": _Bound(low=1e-6, high=65_536, whole=False),
    "save/save_every": _Bound(low=0, high=10_000_000),
    "save/max_step_saves_to_keep": _Bound(low=0, high=100_000),
    "sample/sample_every": _Bound(low=0, high=10_000_000),
    "sample/width": _Bound(low=16, high=16_384),
    "sample/height": _Bound(low=16, high=16_384),
    "sample/sample_steps": _Bound(low=1, high=1000),
}
_RESOLUTION: Final = _Bound(low=16, high=16_384)
_REQUIRED: Final = frozenset({"train/steps"})
_MAY_BE_NULL: Final = frozenset({"save/save_every", "sample/sample_every"})
"""Null is the trainer's word for never (backend API, section 14.2)."""


def name_fault(name: object) -> str | None:
    """Return what is wrong with a job or config name, None if it can be used.

    White space around it is not held against it: `checked_name` takes it away.
    """
    if not isinstance(name, str):
        return f"a name must be a text, not {type(name).__name__}"
    bare = name.strip()
    if not _NAME.fullmatch(bare):
        return (
            "a name has 1 to 100 characters, only letters a to z, digits, dot, underscore, "
            "hyphen and space, and begins with a letter or digit"
        )
    if ".." in bare or bare.endswith("."):
        return "a name may not hold two dots in a row or end in a dot"
    if bare.partition(".")[0].rstrip().lower() in _RESERVED:
        return f"{bare!r} is a reserved device name on Windows"
    return None


def checked_name(name: object, *, path: str = "/name") -> str:
    """Return the name, white space around it removed.

    Args:
        name: What the caller gave.
        path: JSON pointer of the argument, for the fault.

    Raises:
        InvalidArgumentsError: It cannot be a job, file and folder name.
    """
    problem = name_fault(name)
    if problem is not None or not isinstance(name, str):
        shown = name[:120] if isinstance(name, str) else name
        raise InvalidArgumentsError(
            f"name {shown!r} cannot be used: {problem}",
            remedy="choose a short plain name, such as my_lora_v1",
            faults=[{"path": path, "message": str(problem)}],
        )
    return name.strip()


def check_config(config: object, *, name: str | None = None) -> None:
    """Refuse a config that must not be saved or sent.

    Args:
        config: The whole job config.
        name: Name of the job or file it is meant for, if it has one already.

    Raises:
        InvalidArgumentsError: With all faults at once.
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
    """Return all faults of a config, each with its JSON pointer."""
    if not isinstance(config, Mapping):
        return [_fault("", "a config must be an object")]
    faults = list(_value_faults(config))
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
    for key, bound in _BOUNDS.items():
        yield from _bounded(process, here, key, bound)
    datasets = process.get("datasets")
    for index, dataset in enumerate(datasets if isinstance(datasets, list) else ()):
        if isinstance(dataset, Mapping) and "resolution" in dataset:
            where = f"{here}/datasets/{index}/resolution"
            yield from _resolution_faults(dataset["resolution"], where)


def _bounded(process: Mapping[str, Any], here: str, key: str, bound: _Bound) -> Iterator[Fault]:
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
    problem = _number_fault(block[leaf], bound)
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


def _number_fault(value: object, bound: _Bound) -> str | None:
    kind = "a whole number" if bound.whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be {kind}, not {str(value)[:60]!r}"
    whole = isinstance(value, int) or value.is_integer()
    if bound.whole and not whole:
        return f"must be {kind}, not {value!r}"
    if not bound.low <= value <= bound.high:
        return f"must be from {bound.low:g} to {bound.high:g}, not {value!r}"
    return None


def _value_faults(config: Mapping[Any, Any]) -> Iterator[Fault]:
    """Yield the faults of single values anywhere: texts, numbers, keys, depth."""
    waiting: list[tuple[str, Any, int]] = [("", config, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > _DEEPEST:
            yield _fault(path[:200], f"is nested deeper than {_DEEPEST} levels")
            continue
        if isinstance(value, str):
            problem = _text_fault(value)
        elif isinstance(value, float) and not math.isfinite(value):
            problem = "must be a finite number"
        elif isinstance(value, Mapping):
            problem = next(filter(None, map(_key_fault, value)), None)
            waiting.extend((f"{path}/{_escaped(key)}", value[key], depth + 1) for key in value)
        elif isinstance(value, list | tuple):
            problem = None
            waiting.extend((f"{path}/{i}", each, depth + 1) for i, each in enumerate(value))
        else:
            known = value is None or isinstance(value, bool | int | float)
            problem = None if known else f"is of no JSON type: {type(value).__name__}"
        if problem:
            yield _fault(path, problem)


def _key_fault(key: object) -> str | None:
    if not isinstance(key, str):
        return f"key {key!r} must be a text"
    problem = _text_fault(key)
    return f"key {key[:60]!r} {problem}" if problem else None


def _text_fault(text: str) -> str | None:
    if "${" in text:
        # The trainer would put its own environment there, tokens included, and log it
        # (toolkit/config.py, replace_env_vars_in_string).
        return "may not hold '${': the trainer replaces it by its environment variables"
    if "\0" in text:
        return "may not hold a NUL character"
    if any("\ud800" <= each <= "\udfff" for each in text):
        return "may not hold half of a surrogate pair"
    return None


def _escaped(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
