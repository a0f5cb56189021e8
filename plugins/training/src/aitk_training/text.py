"""Text for people: what others wrote is kept to one short line, numbers get their units."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME_CHARS: Final = 120
"""Ours: our own names have at most 100."""
INFO_CHARS: Final = 300
"""Ours: the first line of an exception is mostly shorter."""

_BREAKING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that end a line, steer a terminal or turn the reading direction."""
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def one_line(text: str | None, limit: int = INFO_CHARS) -> str:
    """Return text of others as one line of at most `limit` characters.

    Names and messages come from the backend's rows, which anyone may have written.
    """
    # Cut before and after: a message may have megabytes, and blanks may run together.
    plain = "".join(
        " " if unicodedata.category(each) in _BREAKING else each
        for each in (text or "")[: limit * 4]
    )
    joined = " ".join(plain.split())
    return joined if len(joined) <= limit else joined[: limit - 3] + "..."


def name_of(text: str | None) -> str:
    """Return a job's name for a line of text."""
    return one_line(text, NAME_CHARS) or "(no name)"


def duration(seconds: float) -> str:
    """Return a time span as a person says it: `42 s`, `5 min 10 s`, `3 h 20 min`, `2 d 4 h`."""
    if not math.isfinite(seconds):
        return "unknown"
    whole = round(max(0.0, seconds))
    for unit_s, unit, below_s, below in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit_s:
            rest = whole % unit_s // below_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def bullets(lines: Iterable[tuple[str, object]]) -> list[str]:
    """Return `- name: value` for each pair that has a value."""
    return [f"- {name}: {value}" for name, value in lines if value not in (None, "")]
