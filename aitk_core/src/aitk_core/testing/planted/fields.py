"""Base pictures: generated ones with the statistics of photographs, or photographs given.

`aitk_core.proving.pictures` makes such pictures too, for a few at a time. A planted folder needs
hundreds of a camera's shape that are sure to be sharp somewhere and exposed over most of the
range, so here the fields are single precision, the colours come from two fields, and every picture
has a hard edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.random import Generator

Size = tuple[int, int]
_Plane = npt.NDArray[np.float32]

_EXPONENTS: Final = (2.0, 2.6)
"""Power falls as 1/f^a: the range of natural images (datasets.md section E6)."""
_GRAIN: Final = (2.0, 6.0)
"""Standard deviation in levels of 255. Ours: never so little that a JPEG smooths all of it away."""
_RATIOS: Final = (0.6, 0.85)
"""Short side by long side; never square, so that a turned picture is seen to be turned. Ours."""
_ELLIPSE: Final = 2
"""Number of corners that stands for an ellipse: one less than a triangle has."""
_FFT_STEP: Final = 32
"""Fields are made with sides of this step and cut, since a prime length is slow to transform."""


def base_size(rng: Generator, sides: Size) -> Size:
    """Return width and height, the longer one within `sides`, both ends included."""
    long = int(rng.integers(sides[0], sides[1] + 1))
    short = max(1, round(long * rng.uniform(*_RATIOS)))
    return (long, short) if rng.random() < 0.5 else (short, long)  # noqa: PLR2004 - half of them


def generated_picture(rng: Generator, size: Size) -> Image.Image:
    """Return an RGB picture of random fields, a gradient, soft and hard shapes, and grain.

    Equal generators give equal pictures with one version of numpy and Pillow.
    """
    width, height = size
    light = _field(rng, size)
    down = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    across = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None]
    slope = rng.uniform(-0.8, 0.8, size=2).astype(np.float32)
    light += slope[0] * down + slope[1] * across
    quarter = (max(1, width // 4), max(1, height // 4))
    hue = np.asarray(Image.fromarray(_field(rng, quarter)).resize(size, Image.Resampling.BICUBIC))
    canvas = Image.fromarray(_coloured(rng, _unit(light), _unit(hue)))
    for _ in range(rng.integers(1, 3)):
        _shape(rng, canvas, softness=0.04)
    for _ in range(rng.integers(2, 6)):
        _shape(rng, canvas, softness=0.0)
    return _with_grain(rng, canvas)


def photograph(path: Path, longest: int) -> Image.Image:
    """Return a photograph upright, RGB, reduced to a longest side, without its metadata.

    Raises:
        OSError: It cannot be read.
    """
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Image.fromarray(np.asarray(picture))


def photographs_in_order(rng: Generator, paths: Sequence[Path]) -> list[Path]:
    """Return the paths in an order that the generator draws, whatever order they came in."""
    known = sorted(set(paths), key=lambda path: path.as_posix())
    return [known[index] for index in rng.permutation(len(known))]


def _field(rng: Generator, size: Size) -> _Plane:
    """Return a field of mean 0 and deviation 1 whose power falls as 1/f^a, (height, width)."""
    width, height = (side + -side % _FFT_STEP for side in size)
    frequency = np.hypot(
        np.fft.fftfreq(height).astype(np.float32)[:, None],
        np.fft.rfftfreq(width).astype(np.float32)[None],
    )
    frequency[0, 0] = 1.0
    parts = rng.standard_normal((2, height, width // 2 + 1), dtype=np.float32)
    parts *= frequency ** np.float32(-rng.uniform(*_EXPONENTS) / 2)
    spectrum = parts[0] + 1j * parts[1]
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(height, width))[: size[1], : size[0]]
    shaped: _Plane = ((field - field.mean()) / field.std()).astype(np.float32)
    return shaped


def _unit(field: _Plane) -> _Plane:
    """Return the field from 0 to 1, its outermost two percent on each side cut off."""
    low, high = np.percentile(field[::4, ::4], [2, 98])
    unit: _Plane = np.clip((field - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1)
    return unit


def _coloured(rng: Generator, light: _Plane, hue: _Plane) -> npt.NDArray[np.uint8]:
    """Return levels between a dark and a bright colour, the tint following the second field."""
    dark = rng.uniform(0, 45, size=(2, 3)).astype(np.float32)
    bright = rng.uniform(190, 250, size=(2, 3)).astype(np.float32)
    # Tints move the middle tones, where a change of colour does not touch the range.
    tint = rng.uniform(-60, 60, size=3).astype(np.float32)
    canvas = np.empty((*light.shape, 3), np.uint8)
    middle = light * (1 - light) * 4
    for channel in range(3):
        low = dark[0, channel] + (dark[1, channel] - dark[0, channel]) * hue
        high = bright[0, channel] + (bright[1, channel] - bright[0, channel]) * hue
        levels = low + (high - low) * light + tint[channel] * (hue - np.float32(0.5)) * middle
        canvas[..., channel] = np.clip(levels, 0, 255)
    return canvas


def _shape(rng: Generator, canvas: Image.Image, *, softness: float) -> None:
    """Draw an ellipse or a polygon, shaded from one colour to another.

    Args:
        rng: Draws place, form and colours.
        canvas: Changed in place.
        softness: Radius of the edge's blur as a share of the longer side; 0 is a hard edge.
    """
    width, height = canvas.size
    margin = softness * max(width, height)
    centre = rng.uniform(0.15, 0.85, size=2) * (width, height)
    radius = rng.uniform(0.08, 0.28, size=2) * min(width, height)
    corners = int(rng.integers(2, 8))
    opacity = int(rng.integers(170, 256))
    ends = rng.integers(10, 246, size=(2, 2, 3)).astype(np.uint8)
    turns = np.sort(rng.uniform(0, 2 * np.pi, size=corners))
    # Only the part of the canvas that the shape reaches is painted.
    corner = np.floor(centre - radius - margin).astype(int)
    part = tuple(int(side) for side in np.ceil(2 * (radius + margin)) + 1)
    mask = Image.new("L", (part[0], part[1]))
    middle = centre - corner
    draw = ImageDraw.Draw(mask)
    if corners == _ELLIPSE:
        draw.ellipse((*(middle - radius), *(middle + radius)), fill=opacity)
    else:
        points = middle + radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        draw.polygon([(float(x), float(y)) for x, y in points], fill=opacity)
    if softness:
        mask = mask.filter(ImageFilter.BoxBlur(margin / 2))
    paint = Image.fromarray(ends).resize(mask.size, Image.Resampling.BILINEAR)
    canvas.paste(paint, (int(corner[0]), int(corner[1])), mask)


def _with_grain(rng: Generator, picture: Image.Image) -> Image.Image:
    """Return the picture with noise that is equal in the three channels, as of a luma sensor."""
    width, height = picture.size
    noise = rng.standard_normal((height, width, 1), dtype=np.float32)
    noise *= np.float32(rng.uniform(*_GRAIN))
    levels = np.asarray(picture) + np.rint(noise).astype(np.int16)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
