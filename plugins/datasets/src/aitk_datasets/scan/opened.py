"""Opening pictures of a folder and nothing else: no link is entered, no pipe waited for."""

from __future__ import annotations

import os
import stat
import struct
import warnings
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

PIXEL_LIMIT: Final = 89_478_485
"""Pillow's, beyond which it warns of a bomb; the trainer keeps it (datasets.md A1)."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""What the trainer opens under the names that it lists; it goes by content, too."""

BROKEN: Final = (
    OSError, SyntaxError, ValueError, EOFError, OverflowError, IndexError, KeyError, TypeError,
    RuntimeError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow's decoders raise on damaged data, as far as is known."""

# Said as a finding of the file; on the error stream it says nothing of which.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_FILE: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_UNFOLLOWED: Final = getattr(os, "O_NOFOLLOW", 0)
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


@contextmanager
def opened_file(folder: str, path: str) -> Iterator[BufferedReader]:
    """Give a regular file below a folder, for reading.

    Args:
        folder: Confined to a root already.
        path: Relative to it, `/` between its parts.

    Raises:
        OSError: It is not there, is no regular file, or a part of the path is a link.
    """
    descriptor = _opened(folder, path)
    # Before Python's own file is made of it, which refuses folders in words of its own.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(NOT_REGULAR)
    with os.fdopen(descriptor, "rb") as file:
        yield file


NOT_REGULAR: Final = "no regular file"


@contextmanager
def opened_picture(folder: str, path: str) -> Iterator[Image.Image]:
    """Give a picture that a scan has found sound, not loaded yet.

    Raises:
        Exception: One of `BROKEN`; it was changed since it was looked at.
    """
    with opened_file(folder, path) as file, Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > PIXEL_LIMIT:
            raise Image.DecompressionBombError
        yield image


def _opened(folder: str, path: str) -> int:
    *parents, name = path.split("/")
    if any(part in ("", ".", "..") for part in (*parents, name)):
        raise OSError("no plain path")
    if os.open not in os.supports_dir_fd or not _UNFOLLOWED:
        return _opened_by_path(folder, [*parents, name])
    if not parents:
        return os.open(os.path.join(folder, name), _FILE | _UNFOLLOWED)  # noqa: PTH118 - str paths
    current = os.open(folder, _FOLDER)
    try:
        for part in parents:
            following = os.open(part, _FOLDER | _UNFOLLOWED, dir_fd=current)
            os.close(current)
            current = following
        return os.open(name, _FILE | _UNFOLLOWED, dir_fd=current)
    finally:
        os.close(current)


def _opened_by_path(folder: str, parts: list[str]) -> int:
    """Open where the system cannot open below an opened folder, such as Windows."""
    path = folder
    for part in parts:
        path = os.path.join(path, part)  # noqa: PTH118 - str paths
        if os.path.islink(path):  # noqa: PTH114 - str paths
            raise OSError("a link")
    return os.open(path, _FILE)
