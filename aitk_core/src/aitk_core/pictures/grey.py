"""The 8-bit grey picture that every check reads (datasets.md section A5.1); imports Pillow.

One decode serves all: a JPEG is decoded at a fraction of its size, and still every byte of its
data is read, so that one which is cut off is found (section A4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from attrs import frozen
from PIL import ExifTags, Image

from aitk_core.pictures.hashes import SIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

Levels = npt.NDArray[np.uint8]

LEAST_SIDE: Final = 320
"""Pixels of the longer side that are kept at least; a smaller picture is not enlarged."""
LONGEST_SIDE: Final = 2 * LEAST_SIDE
"""Pixels of the longer side beyond which a picture is reduced, by whole numbers. Exactly 512, as
in section A5.1, costs two thirds of the decoding more (ours)."""

UPRIGHT_BY_ORIENTATION: Final[Mapping[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation (EXIF 2.32, tag 0x0112), as `PIL.ImageOps.exif_transpose` turns it."""


@frozen(kw_only=True, eq=False)
class Grey:
    """A picture as grey levels 0 to 255, upright."""

    levels: Levels
    """(H, W), read-only, the longer side at most `LONG_SIDE`."""
    counts: npt.NDArray[np.int64]
    """(256,) pixels of `levels` by level."""
    thumbnail: Levels
    """(128, 128) means by area, whatever the sides: what hashes are made of."""


def read_grey(image: Image.Image) -> Grey:
    """Decode an opened picture and return its grey levels.

    The first frame, with the EXIF rotation, Rec. 601 luma, alpha dropped and not composited, 16
    bits cut to 8 by shifting: `convert` alone clips them to white (section E1).

    Args:
        image: Opened and not yet loaded, or a JPEG is decoded in full. It is loaded here, a JPEG
            at reduced size; its pixel limit is the caller's to check. Not thread-safe, as Pillow
            images are not.

    Raises:
        Exception: Whatever the decoder raises on damaged data, mostly `OSError` and `SyntaxError`;
            a file that is cut off is an `OSError`.
    """
    if getattr(image, "n_frames", 1) > 1:
        image.seek(0)
    # Pillow keeps both sides at least as long as asked.
    longest = max(image.size)
    across, down = (max(1, LEAST_SIDE * side // longest) for side in image.size)
    image.draft("L", (across, down))
    image.load()
    # A PNG may hold its EXIF data behind the pixels, so this comes after loading.
    turn = UPRIGHT_BY_ORIENTATION.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    small = _reduced(_as_grey(image))
    return _measured(small if turn is None else small.transpose(turn))


def grey_of(pixels: Levels) -> Grey:
    """Return the grey levels of pixels that are decoded already.

    Args:
        pixels: (H, W, 3) RGB or (H, W) grey, both sides at least 1.
    """
    return _measured(_reduced(_as_grey(Image.fromarray(np.ascontiguousarray(pixels)))))


def _as_grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).clip(0, 0xFFFF) >> 8).astype(np.uint8))
    if image.mode == "P":
        # Straight to grey, Pillow warns about transparency that is dropped here on purpose.
        image = image.convert("RGBA")
    # A CMYK JPEG stays CMYK through `draft`, without a word (section E1).
    return image if image.mode == "L" else image.convert("L")


def _reduced(image: Image.Image) -> Image.Image:
    factor = -(-max(image.size) // LONGEST_SIDE)
    return image if factor == 1 else image.reduce(factor)


def _measured(image: Image.Image) -> Grey:
    levels = np.asarray(image)
    levels.setflags(write=False)
    thumbnail = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))
    thumbnail.setflags(write=False)
    return Grey(
        levels=levels, counts=np.array(image.histogram(), dtype=np.int64), thumbnail=thumbnail
    )
