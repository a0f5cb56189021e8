"""Text and numbers in and about pictures: what others wrote is made harmless."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container

_STEERING: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories that break a line, turn the reading direction, show or mean nothing."""
_MARKS: Final = frozenset({"Mn", "Me"})
"""Marks above and below a letter: stacked ones would cover the lines around."""
_ABSENT: Final = "\N{REPLACEMENT CHARACTER}"
_FIXED: Final = (-4, 6)
"""Decimal exponents from which on, and below which, a number is written out."""
_GAPS: Final = re.compile(r"\s+")


def one_line(text: str | None, limit: int) -> str:
    """Return text of others as one line of at most `limit` characters.

    Characters that break lines or turn the direction become blanks, of stacked accents the first
    is kept.
    """
    kept: list[str] = []
    # Cut before and after: a name may have megabytes, and blanks may run together.
    for each in unicodedata.normalize("NFC", (text or "")[: limit * 4]):
        category = unicodedata.category(each)
        if category in _STEERING:
            kept.append(" ")
        elif category not in _MARKS or (kept and unicodedata.category(kept[-1]) not in _MARKS):
            kept.append(each)
    joined = " ".join("".join(kept).split())
    return joined if len(joined) <= limit else joined[: limit - 1].rstrip() + "…"


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


def drawable(text: str, glyphs: Container[int]) -> str:
    """Return the text with each character that the font lacks replaced."""
    return "".join(each if ord(each) in glyphs else _ABSENT for each in text)


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, `1e-4` for what is far from 1."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    exponent = int(power)
    if _FIXED[0] < exponent < _FIXED[1]:
        fixed = f"{value:,.{max(0, digits - 1 - exponent)}f}"
        return fixed.rstrip("0").rstrip(".") if "." in fixed else fixed
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{exponent}"


def counted(count: int, noun: str) -> str:
    """Return `1 pause`, `2 pauses`: nouns whose plural ends in s."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
