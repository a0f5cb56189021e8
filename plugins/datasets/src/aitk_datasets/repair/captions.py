"""The bytes of captions."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aitk_datasets.repair.plan import Encoding

_BOM: Final = "\ufeff"


class EncodingError(ValueError):
    """The bytes are not text in that encoding."""


def is_blank(data: bytes) -> bool:
    """Tell whether nothing is left without white space, BOM and zero-width spaces."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not text.strip("\ufeff\u200b \t\r\n\f\v")


def to_utf8(data: bytes, encoding: Encoding) -> bytes:
    """Return the same text as UTF-8, without BOM.

    Raises:
        EncodingError: The bytes are not text in that encoding, or are so in none that makes sense.
    """
    name: str = encoding
    if encoding == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # ASCII in UTF-16 has its zero bytes at one parity: the upper half of each unit.
        is_big = data[0::2].count(0) > data[1::2].count(0)
        name = "utf-16-be" if is_big else "utf-16-le"
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        raise EncodingError(f"no text in {encoding}: byte {error.start}") from error
    text = text.removeprefix(_BOM)
    if "\0" in text:
        raise EncodingError(f"as {encoding} it would hold NUL characters")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise EncodingError(f"as {encoding} it would hold broken characters") from error
