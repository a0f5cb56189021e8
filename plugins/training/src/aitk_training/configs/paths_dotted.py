"""Changes of single values of a config by dotted path.

A path is relative to the config's `config` block, as the backend's own form writes it:
`process.0.train.steps`. `config.process.0.train.steps` is the same. A key with a dot in it
cannot be named.
"""

from __future__ import annotations

from copy import deepcopy
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import attrs

from aitk_core.configkeys.paths import index_of, overlap, same_json, split_path, to_pointer
from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitk_core.configkeys.paths import Keys

_MISSING: Final = object()


@attrs.frozen(kw_only=True)
class Change:
    """One value that an override changed."""

    path: str
    """Relative to `config`."""
    old: Any
    """None where the key was not there."""
    new: Any
    added: bool = False
    """The key was not there: the backend ignores keys that it does not know."""
    nearest: str | None = None
    """For an added key, the key beside it that it resembles."""


class _PathError(Exception):
    """A path that leads nowhere; the text says why."""


def apply_overrides(
    config: Mapping[str, Any], overrides: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[Change, ...]]:
    """Return a changed copy of a config, and what changed.

    Args:
        config: The whole job config; it is not touched.
        overrides: Dotted path to new value. A value that is the same already is no change.

    Raises:
        InvalidArgumentsError: With all paths that lead nowhere, or name the same place twice.
    """
    changed = deepcopy(dict(config))
    faults: list[dict[str, str]] = []
    changes: list[Change] = []
    for keys, path, value in _distinct(overrides, faults):
        try:
            change = _set(changed.get("config"), keys, value)
        except _PathError as error:
            faults.append(_fault(path, str(error)))
            continue
        if change is not None:
            changes.append(change)
    if faults:
        raise InvalidArgumentsError(
            f"override {faults[0]['message']}",
            remedy="give paths such as 'process.0.train.steps' that lead to a key of the config",
            faults=faults,
        )
    return changed, tuple(changes)


def _fault(path: str, message: str) -> dict[str, str]:
    return {"path": to_pointer(["overrides", path]), "message": f"{path!r}: {message}"}


def _distinct(
    overrides: Mapping[str, Any], faults: list[dict[str, str]]
) -> Iterator[tuple[Keys, str, Any]]:
    taken: list[Keys] = []
    for path, value in overrides.items():
        try:
            parts = split_path(path)
        except InvalidArgumentsError as error:
            faults.append(_fault(path, str(error)))
            continue
        keys = parts[1:] if parts[0] == "config" else parts
        if not keys:
            faults.append(_fault(path, "must be keys of the config with single dots between them"))
        elif any(overlap(keys, other) for other in taken):
            faults.append(_fault(path, "overlaps with another override"))
        else:
            taken.append(keys)
            yield keys, path, value


def _set(inner: object, keys: Keys, value: Any) -> Change | None:
    parent: Any = inner
    if not isinstance(parent, dict):
        raise _PathError("the config has no object 'config'")
    for depth, key in enumerate(keys[:-1]):
        parent = _child(parent, key, keys[:depth])
    last, where = keys[-1], keys[:-1]
    path = ".".join(keys)
    if isinstance(parent, list):
        index = _index(parent, last, where)
        old = parent[index]
        parent[index] = deepcopy(value)
        return None if same_json(old, value) else Change(path=path, old=old, new=value)
    if not isinstance(parent, dict):
        raise _PathError(f"{'.'.join(where)!r} is a single value and has no keys")
    old = parent.get(last, _MISSING)
    parent[last] = deepcopy(value)
    if old is _MISSING:
        close = get_close_matches(last, [key for key in parent if key != last], n=1)
        nearest = close[0] if close else None
        return Change(path=path, old=None, new=value, added=True, nearest=nearest)
    return None if same_json(old, value) else Change(path=path, old=old, new=value)


def _child(parent: Any, key: str, where: Keys) -> Any:
    if isinstance(parent, list):
        return parent[_index(parent, key, where)]
    if not isinstance(parent, dict):
        raise _PathError(f"{'.'.join(where)!r} is a single value and has no keys")
    if key not in parent:
        names = [each for each in parent if isinstance(each, str)]
        close = get_close_matches(key, names, n=1, cutoff=0.5)
        hint = f", did you mean {close[0]!r}" if close else f"; there are: {', '.join(names)}"
        raise _PathError(f"there is no {key!r} in {'.'.join(where) or 'config'!r}{hint}")
    return parent[key]


def _index(parent: list[Any], key: str, where: Keys) -> int:
    index = index_of(key)
    if index is None:
        raise _PathError(f"{'.'.join(where)!r} is a list: {key!r} is no index")
    if index >= len(parent):
        raise _PathError(f"{'.'.join(where)!r} has {len(parent)} items: there is no index {key}")
    return index
