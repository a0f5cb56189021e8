"""Letters in a picture: Pillow's own font, and what to do where it lacks a character."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, Literal

from PIL import ImageFont

from aitk_core.drawing.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import ImageDraw

Cut = Literal["end", "middle"]

_ABSENT: Final = "\uffff"
"""No character, so a font draws for it what it draws for all that it lacks."""
_KNOWN: Final = 4096
"""Characters that are remembered."""
_LONGEST: Final = 400
"""Characters of a line at most: more than the widest sheet has room for."""


class Lettering:
    """The font at one size."""

    def __init__(self, size: int, redact: Callable[[str], str]) -> None:
        """Load the font.

        Args:
            size: In pixels.
            redact: Takes secrets out of text; every text that is written goes through it.
        """
        self._redact = redact
        self._font = _font(size)
        self.height = round(size * 1.4)
        """Of a line, in pixels."""

    def write(
        self,
        pen: ImageDraw.ImageDraw,
        at: tuple[int, int],
        text: str,
        colour: str,
        room: int,
        *,
        cut: Cut = "end",
    ) -> None:
        """Write one line of untrusted text, cut to fit.

        Args:
            pen: Of the picture.
            at: Left and top.
            text: Any; see `shown`.
            colour: Of the letters.
            room: Width in pixels.
            cut: Where; names of files are told apart by their ends as often as by their beginnings.
        """
        pen.text(at, self.fitted(text, room, cut=cut), fill=colour, font=self._font)

    def fitted(self, text: str, room: int, *, cut: Cut = "end") -> str:
        """Return as much of the text as the room takes, with an ellipsis where it was cut."""
        # Before it is shortened, and again as it came out: an escape or a lost accent may be all
        # that hid one.
        line = self._redact(shown(self._redact(text)))
        if self.width_of(line) <= room:
            return line
        low, high = 0, len(line)
        while low < high:
            middle = (low + high + 1) // 2
            if self.width_of(_cut(line, middle, cut)) <= room:
                low = middle
            else:
                high = middle - 1
        return _cut(line, low, cut)

    def width_of(self, text: str) -> float:
        """Return the width of a line in pixels, as it is given: nothing is replaced."""
        return self._width(text)

    def _width(self, text: str) -> float:
        return float(self._font.getlength(text))


def _cut(line: str, kept: int, cut: Cut) -> str:
    if cut == "end":
        return line[:kept].rstrip() + "\u2026"
    ending = kept // 2
    return line[: kept - ending].rstrip() + "\u2026" + line[len(line) - ending :].lstrip()


def shown(text: str) -> str:
    r"""Return one line that the font can draw.

    A letter with an accent that the font lacks loses the accent; any other character that it lacks
    becomes an escape such as `\u4e2d`.
    """
    return "".join(_drawable(each) for each in plain(text, _LONGEST))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(_KNOWN)
def _glyph(character: str) -> tuple[tuple[int, int], bytes]:
    mask = _font(16).getmask(character)
    return mask.size, bytes(mask)


def _has(character: str) -> bool:
    return character == " " or _glyph(character) != _glyph(_ABSENT)


@lru_cache(_KNOWN)
def _drawable(character: str) -> str:
    if _has(character):
        return character
    parts = unicodedata.normalize("NFKD", character)
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    if bare and all(map(_has, bare)):
        return bare
    return character.encode("unicode_escape").decode("ascii")
