"""Whether a broken file ends too early, told by the lengths that its container states.

Decoders do not tell: to Pillow a WebP that was cut has no readable header, and one changed byte in
the packed pixels of a whole PNG may look like an end of the data.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

_PNG_SIGNATURE: Final = 8
_MOST_CHUNKS: Final = 100_000
"""Ours: of a PNG that are followed; the largest real ones have some thousand."""


def ends_early(file: BinaryIO, form: str | None, size_bytes: int) -> bool | None:
    """Tell whether data are missing at the end; None where the format states no lengths.

    PNG: chunks of a stated length up to one called IEND (PNG third edition, section 5.3). WebP: a
    RIFF whose second word is the length of what follows it (RFC 9649, section 2.3).

    Args:
        file: Opened for reading; its position moves.
        form: `PNG`, `WEBP` or anything else, by the first bytes.
        size_bytes: Of the file.

    Raises:
        OSError: It cannot be read.
    """
    if form == "PNG":
        return _png_ends_early(file, size_bytes)
    if form == "WEBP":
        file.seek(4)
        (length,) = struct.unpack("<I", file.read(4))
        return bool(8 + length > size_bytes)
    return None


def _png_ends_early(file: BinaryIO, size_bytes: int) -> bool | None:
    place = _PNG_SIGNATURE
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:  # noqa: PLR2004 - length and name of a chunk
            return True
        length, name = struct.unpack(">I4s", head)
        place += 12 + length
        if place > size_bytes:
            # A name that is none: a length was changed, and nothing follows from it.
            return True if name.isalpha() else None
        if name == b"IEND":
            return False
    return None
