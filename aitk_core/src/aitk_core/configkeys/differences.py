"""The differences of two configs, value by value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from aitk_core.configkeys.paths import same_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.configkeys.paths import Keys

_MISSING: Final = object()


@attrs.frozen(kw_only=True)
class Difference:
    """One value that two configs do not share."""

    path: str
    """Relative to `config`; a value outside of that block has its path from the top."""
    a: Any
    b: Any
    kind: Literal["changed", "added", "removed"]


def config_diff(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what the second config has differently, in the order of the first one's keys.

    Objects are compared key by key, lists of objects item by item; other lists are one value.
    """
    return tuple(_differences(a, b, ()))


def _by_item(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict | list) for each in value)


def _differences(a: Any, b: Any, keys: Keys) -> Iterator[Difference]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys([*a, *b]):
            at_a, at_b = a.get(key, _MISSING), b.get(key, _MISSING)
            yield from _differences(at_a, at_b, (*keys, str(key)))
    elif isinstance(a, list) and isinstance(b, list) and (_by_item(a) or _by_item(b)):
        for index in range(max(len(a), len(b))):
            at_a = a[index] if index < len(a) else _MISSING
            at_b = b[index] if index < len(b) else _MISSING
            yield from _differences(at_a, at_b, (*keys, str(index)))
    elif a is _MISSING:
        yield Difference(path=_path(keys), a=None, b=b, kind="added")
    elif b is _MISSING:
        yield Difference(path=_path(keys), a=a, b=None, kind="removed")
    elif not same_json(a, b):
        yield Difference(path=_path(keys), a=a, b=b, kind="changed")


def _path(keys: Keys) -> str:
    return ".".join(keys[1:] if keys[0] == "config" and len(keys) > 1 else keys)
