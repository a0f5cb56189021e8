"""Text of captions and paths, made fit to be shown: data, never instructions."""

from __future__ import annotations

import re
from typing import Final

_GAPS: Final = re.compile(r"\s+")


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
