"""Numbers, sizes and other people's texts as a person reads them."""

from __future__ import annotations

import re
from typing import Final

_GAPS: Final = re.compile(r"\s+")
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")
_STEP: Final = 1024


def counted(count: int, word: str) -> str:
    """Return a number of things: `1 picture`, `3 pictures`."""
    return f"{count} {word}" + ("" if count == 1 else "s")


def shown(text: str, limit: int = 120) -> str:
    """Return one line: blanks joined, what cannot be printed escaped, the end cut off.

    Args:
        text: Untrusted; may hold unpaired surrogates, as names of files do.
        limit: Characters at most, 1 or more; a text that was cut ends in an ellipsis.
    """
    # Far more than is kept, for blanks and what they hide.
    line = _GAPS.sub(" ", text[: 20 * limit]).strip()
    clean = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in line[: limit + 1]
    )
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + "\u2026"


def size_text(count: int) -> str:
    """Return bytes for people: `512 B`, `1.5 MiB`."""
    if count < _STEP:
        return f"{count} B"
    value = float(count)
    for unit in _UNITS:
        value /= _STEP
        if value < _STEP or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}"
