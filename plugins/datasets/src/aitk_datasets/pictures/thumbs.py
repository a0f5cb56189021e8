"""One small upright picture of one file, decoded where a crash of the decoder costs that file only.

Runs in worker processes. Nothing is written and no link is followed, neither the file's nor one
of a folder on the way to it.
"""

from __future__ import annotations

import io
from contextlib import aclosing
from typing import TYPE_CHECKING, BinaryIO, Final

from attrs import field, frozen
from PIL import ExifTags, Image, ImageOps

from aitk_datasets.scan.opened import (
    BROKEN,
    FORMATS,
    NOT_REGULAR,
    PIXEL_LIMIT,
    opened_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aitk_core.protocols import ToolContext

SIDE: Final = 320
"""Pixels of the longer side: a tile of 160 on a screen of two pixels a dot. Ours."""
_QUALITY: Final = 80
_TOO_LARGE: Final = "over the pixel limit, not decoded"


@frozen(kw_only=True)
class Task:
    """A file to make small."""

    folder: str
    path: str
    """Relative to the folder, `/` between its parts."""


@frozen(kw_only=True)
class Thumb:
    """A small picture, or why there is none."""

    data: bytes = field(default=b"", repr=False)
    """A JPEG of at most `SIDE` pixels on its longer side; empty where there is no picture."""
    width: int = 0
    height: int = 0
    why: str = ""
    """Why there is none, in our words: `does not decode`."""


async def read_thumbs(context: ToolContext, folder: Path, paths: Iterable[str]) -> dict[str, Thumb]:
    """Return a small picture for each path, or why there is none.

    Args:
        context: Its workers decode.
        folder: Of the dataset, confined to a root already.
        paths: As a walk of that folder found them; each is read once.
    """
    wanted = list(dict.fromkeys(paths))
    tasks = [Task(folder=str(folder), path=path) for path in wanted]
    async with aclosing(context.stream(thumb_of, tasks, lost=lost_thumb)) as results:
        made = [thumb async for thumb in results]
    return dict(zip(wanted, made, strict=True))


def lost_thumb(_task: Task) -> Thumb:
    """Return what is shown of a file at which a worker process died."""
    return Thumb(why="stops the decoder")


def thumb_of(task: Task) -> Thumb:
    """Return one file's small picture; whatever is wrong with it is part of the answer."""
    try:
        with opened_file(task.folder, task.path) as file:
            return _made(file)
    except OSError as error:
        is_other = str(error) == NOT_REGULAR
        return Thumb(why=NOT_REGULAR if is_other else "not read: gone, a link, or no permission")


def _made(file: BinaryIO) -> Thumb:
    try:
        return _small(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Thumb(why=_TOO_LARGE)
    except BROKEN:
        return Thumb(why="does not decode")


def _small(file: BinaryIO) -> Thumb:
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > PIXEL_LIMIT:
            return Thumb(why=_TOO_LARGE)
        if getattr(image, "n_frames", 1) > 1:
            image.seek(0)
        image.draft("RGB", (SIDE, SIDE))
        image.load()
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        # The colours under transparent pixels are shown: they are what is trained.
        small = _coloured(image)
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if orientation != 1:
        small.getexif()[ExifTags.Base.Orientation] = orientation
        small = ImageOps.exif_transpose(small)
    # A comment in the file would come along.
    small.info.clear()
    data = io.BytesIO()
    small.save(data, "JPEG", quality=_QUALITY)
    return Thumb(data=data.getvalue(), width=small.width, height=small.height)


def _coloured(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        import numpy as np

        # Converted at once, 16 bits would be cut to white.
        levels = (np.asarray(image).clip(0, 0xFFFF) >> 8).astype(np.uint8)
        return Image.fromarray(levels).convert("RGB")
    return image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")
