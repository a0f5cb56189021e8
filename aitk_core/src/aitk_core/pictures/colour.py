"""The small colour picture that pairs are compared by; imports Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import ExifTags, Image

from aitk_core.pictures.grey import UPRIGHT_BY_ORIENTATION
from aitk_core.pictures.sameness import COLOUR_SIDE

if TYPE_CHECKING:
    from aitk_core.pictures.sameness import Colours

_DRAFT: Final = (2 * COLOUR_SIDE, 2 * COLOUR_SIDE)


def read_colours(image: Image.Image) -> Colours:
    """Decode an opened picture and return its colours by area, (128, 128, 3) uint8 RGB.

    The first frame, with the EXIF rotation, alpha dropped, 16 bits cut to 8 by shifting.

    Args:
        image: Opened and not yet loaded; its pixel limit is the caller's to check.

    Raises:
        Exception: Whatever the decoder raises on damaged data.
    """
    if getattr(image, "n_frames", 1) > 1:
        image.seek(0)
    image.draft("RGB", _DRAFT)
    image.load()
    turn = UPRIGHT_BY_ORIENTATION.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    small = _as_rgb(image).resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX)
    return np.asarray(small if turn is None else small.transpose(turn))


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        levels = (np.asarray(image).clip(0, 0xFFFF) >> 8).astype(np.uint8)
        image = Image.fromarray(levels)
    elif image.mode == "P":
        # Straight to RGB, Pillow warns about transparency that is dropped here on purpose.
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")
