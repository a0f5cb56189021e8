"""What one look at one file gives: facts for people, prints for the search of duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from attrs import frozen

from aitk_core.evidence.dataset import ImageFile

if TYPE_CHECKING:
    from aitk_core.pictures.grey import Levels

METHOD: Final = 1
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
    thumb: bytes = b""
    """32x32 grey means, one byte each."""


def thumb_of(thumbnail: Levels) -> bytes:
    """Return the 32x32 means of a (128, 128) thumbnail, to confirm a pair by (datasets.md A5.7)."""
    import numpy as np

    means = thumbnail.reshape(32, 4, 32, 4).mean(axis=(1, 3), dtype=np.float32)
    return means.round().astype(np.uint8).tobytes()
