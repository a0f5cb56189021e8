"""Places in a config: dotted paths for people and findings, JSON Pointers for patches.

A dotted path names the keys and list indexes from the top, as `Remedy.path` does:
`config.process.0.train.lr`. It cannot name a key with a dot in it; a JSON Pointer can.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from collections.abc import Iterable

Keys: TypeAlias = tuple[str, ...]

LONGEST_PATH: Final = 1000
"""Characters of a path; ours. The longest of the backend's form has 74."""

DEEPEST: Final = 64
"""Levels of nesting of a document, and keys of a path; ours. A config of the form has 7."""

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
_SHOWN: Final = 200


def split_path(path: str) -> Keys:
    """Return the keys of a dotted path.

    Raises:
        InvalidArgumentsError: An empty path or key, or too long a path.
    """
    keys = tuple(path.split(".", DEEPEST))
    if len(path) > LONGEST_PATH or len(keys) > DEEPEST or not all(keys):
        raise InvalidArgumentsError(
            f"path {path[:_SHOWN]!r} must be keys with single dots between them, "
            f"{DEEPEST} keys and {LONGEST_PATH} characters at most",
            remedy="write it like config.process.0.train.lr",
        )
    return keys


def join_path(keys: Iterable[str]) -> str:
    """Return keys as a dotted path to show: cut to 200 characters, the unprintable escaped."""
    path = ".".join(keys)
    cut = path if len(path) <= _SHOWN else f"{path[: _SHOWN - 3]}..."
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in cut)


def to_pointer(keys: Iterable[str]) -> str:
    """Return keys as a JSON Pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def from_pointer(pointer: str) -> Keys:
    """Return the keys of a JSON Pointer (RFC 6901).

    Raises:
        InvalidArgumentsError: It is none, or is longer than a path may be.
    """
    starts = not pointer or pointer.startswith("/")
    long = len(pointer) > LONGEST_PATH or pointer.count("/") > DEEPEST
    if long or not starts or _BAD_ESCAPE.search(pointer):
        raise InvalidArgumentsError(
            f"{pointer[:_SHOWN]!r} is no JSON Pointer of {DEEPEST} keys and {LONGEST_PATH} "
            "characters at most",
            remedy="write it like /config/process/0/train/lr, with ~1 for / and ~0 for ~",
        )
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:])


def index_of(key: str) -> int | None:
    """Return the list index that a key of a path names, None if it names none."""
    return int(key) if _INDEX.fullmatch(key) else None


def overlap(a: Keys, b: Keys) -> bool:
    """Return whether two places are the same, or one lies in the other."""
    shared = min(len(a), len(b))
    return a[:shared] == b[:shared]


def same_json(a: Any, b: Any) -> bool:
    """Return whether two JSON values are equal; true is not 1, 1 is 1.0 (RFC 6902, 4.6)."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_json(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same_json, a, b))
    return bool(a == b)
