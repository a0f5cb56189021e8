"""Confirming pairs: one rule for both orders, and what is changed in one place is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aitk_core.pictures.confirm import agreement_of, small_of, turn
from aitk_core.pictures.grey import grey_of
from aitk_core.pictures.hashes import ORIENTATIONS, UPRIGHT, distances, hashes_of
from aitk_core.pictures.levels import TILE, is_candidate, levels_of
from aitk_core.proving.pictures import natural_picture

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

SMALL = hnp.arrays(np.uint8, (3, 32, 32), elements=st.integers(0, 255))


def natural(seed: int) -> Pixels:
    return natural_picture(np.random.default_rng(seed), width=448, height=384)


def level(one: Pixels, other: Pixels) -> str | None:
    first, second = grey_of(one).thumbnail, grey_of(other).thumbnail
    hashes = [hashes_of(each, [UPRIGHT]) for each in (first, second)]
    agreement = agreement_of(small_of(first)[None], small_of(second)[None])
    return levels_of(*distances(*hashes), agreement)[0]


@settings(max_examples=50)
@given(SMALL, SMALL)
def test_agreement_is_symmetric_and_within_its_range(one: Pixels, other: Pixels) -> None:
    there, back = agreement_of(one, other), agreement_of(other, one)
    for name in ("correlation", "tile"):
        assert getattr(there, name) == pytest.approx(getattr(back, name), abs=1e-5)
    assert (np.abs(there.correlation) <= 1 + 1e-5).all()
    assert (there.tile >= 0).all()


@given(SMALL)
def test_a_picture_agrees_with_itself_unless_it_is_plain(one: Pixels) -> None:
    agreement = agreement_of(one, one)
    lively = one[:, 1:-1, 1:-1].std(axis=(1, 2)) > 1
    assert agreement.correlation[lively] == pytest.approx(1, abs=1e-5)
    assert not agreement.tile.any()
    plain = one.std(axis=(1, 2)) == 0
    assert not agreement.correlation[plain].any()


def test_a_shift_by_one_is_forgiven() -> None:
    small = small_of(grey_of(natural(1)).thumbnail)
    moved = np.roll(small, (1, -1), axis=(0, 1))
    agreement = agreement_of(small[None], moved[None])
    assert agreement.correlation[0] == pytest.approx(1, abs=1e-5)
    assert agreement.tile[0] > 0


def test_thumbnails_turn_as_hashes_do() -> None:
    thumbnail = grey_of(natural(2)).thumbnail
    for orientation in ORIENTATIONS:
        whole = np.rot90(thumbnail[:, ::-1] if orientation >= 4 else thumbnail, orientation % 4)
        assert np.array_equal(turn(small_of(thumbnail), orientation), small_of(whole))


def test_no_pairs_have_no_agreement() -> None:
    none = np.empty((0, 32, 32), dtype=np.uint8)
    assert len(agreement_of(none, none).correlation) == 0


def test_many_pairs_agree_as_each_of_them_does() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, 256, (2, 1500, 32, 32)).astype(np.uint8)
    both = agreement_of(one, other)
    assert both.tile[1200] == agreement_of(one[1200:1201], other[1200:1201]).tile[0]
    assert both.correlation.shape == (1500,)


def test_one_scene_with_another_subject_is_possible_and_never_near() -> None:
    levels = []
    for seed in range(8):
        one, other = natural(seed), natural(seed)
        one[140:260, 160:280], other[140:260, 160:280] = 20, 235
        levels.append(level(one, other))
    assert set(levels) <= {"possible", None}
    assert "possible" in levels


def test_a_pair_beyond_the_hashes_has_no_level_whatever_its_thumbnails_say() -> None:
    small = small_of(grey_of(natural(3)).thumbnail)[None]
    agreement = agreement_of(small, small)
    bits = np.array([21, 20, 28, 29, 128], dtype=np.uint8)
    found = [
        levels_of(np.array([d], dtype=np.uint8), np.array([16], dtype=np.uint8), agreement)[0]
        for d in bits.tolist()
    ]
    assert found == ["possible", "near", "possible", None, None]
    assert not is_candidate(21, 17)
    assert 0 < TILE <= 1
