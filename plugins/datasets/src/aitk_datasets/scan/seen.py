"""What one look at one file gives: facts for people, prints for the search of duplicates."""

from __future__ import annotations

from typing import Final, NamedTuple

from attrs import frozen

from aitk_core.evidence.dataset import ImageFile

METHOD: Final = 3
"""Rises whenever a look at the same bytes gives something else: what is cached is then void."""


class Identity(NamedTuple):
    """What changes when a file's content does, as far as the file system tells."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int


@frozen(kw_only=True)
class Seen:
    """One file that was looked at."""

    identity: Identity
    file: ImageFile
    prints: bytes = b""
    """dd128 and p64 of the picture, then of its mirror image: 48 bytes. Empty: nearly plain, or
    not decoded."""
