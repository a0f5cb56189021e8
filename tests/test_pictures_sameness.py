"""Laying pictures over one another, and telling where they differ."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from aitk_core.pictures.colour import read_colours
from aitk_core.pictures.registration import IN_PLACE, Placement, laid_over, register
from aitk_core.pictures.sameness import COLOUR_SIDE, SAME, mismatch_of
from aitk_core.proving.pictures import natural_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

COLOURS = hnp.arrays(np.uint8, (COLOUR_SIDE, COLOUR_SIDE, 3), elements=st.integers(0, 255))


def natural(seed: int, *, width: int = 520, height: int = 400) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(natural_picture(generator, width=width, height=height))


def encoded(picture: Image.Image, quality: int = 92) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def mismatch(one: Image.Image, other: Image.Image, quality: int = 92) -> float:
    first, second = (read_colours(encoded(each, quality)) for each in (one, other))
    return mismatch_of(first, second)


def cropped(picture: Image.Image, share: float, *, at: tuple[float, float]) -> Image.Image:
    width, height = picture.size
    cut = (round(width * share), round(height * share))
    left, top = (round(part * place) for part, place in zip(cut, at, strict=True))
    return picture.crop((left, top, width - cut[0] + left, height - cut[1] + top))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "brighter": lambda picture: picture.point(lambda level: min(255, int(level * 1.15))),
    "gamma": lambda picture: picture.point(lambda level: int(255 * (level / 255) ** 0.7)),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(2)),
    "crop_4": lambda picture: cropped(picture, 0.04, at=(0.2, 0.9)),
    "crop_8": lambda picture: cropped(picture, 0.08, at=(1.0, 0.4)),
}


@pytest.mark.parametrize("change", COPIES)
@pytest.mark.parametrize("seed", range(4))
def test_a_copy_matches_whatever_was_done_to_it_as_a_whole(change: str, seed: int) -> None:
    picture = natural(seed)
    copy = COPIES[change](picture)
    assert mismatch(picture, copy) <= SAME
    assert mismatch(copy, picture, quality=40) <= SAME


@pytest.mark.parametrize("seed", range(8))
def test_one_thing_changed_in_an_equal_scene_is_seen(seed: int) -> None:
    scene, thing = natural(seed), natural(seed + 100, width=110, height=100)
    changed = scene.copy()
    changed.paste(thing, (190 + 10 * seed, 140))
    assert mismatch(scene, changed) > SAME


def test_things_on_white_ground_are_not_one_another() -> None:
    papers = []
    for seed in range(6):
        paper = Image.new("RGB", (400, 480), (252, 252, 252))
        paper.paste(natural(seed, width=220, height=240), (90, 120))
        papers.append(paper)
    found = [
        mismatch(one, other) for number, one in enumerate(papers) for other in papers[number + 1 :]
    ]
    assert min(found) > SAME


def test_pictures_with_nothing_in_common_do_not_match() -> None:
    found = [mismatch(natural(seed), natural(seed + 50)) for seed in range(8)]
    assert min(found) > 2 * SAME


@settings(max_examples=25)
@given(COLOURS)
def test_any_picture_matches_itself(colours: Pixels) -> None:
    assert mismatch_of(colours, colours) < 0.05


@settings(max_examples=25)
@given(COLOURS, COLOURS)
def test_the_mismatch_of_any_two_pictures_is_a_number_from_zero_up(
    one: Pixels, other: Pixels
) -> None:
    found = mismatch_of(one, other)
    assert found >= 0
    assert not math.isnan(found)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_plain_picture_has_no_match_but_plain_ones(level: int) -> None:
    plain = np.full((COLOUR_SIDE, COLOUR_SIDE, 3), level, dtype=np.uint8)
    assert mismatch_of(plain, plain) < 0.05
    assert mismatch_of(read_colours(natural(1)), plain) > SAME


@pytest.mark.parametrize("seed", range(6))
def test_registration_finds_what_was_cut_off(seed: int) -> None:
    generator = np.random.default_rng(seed)
    share = float(generator.uniform(0.02, 0.08))
    at = (float(generator.uniform()), float(generator.uniform()))
    picture = natural(seed, width=640, height=640)
    whole, part = (
        read_colours(each).astype(np.float32).mean(axis=2)
        for each in (picture, cropped(picture, share, at=at))
    )
    found = register(whole, part)
    assert found is not None
    assert (found.scale_x, found.scale_y) == pytest.approx((1 - share, 1 - share), abs=0.005)
    assert (found.shift_x, found.shift_y) == pytest.approx(
        (share * at[0], share * at[1]), abs=0.005
    )


def test_a_picture_laid_over_itself_is_itself() -> None:
    plane = np.arange(64, dtype=np.float32).reshape(8, 8)
    lying, mask = laid_over(plane, IN_PLACE)
    assert np.array_equal(lying, plane)
    assert mask.all()


def test_what_lies_outside_is_masked() -> None:
    plane = np.arange(64, dtype=np.float32).reshape(8, 8)
    lying, mask = laid_over(plane, Placement(shift_x=0.5))
    assert np.array_equal(lying[:, :4], plane[:, 4:])
    assert mask[:, :4].all()
    assert not mask[:, 4:].any()


def test_colours_are_upright_without_alpha_and_not_clipped_to_white() -> None:
    picture = natural(3, width=384, height=256)
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(turned, "PNG", exif=exif)
    # Means by area are rounded across first, so a turned picture may be one level off.
    off = read_colours(Image.open(turned)).astype(int) - read_colours(picture)
    assert np.abs(off).max() <= 1

    see_through = picture.copy()
    see_through.putalpha(40)
    stream = io.BytesIO()
    see_through.save(stream, "PNG")
    assert np.array_equal(read_colours(Image.open(stream)), read_colours(picture))

    deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    stream = io.BytesIO()
    Image.fromarray(deep).save(stream, "PNG")
    read = read_colours(Image.open(stream))
    assert np.array_equal(read, read_colours(picture.convert("L")))


def test_a_cmyk_jpeg_has_colours() -> None:
    picture = natural(4)
    found = read_colours(encoded(picture.convert("CMYK")))
    assert mismatch_of(found, read_colours(ImageOps.exif_transpose(picture))) <= SAME


def test_one_shape_in_another_colour_is_another_picture() -> None:
    pictures = []
    for colour in ((250, 150, 30), (240, 215, 60), (120, 60, 170), (200, 40, 40)):
        picture = natural(5).point(lambda level: level // 4)
        ImageDraw.Draw(picture).ellipse((180, 90, 320, 260), fill=colour)
        pictures.append(picture)
    found = [
        mismatch(one, other)
        for number, one in enumerate(pictures)
        for other in pictures[number + 1 :]
    ]
    assert min(found) > SAME


def test_a_picture_that_lies_beside_another_is_no_crop_of_it() -> None:
    wide = natural(6, width=640, height=500)
    left, right = wide.crop((0, 0, 580, 500)), wide.crop((60, 0, 640, 500))
    assert mismatch(left, right) > SAME


def test_pictures_with_nothing_in_common_are_not_registered() -> None:
    planes = [read_colours(natural(seed)).astype(np.float32).mean(axis=2) for seed in (1, 51)]
    assert register(*planes) is None
