"""Text from prompts and file names, made fit to be shown."""

from __future__ import annotations

import re
from typing import Final

_GAPS: Final = re.compile(r"\s+")


def plain(text: str, limit: int) -> str:
    """Return one line of text: blanks joined, what cannot be printed escaped, the end cut off.

    Control characters, marks that turn the direction of text, and unpaired surrogates become
    backslash escapes, so that they are seen and do nothing.

    Args:
        text: Untrusted.
        limit: Characters at most, 1 or more; a text that was cut ends in an ellipsis.
    """
    # Far more than is kept, for blanks and what they hide.
    line = _GAPS.sub(" ", text[: 20 * limit]).strip()
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in line[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "\u2026"


def file_name(path: str, limit: int = 60) -> str:
    """Return the last part of a path, made fit to be shown."""
    return plain(re.split(r"[\\/]", path)[-1], limit)
