"""Borders and what only looks like them: things on a plain ground, a sky over a sea."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from aitk_core.pictures.borders import find_borders
from aitk_core.pictures.grey import grey_of
from aitk_core.proving.pictures import natural_picture

if TYPE_CHECKING:
    from aitk_core.pictures.borders import Borders

NONE: Final = (0, 0, 0, 0)
SIZE: Final = (448, 512)


def picture(seed: int) -> Image.Image:
    pixels = natural_picture(np.random.default_rng(seed), width=SIZE[0], height=SIZE[1])
    return Image.fromarray(pixels)


def borders_of(image: Image.Image) -> Borders:
    return find_borders(grey_of(np.asarray(image.convert("RGB"))).thumbnail)


def has_pair(borders: Borders) -> bool:
    left, top, right, bottom = borders
    return min(left, right) > 0 or min(top, bottom) > 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("inset", [30, 50, 70])
def test_an_upright_thing_on_white_has_no_border(seed: int, inset: int) -> None:
    paper = Image.new("RGB", SIZE, (252, 252, 252))
    mask = Image.new("L", SIZE)
    middle, half = SIZE[0] // 2, 70 + 10 * seed
    box = (middle - half, inset, middle + half, SIZE[1] - inset)
    ImageDraw.Draw(mask).rounded_rectangle(box, 20, fill=255)
    paper.paste(picture(seed), mask=mask)
    assert not has_pair(borders_of(paper))


@pytest.mark.parametrize("seed", range(4))
def test_a_box_that_casts_a_shadow_on_white_has_no_border(seed: int) -> None:
    inset = 60 + 15 * seed
    right, bottom = SIZE[0] - inset, SIZE[1] - inset
    shadow = Image.new("L", SIZE)
    ImageDraw.Draw(shadow).rectangle((inset, inset, right, bottom), fill=110)
    paper = Image.new("RGB", SIZE, (250, 250, 250))
    paper.paste((0, 0, 0), (0, 12), shadow.filter(ImageFilter.GaussianBlur(14)))
    paper.paste(picture(seed).crop((inset, inset, right, bottom)), (inset, inset))
    assert not has_pair(borders_of(paper))


def test_bars_of_two_colours_are_a_sky_and_a_sea() -> None:
    pixels = np.asarray(picture(1)).copy()
    pixels[:100], pixels[-100:] = 230, 40
    assert borders_of(Image.fromarray(pixels)) == NONE


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", [0, 16, 230, 255])
def test_frames_and_bars_are_borders_whatever_their_colour(seed: int, level: int) -> None:
    base = picture(seed)
    colour = (level, level, level)
    framed = borders_of(ImageOps.expand(base, 36, colour))
    assert framed == pytest.approx((36 / 520, 36 / 584, 36 / 520, 36 / 584), abs=0.012)
    barred = borders_of(ImageOps.expand(base, (0, 60), colour))
    assert barred == pytest.approx((0, 60 / 632, 0, 60 / 632), abs=0.012)


def test_a_film_that_darkens_towards_its_corners_keeps_its_black_bars() -> None:
    pixels = np.asarray(picture(2)).astype(float)
    down, across = np.mgrid[-1:1:512j, -1:1:448j]
    pixels *= np.clip(1.6 - across**2 - 0.3 * down**2, 0, 1)[..., None]
    film = ImageOps.expand(Image.fromarray(pixels.astype(np.uint8)), (0, 60), (0, 0, 0))
    assert has_pair(borders_of(film))
