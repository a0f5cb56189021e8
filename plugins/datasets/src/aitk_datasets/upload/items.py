"""What is to be uploaded, one picture at a time, and the pictures that come inside a call."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from attrs import define, frozen

from aitk_core.errors import TooLargeError
from aitk_datasets.upload.settings import UploadSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_datasets.arguments import UploadImage

CAPTION_CHARS: Final = 20_000
"""Ours: far beyond what any text encoder reads."""
_CHARS: Final = 1 << 20
"""Of base64 that are decoded at once. Ours."""
_BLANKS: Final = str.maketrans("", "", " \t\r\n")
_GROUP: Final = 4
"""Characters of base64 that stand for three bytes (RFC 4648 section 4)."""


class Refused(Exception):  # noqa: N818 - it refuses one item, and is no fault of the program
    """One item cannot be saved; the others may be."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the stable word, and what is wrong and what to do."""
        super().__init__(message)
        self.code = code


@frozen(kw_only=True)
class Item:
    """One picture, not read yet."""

    index: int
    given: str
    """Its name as it was given."""
    read: Callable[[], Iterator[bytes]]
    """Yields its bytes; raises `Refused`."""
    caption: Callable[[], str | None]
    """Returns its caption; raises `Refused`."""
    refusal: Refused | None = None
    """Why it cannot be saved, where that is known before it is read."""


@define
class Budget:
    """What is left of the limits of one upload."""

    limits: UploadSettings
    spent: int = 0

    def count(self, found: int) -> None:
        """Check the number of pictures.

        Raises:
            TooLargeError: There are more than the limit.
        """
        if found > self.limits.max_files:
            raise TooLargeError(
                f"{found} pictures are more than the {self.limits.max_files} of one upload",
                remedy="upload in parts, or raise AITK_UPLOAD_MAX_FILES",
                limit=self.limits.max_files,
            )

    def within(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the chunks of one file as long as they fit the limits.

        Raises:
            Refused: The file is too large.
            TooLargeError: The upload is.
        """
        size = 0
        for chunk in chunks:
            size += len(chunk)
            self.spent += len(chunk)
            if size > self.limits.max_file_bytes:
                raise Refused(
                    "FILE_TOO_LARGE",
                    f"the file has over {self.limits.max_file_bytes} bytes; make it smaller, or "
                    "raise AITK_UPLOAD_MAX_FILE_BYTES",
                )
            if self.spent > self.limits.max_bytes:
                raise TooLargeError(
                    f"the upload has over {self.limits.max_bytes} bytes",
                    remedy="upload in parts, or raise AITK_UPLOAD_MAX_BYTES",
                    limit=self.limits.max_bytes,
                )
            yield chunk


def inline_items(images: Sequence[UploadImage]) -> list[Item]:
    """Return the pictures that came inside the call."""
    return [_inline(index, image) for index, image in enumerate(images)]


def _inline(index: int, image: UploadImage) -> Item:
    return Item(
        index=index,
        given=image.filename,
        read=lambda: decoded(image.content),
        caption=lambda: None if image.caption is None else checked_caption(image.caption),
    )


def checked_caption(text: str) -> str:
    """Return a caption that can be written.

    Raises:
        Refused: It is blank, too long, or broken text.
    """
    if not text.strip():
        raise Refused("CAPTION_EMPTY", "the caption is blank; leave it out, or say what is shown")
    if len(text) > CAPTION_CHARS:
        raise Refused("CAPTION_TOO_LONG", f"the caption has over {CAPTION_CHARS} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        broken = True
    else:
        broken = "\0" in text
    if broken:
        raise Refused("CAPTION_INVALID", "the caption is no text: it holds broken characters")
    return text.removeprefix("\ufeff")


def decoded(text: str) -> Iterator[bytes]:
    """Yield what base64 stands for, a part at a time; blanks and line ends are passed over.

    Raises:
        Refused: It is not base64 (RFC 4648 section 4) with its padding.
    """
    rest, ended = "", False
    for begin in range(0, len(text), _CHARS):
        part = rest + text[begin : begin + _CHARS].translate(_BLANKS)
        whole = len(part) - len(part) % _GROUP
        part, rest = part[:whole], part[whole:]
        if part and ended:
            raise _not_base64()
        try:
            chunk = binascii.a2b_base64(part, strict_mode=True)
        # Not ASCII is a ValueError, which `binascii.Error` is, too.
        except ValueError as error:
            raise _not_base64() from error
        ended = ended or "=" in part
        if chunk:
            yield chunk
    if rest:
        raise _not_base64()


def _not_base64() -> Refused:
    return Refused(
        "CONTENT_NOT_BASE64", "the content is not base64; send the file's bytes as plain base64"
    )
