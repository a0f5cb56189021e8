"""Pictures that decode, and that nobody should train on (datasets.md sections A7 and E6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from aitk_core.testing.planted.codec import jpeg, png

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import Generator

    from aitk_core.testing.planted.fields import Size
    from aitk_core.testing.planted.site import Site

_MIDDLE: Final = (70, 180)
"""Levels of plain pictures: neither dark nor bright."""
_ENLARGED: Final = 6
_BORDER: Final = 0.08
_BAR: Final = 0.12
_TINY: Final = (40, 64)
_THIN: Final = 9


def plant_looks(site: Site) -> None:
    """Plant one of each look, as often as the site says."""
    for number in site.numbers():
        for kind, (groups, alter) in _ALTERED.items():
            path = f"train/{kind}_{number}.jpg"
            picture = alter(site.base(path))
            site.picture(path, jpeg(picture, 95), kind, *groups, size=picture.size)
        for kind, groups, size in _sizes(site, number):
            path = f"train/{kind}_{number}.png"
            site.picture(path, png(site.base(path, size)), kind, *groups, size=size)
        _plant_plain(site, number)


def _plant_plain(site: Site, number: int) -> None:
    for kind, corners in (("flat", 1), ("gradient", 2)):
        path = f"train/{kind}_{number}.png"
        rng = site.rng(path)
        size = (site.sides[0], site.sides[0] * 3 // 4)
        picture = _slope(rng, size, corners)
        site.picture(path, png(picture), "low_information", kind, size=size)


def _sizes(site: Site, number: int) -> tuple[tuple[str, tuple[str, ...], Size], ...]:
    rng = site.rng(f"sizes {number}")
    width, height = (int(side) for side in rng.integers(*_TINY, size=2))
    short = site.sides[0] // 3
    thin = (short * _THIN, short) if number % 2 else (short, short * _THIN)
    return (
        ("tiny", ("small",), (width, height if height != width else height - 1)),
        ("below_step", ("small",), (14, 11)),
        ("extreme_aspect", (), thin),
    )


def _slope(rng: Generator, size: Size, corners: int) -> Image.Image:
    """Return one colour, or a slope between the colours of four corners."""
    ends = rng.integers(*_MIDDLE, size=(corners, corners, 3)).astype(np.uint8)
    if corners > 1:
        # Enough difference that the picture is no flat one.
        ends[0], ends[1] = ends[0] // 4 + _MIDDLE[0] // 2, ends[1] // 4 + _MIDDLE[1]
    return Image.fromarray(ends).resize(size, Image.Resampling.BILINEAR)


def _dark(picture: Image.Image) -> Image.Image:
    return picture.point([level * 18 // 100 for level in range(256)] * 3)


def _bright(picture: Image.Image) -> Image.Image:
    return picture.point([206 + level * 19 // 100 for level in range(256)] * 3)


def _blurry(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) * 0.02))


def _motion(picture: Image.Image) -> Image.Image:
    """A hand's shake: long along one axis, and a little of it across."""
    length = max(picture.size) * 0.05
    smeared = picture.filter(ImageFilter.BoxBlur((length, 0)))
    return smeared.filter(ImageFilter.GaussianBlur(max(picture.size) * 0.0025))


def _upscaled(picture: Image.Image) -> Image.Image:
    small = picture.resize((picture.width // _ENLARGED, picture.height // _ENLARGED))
    return small.resize(picture.size, Image.Resampling.BICUBIC)


def _white_border(picture: Image.Image) -> Image.Image:
    width = round(_BORDER * max(picture.size))
    return ImageOps.expand(picture, width, (255, 255, 255))


def _letterbox(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, (0, round(_BAR * picture.height)), (0, 0, 0))


_ALTERED: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Image.Image], Image.Image]]]] = {
    "dark": ((), _dark),
    "bright": ((), _bright),
    "blurry": ((), _blurry),
    "motion": ((), _motion),
    "upscaled": ((), _upscaled),
    "white_border": (("plain_border",), _white_border),
    "letterbox": (("plain_border",), _letterbox),
}
