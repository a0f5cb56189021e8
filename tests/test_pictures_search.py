"""The search: equal to brute force as far as it promises, whatever the hashes and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core.pictures import search
from aitk_core.pictures.candidates import Bands, Space, banded_pairs, every_pair
from aitk_core.pictures.groups import group
from aitk_core.pictures.hashes import MIRRORED, UPRIGHT, distances
from aitk_core.pictures.levels import is_candidate
from aitk_core.pictures.search import find_pairs, find_pairs_between

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from aitk_core.pictures.candidates import Hits, Words
    from aitk_core.pictures.search import Found

    Hashes = npt.NDArray[np.uint8]


@st.composite
def lists_of_hashes(draw: st.DrawFn, orientations: int = 1) -> Hashes:
    """Hashes in clouds: bases, copies that differ by any number of bits, and equal ones."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    bases = draw(st.integers(1, 4))
    count = draw(st.integers(0, 40))
    spread = draw(st.sampled_from([0, 3, 10, 16, 30]))
    bits = generator.integers(0, 2, (bases, orientations, 192)).astype(np.bool_)
    if orientations > 1 and draw(st.booleans()):
        bits[:, 1] = bits[::-1, 0]
    hashes = bits[generator.integers(0, bases, count)]
    for each in hashes:
        for own in each:
            own[generator.choice(192, generator.integers(0, spread + 1), replace=False)] ^= True
    return np.packbits(hashes, axis=2)


def tuples(found: Found) -> list[tuple[int, ...]]:
    columns = (
        found.first, found.second, found.orientation, found.differences, found.cosines,
    )  # fmt: skip
    return list(zip(*(column.tolist() for column in columns), strict=True))


def words(hashes: Hashes) -> Words:
    view: Words = np.ascontiguousarray(hashes).view(">u8").astype(np.uint64)
    return view


def by_brute_force(hashes: Hashes) -> set[tuple[int, int, int, int]]:
    first, second = np.triu_indices(len(hashes), 1)
    differences, cosines = distances(hashes[first], hashes[second])
    kept = is_candidate(differences, cosines)
    columns = (first, second, differences, cosines)
    return set(zip(*(column[kept].tolist() for column in columns), strict=True))


@given(lists_of_hashes())
def test_pairs_are_those_of_brute_force(hashes: Hashes) -> None:
    found = find_pairs(hashes, orientations=[UPRIGHT])
    assert {(a, b, d, p) for a, b, _, d, p in tuples(found)} == by_brute_force(hashes[:, 0])
    assert tuples(found) == sorted(set(tuples(found)))
    assert (found.complete_to, found.method, found.truncated) == (28, "exhaustive", False)


def of_hits(hits: Hits) -> list[tuple[int, ...]]:
    columns = (hits.first, hits.second, hits.differences, hits.cosines)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("count", [14, 16])
@settings(max_examples=25, deadline=None)
@given(lists_of_hashes())
def test_bands_miss_nothing_up_to_their_distance_and_give_no_pair_twice(
    count: int, hashes: Hashes
) -> None:
    own = np.unique(words(hashes[:, 0]), axis=0)
    bands = Bands(count=count)
    plain = Space(left=own, right=own, is_triangle=True)
    turned = Space(left=own, right=own[::-1].copy(), is_triangle=True)
    crossed = Space(left=own, right=own[::-1].copy(), is_triangle=False)
    for space in (plain, turned, crossed):
        wanted = {pair for each in every_pair(space, lambda _: None) for pair in of_hits(each)}
        hits = banded_pairs(space, bands, lambda _: None, gathered=0)
        assert hits is not None
        found = [pair for each in hits for pair in of_hits(each)]
        assert len(found) == len(set(found))
        assert set(found) <= wanted
        assert {pair for pair in wanted if pair[2] <= bands.complete_to} <= set(found)


def test_bands_cut_every_bit_once() -> None:
    for count, complete_to in ((14, 12), (16, 14), (9, 7)):
        bands = Bands(count=count)
        assert bands.complete_to == complete_to
        for bit in range(128):
            one = np.zeros((1, 24), dtype=np.uint8)
            one[0, bit // 8] = 128 >> bit % 8
            cut = bands.cut(words(one))
            assert np.count_nonzero(cut) == 1, bit


@given(lists_of_hashes(orientations=2), st.integers(0, 99))
def test_the_order_of_the_list_does_not_matter(hashes: Hashes, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(hashes))
    plain = tuples(find_pairs(hashes))
    shuffled = tuples(find_pairs(hashes[order]))
    back = {
        (*sorted((int(order[a]), int(order[b]))), turned, differences, cosines)
        for a, b, turned, differences, cosines in shuffled
    }
    assert back == set(plain)


@given(lists_of_hashes(orientations=2))
def test_mirrored_pairs_are_found_once_and_never_of_one_picture(hashes: Hashes) -> None:
    found = tuples(find_pairs(hashes))
    assert all(a < b for a, b, *_ in found)
    assert len({(a, b) for a, b, *_ in found}) == len(found)
    by_pair = {(a, b): (turned, d, p) for a, b, turned, d, p in found}
    for a, b, differences, cosines in by_brute_force(hashes[:, 0]):
        turned, d, p = by_pair[a, b]
        assert d + p <= differences + cosines
        assert turned == UPRIGHT or d + p < differences + cosines
    for (a, b), (turned, d, p) in by_pair.items():
        place = int(turned == MIRRORED)
        ways = ((hashes[a, place], hashes[b, 0]), (hashes[a, 0], hashes[b, place]))
        assert (d, p) in [tuple(map(int, distances(*way))) for way in ways]


def test_a_turned_pair_is_told_from_the_first_to_the_second() -> None:
    bits = np.random.default_rng(3).integers(0, 2, (2, 4, 24 * 8)).astype(np.bool_)
    bits[1] = np.roll(bits[0], -1, axis=0)
    hashes = np.packbits(bits, axis=2)
    # The second turned by three quarters is the first as it is.
    assert tuples(find_pairs(hashes, orientations=range(4))) == [(0, 1, 3, 0, 0)]
    assert tuples(find_pairs(hashes[::-1], orientations=range(4))) == [(0, 1, 1, 0, 0)]


@given(lists_of_hashes(), lists_of_hashes(orientations=2))
def test_between_two_lists_only_cross_pairs_are_told(one: Hashes, other: Hashes) -> None:
    pairs: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    for a in range(len(one)):
        for b in range(len(other)):
            for place, orientation in enumerate((UPRIGHT, MIRRORED)):
                d, p = (int(bits) for bits in distances(one[a, 0], other[b, place]))
                if is_candidate(d, p):
                    pairs[a, b] = min(pairs.get((a, b), (999, 0, 0, 0)), (d + p, orientation, d, p))
    wanted = [(a, b, *pair[1:]) for (a, b), pair in sorted(pairs.items())]
    assert tuples(find_pairs_between(one, other)) == wanted


def planted(count: int, bits: int) -> Hashes:
    """Random hashes; the first 20 have copies at the end that differ by so many bits."""
    generator = np.random.default_rng(5)
    hashes = generator.integers(0, 2, (count, 1, 192)).astype(np.bool_)
    hashes[-20:] = hashes[:20]
    for each in hashes[-20:]:
        each[0, generator.choice(128, bits, replace=False)] ^= True
    return np.packbits(hashes, axis=2)


@pytest.mark.parametrize(
    ("limits", "method", "complete_to"),
    [((10, 10**9), "bands 2 of 16", 14), ((10, 10), "bands 2 of 14", 12)],
)
def test_many_hashes_are_searched_by_bands(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], method: str, complete_to: int
) -> None:
    monkeypatch.setattr(search, "_EXHAUSTIVE", limits[0])
    monkeypatch.setattr(search, "_FINE", limits[1])
    found = find_pairs(planted(3000, complete_to), orientations=[UPRIGHT])
    assert (found.method, found.complete_to, len(found)) == (method, complete_to, 20)
    between = find_pairs_between(
        planted(3000, complete_to)[:1500],
        planted(3000, complete_to)[1500:],
        orientations=[UPRIGHT],
    )
    assert (between.method, len(between)) == (method, 20)


def test_where_bands_are_equal_everywhere_all_is_compared_with_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "_EXHAUSTIVE", 10)
    hashes = planted(400, 14)
    hashes[:, :, :14] = 7
    found = find_pairs(hashes, orientations=[UPRIGHT])
    assert (found.method, found.complete_to) == ("exhaustive", 28)
    assert {(a, b, d, p) for a, b, _, d, p in tuples(found)} == by_brute_force(hashes[:, 0])


def test_equal_hashes_are_one_row_and_all_their_pairs_are_told() -> None:
    hashes = np.repeat(planted(40, 5)[:3], 5, axis=0)
    found = find_pairs(hashes, orientations=[UPRIGHT])
    assert len(found) == 3 * 10
    assert not found.truncated


def test_more_pairs_than_are_kept_leave_the_closest_and_say_so() -> None:
    hashes = np.repeat(planted(40, 5), 50, axis=0)
    found = find_pairs(hashes, orientations=[UPRIGHT], max_pairs=500)
    assert found.truncated
    assert len(found) == 500
    assert not found.differences.any()
    clusters = group(
        (a, b)
        for a, b, *_ in tuples(find_pairs(hashes[:500], orientations=[UPRIGHT], max_pairs=490))
    )
    assert [len(each) for each in clusters] == [50] * 10
    few = find_pairs(planted(2000, 3), orientations=[UPRIGHT], max_pairs=7)
    assert (len(few), few.truncated) == (7, True)


@pytest.mark.parametrize("find", [lambda hashes, check: find_pairs(hashes, check=check)])
def test_a_search_tells_how_far_it_is_and_can_be_ended(
    find: Callable[[Hashes, Callable[[float], None]], Found],
) -> None:
    hashes = np.random.default_rng(0).integers(0, 256, (300, 2, 24)).astype(np.uint8)
    shares: list[float] = []
    find(hashes, shares.append)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.5
    assert shares[-1] == pytest.approx(1.0)

    def stop(share: float) -> None:
        if share > 0.3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        find(hashes, stop)


@pytest.mark.parametrize("count", [0, 1])
def test_few_pictures_have_no_pairs(count: int) -> None:
    hashes = np.zeros((count, 2, 24), dtype=np.uint8)
    assert len(find_pairs(hashes)) == 0
    assert len(find_pairs_between(hashes, hashes)) == count


def test_hashes_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        find_pairs(np.zeros((3, 24), dtype=np.uint8))
    with pytest.raises(ValueError, match="shape"):
        find_pairs_between(np.zeros((3, 16), dtype=np.uint8), np.zeros((3, 2, 24), dtype=np.uint8))
    with pytest.raises(ValueError, match="begin with"):
        find_pairs(np.zeros((3, 1, 24), dtype=np.uint8), orientations=[MIRRORED])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
def test_groups_are_what_pairs_join_in_any_order(pairs: list[tuple[int, int]]) -> None:
    groups = group(pairs)
    shuffled = list(pairs)
    np.random.default_rng(len(pairs)).shuffle(shuffled)
    assert group([(b, a) for a, b in shuffled]) == groups
    assert groups == tuple(sorted(groups))
    by_member = {member: each for each in groups for member in each}
    for one, other in pairs:
        if one != other:
            assert by_member[one] is by_member[other]
    for each in groups:
        reached = {each[0]}
        for _ in each:
            reached |= {b for a, b in pairs if a in reached} | {a for a, b in pairs if b in reached}
        assert reached == set(each)
