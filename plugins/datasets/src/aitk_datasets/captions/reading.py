"""Reads captions as bytes and says what the trainer makes of them (datasets.md A1 and A8).

The trainer opens a caption as strict UTF-8, outside of the `try` that shields it from broken
pictures: a caption that is no UTF-8 stops the run. Which other encoding it is in is a guess, made
in the order of A8: UTF-16 by its mark or by where its NUL bytes stand, then cp1252 (there 0x92 is
a quote), then Latin-1, which decodes anything.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from typing import TYPE_CHECKING, Final, Literal

from attrs import frozen

from aitk_core.evidence.dataset import CaptionFile

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.evidence.dataset import CaptionProblem

LIMIT_BYTES: Final = 65_536
"""Of one caption that are read (datasets.md A8). Even, so that UTF-16 is not cut in a unit."""

Encoding = Literal["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]

_NUL_SHARE: Final = 0.3
"""Of the bytes at even or at odd places, in UTF-16 text of any script with ASCII blanks: A8."""
_DOUBTFUL_SHARE: Final = 0.5
"""Ours, of bytes over 0x7F: six texts with many accents had at most 0.27 in cp1252; ten in Russian,
Greek, Hebrew, Japanese, Chinese and Korean at least 0.79 in their old encodings. Czech and Polish
(four, 0.09 to 0.53) cannot be told from cp1252 by it."""
_UTF8_MARK: Final = codecs.BOM_UTF8
_UTF16_MARKS: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")
_MOJIBAKE_SIGNS: Final = ("\u00c3", "\u00e2\u20ac", "\u00c2")
"""The first letters of a UTF-8 sequence that was read as cp1252: A8."""
_BYTES: Final = {chr(byte): byte for byte in range(256)} | {
    letter: byte
    for byte in range(256)
    if (letter := bytes([byte]).decode("cp1252", errors="ignore"))
}
"""Of letters of Latin-1 and cp1252; the two differ at 0x80 to 0x9F and never contradict."""


@frozen(kw_only=True)
class Decoded:
    """Bytes as text, with what it takes to get the bytes back."""

    text: str
    """Without the mark in front. What could not be decoded is U+FFFD."""
    encoding: Encoding
    codec: str
    """Python's codec of the bytes after the mark, such as `utf-16-le`."""
    mark: bytes = b""
    """The byte order mark in front, if any."""
    is_utf8: bool
    """Whether the trainer can open it."""
    is_exact: bool
    """Whether encoding the text gives the bytes again. Only then may a repair replace them."""
    is_doubtful: bool = False
    """The guess of cp1252 or Latin-1 is poor: it rather is an old encoding of another script."""

    def encoded(self) -> bytes:
        """Return the text as it was written.

        Raises:
            UnicodeEncodeError: The text has been replaced in part (`is_exact` is False).
        """
        return self.mark + self.text.encode(self.codec)


def decode(data: bytes, *, is_cut: bool = False) -> Decoded:
    """Return the text of a caption's bytes. Any bytes give some text.

    Args:
        data: The file's content, or its beginning.
        is_cut: More bytes follow, so that a character may be cut at the end.
    """
    for mark, codec in _UTF16_MARKS:
        if data.startswith(mark):
            return _utf16(data, mark, codec, is_cut=is_cut)
    unmarked = _codec_of_nuls(data)
    if unmarked is not None:
        found = _utf16(data, b"", unmarked, is_cut=is_cut)
        if found.is_exact:
            return found
    mark = _UTF8_MARK if data.startswith(_UTF8_MARK) else b""
    body = data[len(mark) :]
    text = _strictly_utf8(body, is_cut=is_cut)
    if text is not None:
        return Decoded(
            text=text,
            encoding="utf-8-sig" if mark else "utf-8",
            codec="utf-8",
            mark=mark,
            is_utf8=True,
            is_exact=len(text.encode()) == len(body),
        )
    return _one_byte(body, mark)


def caption_of(
    path: str, data: bytes, *, size_bytes: int | None = None, is_generated: bool = False
) -> CaptionFile:
    """Return what is known of a caption from its bytes. Total: any bytes give a record.

    Args:
        path: Relative to the dataset's folder.
        data: The file's content; of a long file the first `LIMIT_BYTES` at least.
        size_bytes: The file's length, where `data` may be its beginning only.
        is_generated: Whether this server wrote it and nobody has changed it since.
    """
    length = len(data) if size_bytes is None else max(size_bytes, len(data))
    is_cut = length > min(len(data), LIMIT_BYTES)
    decoded = decode(data[:LIMIT_BYTES], is_cut=is_cut)
    checks: tuple[tuple[CaptionProblem, bool], ...] = (
        ("not_utf8", not decoded.is_utf8),
        ("control_chars", _CONTROL.search(_as_trained(decoded)) is not None),
        ("bom", decoded.mark == _UTF8_MARK),
        ("mojibake", mended(decoded.text) is not None),
        ("multiline", sum(1 for line in _LINE_ENDS.split(decoded.text) if line.strip()) > 1),
        ("too_long", is_cut),
    )
    return CaptionFile(
        path=path,
        size_bytes=length,
        text=decoded.text,
        encoding=decoded.encoding,
        problems=tuple(problem for problem, is_there in checks if is_there),
        is_generated=is_generated,
    )


def read_caption(file: Path, path: str, *, is_generated: bool = False) -> CaptionFile:
    """Read one caption, at most its first `LIMIT_BYTES`. Blocks on the disk.

    A link is not followed, though the trainer follows it: what it leads to may lie anywhere. Nor
    does this wait on a pipe or read a device.

    Args:
        file: Where it lies; its folder must have been checked already.
        path: The same, relative to the dataset's folder.
        is_generated: As in `caption_of`.

    Raises:
        FileNotFoundError: There is none.
        OSError: It is a link, no plain file, or cannot be read.
    """
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    if not hasattr(os, "O_NOFOLLOW") and file.is_symlink():
        raise OSError(f"{path!r} is a link")
    descriptor = os.open(file, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path!r} is no plain file")
        data = bytearray()
        while len(data) <= LIMIT_BYTES:
            part = os.read(descriptor, LIMIT_BYTES + 1 - len(data))
            if not part:
                break
            data += part
    finally:
        os.close(descriptor)
    return caption_of(
        path,
        bytes(data),
        size_bytes=max(status.st_size, len(data)),
        is_generated=is_generated,
    )


def mended(text: str) -> str | None:
    """Return text without mojibake, or None where there is none to mend.

    UTF-8 that was read as cp1252 and written again turns `é` into two letters. Text is taken for
    such where all of it turns back and gets shorter, and it either holds one of the signs of A8
    or has two such sequences (ours: scripts other than Latin have none of the signs).
    """
    if text.isascii():
        return None
    codes = [_BYTES.get(letter) for letter in text]
    if None in codes:
        return None
    try:
        mended_text = bytes(code for code in codes if code is not None).decode()
    except UnicodeDecodeError:
        return None
    has_sign = any(sign in text for sign in _MOJIBAKE_SIGNS)
    changed = len(text) - len(mended_text)
    return mended_text if changed > 1 or (changed and has_sign) else None


def is_doubtful_guess(text: str) -> bool:
    """Tell whether text that was decoded as cp1252 or Latin-1 is hardly in either.

    Then it rather is an old encoding of Cyrillic, Greek, Hebrew, Chinese, Japanese or Korean, and
    must not be written as UTF-8 before someone has looked at it.
    """
    return sum(letter > "\x7f" for letter in text) > _DOUBTFUL_SHARE * len(text)


def _as_trained(decoded: Decoded) -> str:
    """Return what the trainer reads, for NULs between letters of UTF-16 that passes as UTF-8."""
    if decoded.encoding == "utf-16" and decoded.is_utf8:
        return decoded.encoded().decode("utf-8")
    return decoded.text


def _codec_of_nuls(data: bytes) -> str | None:
    if b"\0" not in data:
        return None
    even, odd = data[::2], data[1::2]
    at_even = even.count(0) >= _NUL_SHARE * len(even)
    at_odd = bool(odd) and odd.count(0) >= _NUL_SHARE * len(odd)
    if at_even == at_odd or not odd:
        return None
    return "utf-16-be" if at_even else "utf-16-le"


def _utf16(data: bytes, mark: bytes, codec: str, *, is_cut: bool) -> Decoded:
    body = data[len(mark) :]
    text = codecs.getincrementaldecoder(codec)("replace").decode(body, final=not is_cut)
    return Decoded(
        text=text,
        encoding="utf-16",
        codec=codec,
        mark=mark,
        is_utf8=_strictly_utf8(data, is_cut=is_cut) is not None,
        is_exact=text.encode(codec, "replace") == body,
    )


def _strictly_utf8(data: bytes, *, is_cut: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data, final=not is_cut)
    except UnicodeDecodeError:
        return None


def _one_byte(body: bytes, mark: bytes) -> Decoded:
    encoding: Encoding = "cp1252"
    try:
        text = body.decode("cp1252")
    except UnicodeDecodeError:
        encoding, text = "latin-1", body.decode("latin-1")
    return Decoded(
        text=text,
        encoding=encoding,
        codec=encoding,
        mark=mark,
        is_utf8=False,
        is_exact=True,
        is_doubtful=is_doubtful_guess(text),
    )
