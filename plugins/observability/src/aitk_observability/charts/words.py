"""Text in and about charts: what others wrote is made harmless, numbers are made short."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container

    from aitk_core.records.findings import Finding

NAME_CHARS: Final = 80
"""Ours: as many as fit on one line of a picture 800 pixels wide."""
_STATUS_CHARS: Final = 30
_CODE_CHARS: Final = 40
_STEERING: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories that break a line, turn the reading direction, show or mean nothing."""
_MARKS: Final = frozenset({"Mn", "Me"})
"""Marks above and below a letter: stacked ones would cover the lines around."""
_ABSENT: Final = "\N{REPLACEMENT CHARACTER}"
_PLAIN_BELOW: Final = 10_000_000
_FIXED: Final = (-4, 6)
"""Decimal exponents from which on, and below which, a number is written out."""


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


def name_of(text: str | None) -> str:
    """Return a job's name for a title."""
    return one_line(text, NAME_CHARS) or "(no name)"


def status_of(text: str | None) -> str:
    """Return a job's status; whoever wrote the row may have invented one."""
    return one_line(text, _STATUS_CHARS) or "status unknown"


def drawable(text: str, glyphs: Container[int]) -> str:
    """Return the text with each character that the font lacks replaced."""
    return "".join(each if ord(each) in glyphs else _ABSENT for each in text)


def code_words(finding: Finding) -> str:
    """Return a finding's code in words: `LOSS_LEVEL_SHIFT` is `loss level shift`."""
    return one_line(finding.code.replace("_", " ").lower(), _CODE_CHARS)


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


def step_number(step: float) -> str:
    """Return a step, thousands apart."""
    return f"{round(step):,}" if abs(step) < _PLAIN_BELOW else number(step)


def counted(count: int, noun: str) -> str:
    """Return `1 pause`, `2 pauses`: nouns whose plural ends in s."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
