"""Thumbnails of pictures: how they correlate, and that they turn as hashes do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aitk_core.pictures.grey import grey_of
from aitk_core.pictures.hashes import ORIENTATIONS
from aitk_core.pictures.thumbnails import correlations_of, small_of, turn
from aitk_core.proving.pictures import natural_picture

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

SMALL = hnp.arrays(np.uint8, (3, 32, 32), elements=st.integers(0, 255))


def natural(seed: int) -> Pixels:
    return natural_picture(np.random.default_rng(seed), width=448, height=384)


@settings(max_examples=50)
@given(SMALL, SMALL)
def test_correlation_is_symmetric_and_within_its_range(one: Pixels, other: Pixels) -> None:
    there, back = correlations_of(one, other), correlations_of(other, one)
    assert there == pytest.approx(back, abs=1e-5)
    assert (np.abs(there) <= 1 + 1e-5).all()


@given(SMALL)
def test_a_picture_correlates_with_itself_unless_it_is_plain(one: Pixels) -> None:
    found = correlations_of(one, one)
    lively = one[:, 1:-1, 1:-1].std(axis=(1, 2)) > 1
    assert found[lively] == pytest.approx(1, abs=1e-5)
    assert not found[one.std(axis=(1, 2)) == 0].any()


def test_a_shift_by_one_is_forgiven() -> None:
    small = small_of(grey_of(natural(1)).thumbnail)
    moved = np.roll(small, (1, -1), axis=(0, 1))
    assert correlations_of(small[None], moved[None])[0] == pytest.approx(1, abs=1e-5)


def test_thumbnails_turn_as_hashes_do() -> None:
    thumbnail = grey_of(natural(2)).thumbnail
    for orientation in ORIENTATIONS:
        whole = np.rot90(thumbnail[:, ::-1] if orientation >= 4 else thumbnail, orientation % 4)
        assert np.array_equal(turn(small_of(thumbnail), orientation), small_of(whole))


def test_no_pairs_have_no_correlation() -> None:
    none = np.empty((0, 32, 32), dtype=np.uint8)
    assert len(correlations_of(none, none)) == 0


def test_many_pairs_correlate_as_each_of_them_does() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, 256, (2, 1500, 32, 32)).astype(np.uint8)
    both = correlations_of(one, other)
    assert both[1200] == correlations_of(one[1200:1201], other[1200:1201])[0]
    assert both.shape == (1500,)
