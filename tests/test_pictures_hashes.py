"""Hashes: the definition, its orientations, and what they are for."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFilter

from aitk_core.pictures.grey import grey_of
from aitk_core.pictures.hashes import (
    MIRRORED,
    ORIENTATIONS,
    UPRIGHT,
    distances,
    hashes_of,
    is_blank,
)
from aitk_core.pictures.levels import CLOSE, is_candidate
from aitk_core.proving.pictures import natural_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

THUMBNAILS = hnp.arrays(np.uint8, (128, 128), elements=st.integers(0, 255))


def natural(seed: int, *, width: int = 420, height: int = 300) -> Pixels:
    return natural_picture(np.random.default_rng(seed), width=width, height=height)


@cache
def area_means(count: int) -> npt.NDArray[np.float64]:
    """A_n of the definition, row by row."""
    weights = np.zeros((count, 128))
    for row in range(count):
        start, stop = row * 128 / count, (row + 1) * 128 / count
        for pixel in range(128):
            weights[row, pixel] = max(0.0, min(stop, pixel + 1) - max(start, pixel))
    means: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return means


def by_definition(thumbnail: Pixels) -> Pixels:
    """The hash as datasets.md section A5 writes it down, step by step."""
    grey = thumbnail.astype(np.float64)
    across = area_means(8) @ grey @ area_means(9).T
    down = area_means(9) @ grey @ area_means(8).T
    small = area_means(32) @ grey @ area_means(32).T
    order, place = np.arange(8)[:, None], np.arange(32)[None]
    waves = np.cos(np.pi * (2 * place + 1) * order / 64)
    coefficients = (waves @ small @ waves.T).ravel()
    # Ties give 0, whatever rounding makes of them.
    cosines = coefficients > np.median(coefficients[1:]) + 1e-7
    cosines[0] = False
    bits = [np.diff(across, axis=1) > 1e-9, np.diff(down, axis=0) > 1e-9, cosines]
    return np.packbits(np.concatenate([each.ravel() for each in bits]))


@pytest.mark.parametrize("seed", range(6))
def test_a_hash_is_that_of_the_definition(seed: int) -> None:
    thumbnail = grey_of(natural(seed)).thumbnail
    assert np.array_equal(hashes_of(thumbnail)[0], by_definition(thumbnail))
    assert np.array_equal(hashes_of(thumbnail)[1], by_definition(thumbnail[:, ::-1]))


@settings(max_examples=25, deadline=None)
@given(THUMBNAILS)
def test_any_thumbnail_has_the_hash_of_the_definition(thumbnail: Pixels) -> None:
    assert np.array_equal(hashes_of(thumbnail, [UPRIGHT])[0], by_definition(thumbnail))


@settings(max_examples=25, deadline=None)
@given(THUMBNAILS)
def test_turned_hashes_are_those_of_the_turned_picture(thumbnail: Pixels) -> None:
    hashes = hashes_of(thumbnail, ORIENTATIONS)
    for orientation in ORIENTATIONS:
        turned = np.rot90(
            thumbnail[:, ::-1] if orientation >= MIRRORED else thumbnail, orientation % 4
        )
        assert np.array_equal(hashes[orientation], hashes_of(turned, [UPRIGHT])[0])


def test_flat_ground_does_not_hang_on_rounding() -> None:
    board = np.full((128, 128), 255, dtype=np.uint8)
    board[32:96, 40:90] = 20
    dimmer = np.where(board == 20, 40, board).astype(np.uint8)
    assert np.array_equal(hashes_of(board), hashes_of(dimmer))
    assert not hashes_of(np.full((128, 128), 77, dtype=np.uint8))[0].any()


@given(*[hnp.arrays(np.uint8, (24,))] * 2)
def test_distances_count_differing_bits_and_are_symmetric(one: Pixels, other: Pixels) -> None:
    differences, cosines = (int(bits) for bits in distances(one, other))
    differing = np.unpackbits(one) != np.unpackbits(other)
    assert (differences, cosines) == (differing[:128].sum(), differing[128:].sum())
    assert tuple(map(int, distances(other, one))) == (differences, cosines)
    assert tuple(map(int, distances(one, one))) == (0, 0)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


EASY: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg": lambda image: jpeg(image, 35),
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image: image.point(lambda level: min(255, int(level * 1.15))),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


@pytest.mark.parametrize("change", EASY)
@pytest.mark.parametrize("seed", range(4))
def test_a_copy_that_was_written_anew_has_hashes_close_to_its_own(change: str, seed: int) -> None:
    pixels = natural(seed)
    copy = np.asarray(EASY[change](Image.fromarray(pixels)))
    orientation = MIRRORED if change == "mirrored" else UPRIGHT
    one, other = grey_of(pixels).thumbnail, grey_of(copy).thumbnail
    differences, cosines = distances(
        hashes_of(one, [UPRIGHT])[0], hashes_of(other, [orientation])[0]
    )
    assert is_candidate(differences, cosines)


def test_pictures_that_differ_have_no_level() -> None:
    hashes = np.array([hashes_of(grey_of(natural(seed)).thumbnail) for seed in range(60)])
    first, second = np.triu_indices(60, 1)
    for orientation in range(2):
        found = is_candidate(*distances(hashes[first, 0], hashes[second, orientation]))
        assert not found.any()


def test_nearly_plain_pictures_and_gradients_are_blank() -> None:
    assert is_blank(4.9)
    assert not is_blank(5.0)
    assert is_blank(60.0, 0.22)
    assert not is_blank(60.0, 1.0)
    assert CLOSE == (20, 20)


def test_both_rules_for_pairs_hold_to_their_bits() -> None:
    bits = np.array([20, 20, 21, 28, 28, 29], dtype=np.uint8)
    cosines = np.array([20, 21, 17, 16, 17, 0], dtype=np.uint8)
    assert is_candidate(bits, cosines).tolist() == [True, False, False, True, False, False]
