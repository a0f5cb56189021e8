"""How pictures look: the numbers of the definition, and what is planted shows in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFilter

from aitk_core.pictures.borders import find_borders, plain_edges
from aitk_core.pictures.grey import grey_of
from aitk_core.pictures.hashes import is_blank
from aitk_core.pictures.looks import REBLUR_BELOW, laplacian_variances, looks_of, reblur
from aitk_core.proving.pictures import natural_picture

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

ANY_LEVELS = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 90)), elements=st.integers(0, 255)
)


def natural(seed: int, *, width: int = 512, height: int = 384) -> Pixels:
    return natural_picture(np.random.default_rng(seed), width=width, height=height)


def laplacian(levels: Pixels) -> npt.NDArray[np.float64]:
    grey = levels.astype(np.float64)
    return (
        4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    )


def full_reblur(levels: Pixels) -> float:
    """The definition, with the picture really blurred."""
    shares = []
    for grey in (levels.astype(np.float64), levels.T.astype(np.float64)):
        padded = np.pad(grey, ((4, 4), (0, 0)), mode="edge")
        blurred = np.mean([padded[k : k + len(grey)] for k in range(9)], axis=0)
        sharp, soft = (np.abs(np.diff(each, axis=0)) for each in (grey, blurred))
        total = sharp.sum()
        shares.append(1 - np.maximum(0, sharp - soft).sum() / total if total else 1.0)
    return float(max(shares))


@settings(deadline=None)
@given(ANY_LEVELS)
def test_the_numbers_of_any_picture_are_those_of_the_definition(levels: Pixels) -> None:
    assert reblur(levels) == pytest.approx(full_reblur(levels), abs=1e-9)
    whole, tile = laplacian_variances(levels)
    if min(levels.shape) < 3:
        assert (whole, tile) == (0.0, 0.0)
        return
    values = laplacian(levels)
    assert whole == pytest.approx(values.var(), rel=1e-4, abs=1e-2)
    down, across = (side // 8 for side in values.shape)
    tiles = [
        values[row * down : (row + 1) * down, column * across : (column + 1) * across].var()
        for row in range(8)
        for column in range(8)
        if min(down, across) >= 4
    ]
    assert tile == pytest.approx(max(tiles, default=values.var()), rel=1e-4, abs=1e-2)


def test_exposure_is_told_by_levels_that_pixels_have() -> None:
    levels = np.repeat(np.arange(100, dtype=np.uint8), 100).reshape(100, 100)
    looks = looks_of(grey_of(levels))
    assert (looks.p5, looks.p95, looks.clipped) == (4.0, 94.0, 0.01)
    assert looks_of(grey_of(np.full((50, 50), 255, dtype=np.uint8))).clipped == 1.0


def blurred(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(9)))


def moved(pixels: Pixels) -> Pixels:
    """Motion across, by 31 pixels."""
    padded = np.pad(pixels.astype(np.float64), ((0, 0), (15, 15), (0, 0)), mode="edge")
    width = pixels.shape[1]
    mean: Pixels = np.mean([padded[:, k : k + width] for k in range(31)], axis=0).astype(np.uint8)
    return mean


def sharp(seed: int) -> Pixels:
    """A picture with edges everywhere."""
    generator = np.random.default_rng(seed)
    squares = generator.integers(0, 256, (24, 32, 1)).repeat(16, axis=0).repeat(16, axis=1)
    return np.clip(natural(seed) * 0.5 + squares * 0.5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_blur_dark_bright_and_plain_show_as_the_rules_expect(seed: int) -> None:
    sound = looks_of(grey_of(sharp(seed)))
    assert sound.tile_laplacian > REBLUR_BELOW
    assert sound.reblur is None
    assert sound.p95 >= 50
    assert sound.p5 <= 200
    assert looks_of(grey_of(blurred(sharp(seed)))).tile_laplacian < 4
    motion = looks_of(grey_of(moved(sharp(seed))))
    if motion.tile_laplacian < REBLUR_BELOW:
        assert motion.reblur is not None
        assert motion.reblur > 0.55
    assert looks_of(grey_of((sharp(seed) // 8).astype(np.uint8))).p95 < 50
    assert looks_of(grey_of((215 + sharp(seed) // 8).astype(np.uint8))).p5 > 200


def test_a_gradient_is_blank_by_its_tiles_though_it_spreads() -> None:
    gradient = np.tile(np.linspace(20, 235, 512), (384, 1)).astype(np.uint8)
    looks = looks_of(grey_of(gradient))
    assert looks.spread > 50
    assert is_blank(looks.spread, looks.tile_laplacian)
    assert not is_blank(looks.spread)


@pytest.mark.parametrize("shape", [(57, 512), (33, 512), (4, 512), (1, 512), (512, 2), (1, 1)])
def test_thin_pictures_have_looks(shape: tuple[int, int]) -> None:
    levels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    looks = looks_of(grey_of(levels))
    assert looks.tile_laplacian >= looks.laplacian
    assert (looks.laplacian > 0) == (min(shape) > 2)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_bars_and_frames_are_measured(level: int) -> None:
    pixels = sharp(1)
    pixels[:48] = pixels[-96:] = level
    borders = find_borders(grey_of(pixels).thumbnail)
    assert borders == pytest.approx((0, 48 / 384, 0, 96 / 384), abs=0.012)
    pixels = sharp(2)
    pixels[:, :32] = pixels[:, -64:] = pixels[:30] = pixels[-30:] = level
    borders = find_borders(grey_of(pixels).thumbnail)
    assert borders == pytest.approx((1 / 16, 30 / 384, 1 / 8, 30 / 384), abs=0.012)


def test_a_sky_and_a_product_on_white_have_plain_edges_but_no_border() -> None:
    pixels = sharp(3)
    pixels[:150] = np.linspace(220, 150, 150)[:, None, None]
    thumbnail = grey_of(pixels).thumbnail
    assert plain_edges(thumbnail) == (0, 32, 0, 0)
    assert find_borders(thumbnail) == (0, 0, 0, 0)
    product = np.full((400, 400, 3), 255, dtype=np.uint8)
    down, across = np.mgrid[-1:1:400j, -1:1:400j]
    product[np.hypot(down, across) < 0.7] = 90
    thumbnail = grey_of(product).thumbnail
    assert min(plain_edges(thumbnail)) > 15
    assert find_borders(thumbnail) == (0, 0, 0, 0)


def test_pictures_like_photographs_have_no_borders() -> None:
    for seed in range(40):
        assert find_borders(grey_of(natural(seed)).thumbnail) == (0, 0, 0, 0), seed
