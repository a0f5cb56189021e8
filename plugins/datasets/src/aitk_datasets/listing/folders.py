"""What one walk over a folder shows; nothing is opened."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final

from aitk_core.wording import shown
from aitk_datasets.folder.names import parts_of, stem_of
from aitk_datasets.folder.walk import walk
from aitk_datasets.listing.records import Captions, DatasetLine, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from aitk_datasets.folder.walk import Listing

_EXAMPLES: Final = 3
"""Ours: paths that a problem names here; inspect-dataset names more."""


def names_below(root: Path) -> tuple[str, ...]:
    """Return the folders directly below the datasets root, by name, hidden ones left out.

    A link to a folder counts, as it does for the backend; whether it leads out of the root is
    asked when it is walked.

    Raises:
        OSError: The root cannot be read.
    """
    with os.scandir(root) as entries:
        return tuple(
            sorted(entry.name for entry in entries if not entry.name.startswith(".") and _is(entry))
        )


def _is(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def look_into(folder: Path, name: str, check: Callable[[int], None] | None = None) -> DatasetLine:
    """Return what a walk shows of a folder; its jobs are not known yet.

    Raises:
        FileMissingError: It is gone.
        InvalidArgumentsError: It cannot be read.
    """
    listing = walk(folder, check=check)
    captioned = sum(image.caption is not None for image in listing.images)
    return DatasetLine(
        name=shown(name),
        images=len(listing.images),
        videos=len(listing.videos),
        bytes=sum(image.size_bytes for image in listing.images if not image.is_link),
        captions=Captions(
            with_caption=captioned,
            without_caption=len(listing.images) - captioned,
            orphans=len(listing.orphans),
        ),
        problems=problems_of(listing),
    )


def problems_of(listing: Listing) -> tuple[Problem, ...]:
    """Return what names and sizes alone show to be wrong."""
    stems = Counter(stem_of(image.path) for image in listing.images)
    empty = [each.path for each in listing.images if not each.size_bytes and not each.is_link]
    shared = [each.path for each in listing.images if stems[stem_of(each.path)] > 1]
    found = (
        ("IMAGE_EMPTY_FILE", empty),
        ("IMAGE_FORMAT_UNSUPPORTED", listing.unsupported),
        ("CAPTION_STEM_SHARED", shared),
        ("CAPTION_WRONG_CASE", listing.wrong_case),
        ("UNREADABLE", tuple(path for path, _why in listing.unread)),
    )
    return tuple(_problem(code, paths) for code, paths in found if paths)


def _problem(code: str, paths: Sequence[str]) -> Problem:
    return Problem(
        code=code, count=len(paths), examples=tuple(shown(path) for path in paths[:_EXAMPLES])
    )


def line_of_media(name: str, media: Iterable[str]) -> DatasetLine:
    """Return what the backend's list of media tells: counts, and nothing of sizes or captions.

    The backend leaves `.webm` out (API.md section 6), so there may be more videos than it says.
    """
    kinds = Counter(parts_of(path)[1] for path in media)
    return DatasetLine(
        name=shown(name),
        images=kinds["image"],
        videos=kinds["video"],
    )
