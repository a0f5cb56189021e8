"""Opening regular files of a folder and nothing else: no link is followed, no pipe waited for."""

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

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


@contextmanager
def opened_file(folder: str, path: str) -> Iterator[BufferedReader]:
    """Give a file of a folder, for reading.

    Raises:
        OSError: It cannot be opened, or is no regular file.
    """
    descriptor = os.open(os.path.join(folder, path), _FLAGS)  # noqa: PTH118 - str paths
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("no regular file")
        yield file


@contextmanager
def opened_picture(folder: str, path: str) -> Iterator[Image.Image]:
    """Give a picture that a scan has found sound, not loaded yet.

    Raises:
        Exception: One of `BROKEN`; it was changed since it was looked at.
    """
    with opened_file(folder, path) as file, Image.open(file, formats=FORMATS) as image:
        yield image
