"""What sheets of pictures share: colours, cells, and an encoding of bounded size."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from attrs import field, frozen
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

SheetTheme = Literal["light", "dark"]
SheetType = Literal["image/png", "image/jpeg"]

MAX_BYTES: Final = 1_000_000
"""Largest sheet: what hosts take inline without cutting; ours."""
_QUALITIES: Final = (90, 80, 65, 45)
_SHRINK: Final = 0.7


@frozen(kw_only=True)
class Sheet:
    """An encoded picture and the text that stands for it."""

    data: bytes = field(repr=False)
    """At most `MAX_BYTES`."""
    mime_type: SheetType
    alt: str
    """What is in it and what was left out, one line; may hold the words of others."""
    width: int
    height: int


class Colours(NamedTuple):
    """Of a sheet, each `#rrggbb`."""

    ground: str
    cell: str
    edge: str
    ink: str
    faint: str


THEMES: Final[Mapping[SheetTheme, Colours]] = {
    # Ink on ground has a contrast of 16 and 14, faint ink of 5.6 and 6.7 (WCAG 2.2 asks for 4.5).
    "light": Colours(
        ground="#ffffff", cell="#eef0f3", edge="#d0d6dc", ink="#1b1f24", faint="#59636e"
    ),
    "dark": Colours(
        ground="#16191d", cell="#24292f", edge="#3d444d", ink="#e9edf1", faint="#9aa4af"
    ),
}


def fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Return the whole picture, as large as the cell allows."""
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def encode(page: Image.Image) -> tuple[bytes, SheetType, Image.Image]:
    """Return bytes within `MAX_BYTES`: PNG, else JPEG, ever coarser, then smaller."""
    data = _encoded(page, "PNG")
    if len(data) <= MAX_BYTES:
        return data, "image/png", page
    while True:
        for quality in _QUALITIES:
            # 4:4:4 keeps coloured letters and edges clean. `optimize` fails on large noise.
            data = _encoded(page, "JPEG", quality=quality, subsampling=0)
            if len(data) <= MAX_BYTES:
                return data, "image/jpeg", page
        smaller = (max(1, round(side * _SHRINK)) for side in page.size)
        page = page.resize((next(smaller), next(smaller)), Image.Resampling.LANCZOS)


def _encoded(page: Image.Image, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    page.save(stream, kind, **options)
    return stream.getvalue()
