"""Small pictures from untrusted image files; imports numpy and Pillow."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import numpy.typing as npt
from attrs import frozen
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

LONG_SIDE: Final = 256
"""Pixels of the longer side that are kept: a hash needs 128 (datasets.md section A5); ours."""

MAX_PIXELS: Final = 32 * 1024 * 1024
"""Largest picture that is decoded: twice a sample of 4096 x 4096, 128 MiB as RGBA. Ours."""

_FORMATS: Final = ("JPEG", "PNG", "WEBP")
"""What the trainer reads and writes as an image (API.md sections 12.5 and 13)."""

_SIDEWAYS: Final = range(5, 9)
"""EXIF orientations that exchange width and height."""


class UnreadablePictureError(ValueError):
    """The bytes are no picture, are damaged, or hold too many pixels; the message says which."""


@frozen(kw_only=True, eq=False)
class Picture:
    """A decoded picture."""

    width: int
    """Of the file, upright, in pixels."""
    height: int
    pixels: npt.NDArray[np.uint8]
    """(H, W, 3) RGB, read-only, the longer side at most `LONG_SIDE`; never enlarged."""


def read_picture(data: bytes) -> Picture:
    """Decode an image file: the first frame, upright, without alpha, reduced by area means.

    The content decides about the format, not the name. Damage inside a JPEG or a lossy WebP
    that leaves it whole is not seen by any decoder (datasets.md section A4).

    Args:
        data: A whole JPEG, PNG or WebP file.

    Raises:
        UnreadablePictureError: It is something else, damaged or cut off, or has more than
            `MAX_PIXELS` pixels; then nothing was decoded.
    """
    if not data:
        raise UnreadablePictureError("the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return _decoded(image)
    except UnreadablePictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except UnidentifiedImageError as error:
        raise UnreadablePictureError("no JPEG, PNG or WebP image") from error
    except Exception as error:  # decoders raise nearly anything on damaged data
        kind = type(error).__name__
        raise UnreadablePictureError(f"damaged or cut off ({kind})") from error


def _too_many_pixels() -> UnreadablePictureError:
    return UnreadablePictureError(f"more than {MAX_PIXELS:,} pixels")


def _decoded(image: Image.Image) -> Picture:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()
    # A JPEG is then decoded at a fraction of its size; whatever is cut off is still found.
    image.draft("RGB", (2 * LONG_SIDE, 2 * LONG_SIDE))
    image.load()
    if image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS:
        width, height = height, width
    upright = ImageOps.exif_transpose(image)
    small = _reduced(_as_rgb(upright))
    pixels = np.array(small, dtype=np.uint8)
    pixels.setflags(write=False)
    return Picture(width=width, height=height, pixels=pixels)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # `convert` alone clips to white (datasets.md section E1).
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _reduced(image: Image.Image) -> Image.Image:
    longest = max(image.size)
    if longest <= LONG_SIDE:
        return image
    width, height = (max(1, round(side * LONG_SIDE / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)
