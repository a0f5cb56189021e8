"""The SHA-256 of bytes and of open files, as journals and the scan's cache keep it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import BufferedReader


def sha256_of_bytes(data: bytes) -> str:
    """Return the digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(opened: BufferedReader) -> str:
    """Return the digest of the rest of an open file in hexadecimal; reads it in pieces.

    Raises:
        OSError: It cannot be read.
    """
    return hashlib.file_digest(opened, "sha256").hexdigest()
