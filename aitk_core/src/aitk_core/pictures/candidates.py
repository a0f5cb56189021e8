"""Pairs of hashes within the radius, among rows that differ: every pair, or by equal bands.

Bands (multi-index hashing; Norouzi, Punjani and Fleet, "Fast exact search in Hamming space with
multi-index hashing", 2014; datasets.md section A6): dd128 is cut into m bands, and for every two
of them the rows that are equal in both are compared in full. d differing bits touch at most d
bands, so that m - 2 differing bits or fewer leave two bands equal: up to there nothing is missed.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from aitk_core.pictures.levels import RADIUS, is_candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Words = npt.NDArray[np.uint64]
"""(n, 3): 128 bits of dd128 and 64 of p64."""
Rows = npt.NDArray[np.int64]

_BITS: Final = 128
_CELLS: Final = (16, 4096)
"""Rows and columns of a block of distances: half a MiB, which stays in the cache."""
_CANDIDATES: Final = 1 << 16
"""Compared at once, about 4 MiB."""
GATHERED: Final = 8
"""What a comparison of rows found by bands costs in comparisons of blocks: 6 and 8
measured on crowded lists of 60,000 and 30,000 rows. Ours."""
_LOW: Final = np.uint64(0xFFFF_FFFF)
_HIGH: Final = np.uint64(32)


@frozen(kw_only=True, eq=False)
class Hits:
    """Pairs of rows, as columns of equal length."""

    first: Rows
    second: Rows
    differences: npt.NDArray[np.uint8]
    cosines: npt.NDArray[np.uint8]


@frozen(kw_only=True, eq=False)
class Space:
    """What is compared with what."""

    left: Words
    right: Words
    """Of the same rows where `is_triangle`."""
    is_triangle: bool
    """Compare row i of the left with the rows behind i only."""

    @property
    def comparisons(self) -> int:
        """Return how many pairs there are."""
        if self.is_triangle:
            return len(self.left) * (len(self.left) - 1) // 2
        return len(self.left) * len(self.right)


def every_pair(space: Space, check: Callable[[float], None]) -> Iterator[Hits]:
    """Give all pairs within the radius, comparing each with each.

    Args:
        space: The rows.
        check: Gets the share done, 0 to 1, between blocks; what it raises ends the search.
    """
    height, width = _CELLS
    (left0, left1), (right0, right1) = (
        _columns(words[:, :2]) for words in (space.left, space.right)
    )
    different = np.empty(_CELLS, dtype=np.uint64)
    counts, more = np.empty(_CELLS, dtype=np.uint8), np.empty(_CELLS, dtype=np.uint8)
    done = 0
    for top in range(0, len(left0), height):
        bottom = min(top + height, len(left0))
        for start in range(top + 1 if space.is_triangle else 0, len(right0), width):
            stop = min(start + width, len(right0))
            block = (slice(0, bottom - top), slice(0, stop - start))
            bits, own, others = different[block], counts[block], more[block]
            np.bitwise_xor(left0[top:bottom, None], right0[start:stop], out=bits)
            np.bitwise_count(bits, out=own)
            np.bitwise_xor(left1[top:bottom, None], right1[start:stop], out=bits)
            np.bitwise_count(bits, out=others)
            own += others
            first, second = np.nonzero(own <= RADIUS)
            done += own.size
            if len(first):
                yield _hits(space, first + top, second + start)
        check(min(1.0, done / max(1, space.comparisons)))


@frozen(kw_only=True)
class Bands:
    """A way to cut dd128 into bands of which two must be equal."""

    count: int
    edges: tuple[int, ...] = field(init=False)
    """Bits at which they begin, and the end; the wider ones first."""

    @edges.default
    def _edges(self) -> tuple[int, ...]:
        width, wider = divmod(_BITS, self.count)
        return tuple(band * width + min(band, wider) for band in range(self.count + 1))

    @property
    def complete_to(self) -> int:
        """Return the differing bits up to which no pair is missed."""
        return self.count - 2

    def cut(self, words: Words) -> npt.NDArray[np.uint32]:
        """Return the bands of each row, (count, n)."""
        bands = np.empty((self.count, len(words)), dtype=np.uint32)
        for band, (start, stop) in enumerate(zip(self.edges, self.edges[1:], strict=False)):
            word = start // 64
            if stop <= 64 * (word + 1):
                bits = words[:, word] >> np.uint64(64 * (word + 1) - stop)
            else:
                behind = stop - 64
                bits = (words[:, 0] << np.uint64(behind)) | (words[:, 1] >> np.uint64(64 - behind))
            bands[band] = bits & np.uint64((1 << (stop - start)) - 1)
        return bands


def banded_pairs(
    space: Space, bands: Bands, check: Callable[[float], None], *, gathered: int = GATHERED
) -> Iterator[Hits] | None:
    """Give the pairs within the radius that have two bands equal, each once.

    Real hashes are not uniform: runs of rows with equal bands may be so long that comparing all
    with all is cheaper. They are counted first.

    Args:
        space: The rows.
        bands: How to cut them.
        check: As for `every_pair`.
        gathered: What one comparison costs here, in those of `every_pair`; 0 whatever it costs.

    Returns:
        None where it is cheaper to use `every_pair`.
    """
    left = bands.cut(space.left)
    right = left if space.right is space.left else bands.cut(space.right)
    if gathered and gathered * _work(space, bands, left, right) > space.comparisons:
        return None
    return _banded(space, bands, (left, right), check)


def _work(
    space: Space, bands: Bands, left: npt.NDArray[np.uint32], right: npt.NDArray[np.uint32]
) -> float:
    """Return how many pairs of rows the tables hold."""
    pairs = 0.0
    for one, two in combinations(range(bands.count), 2):
        sizes = np.bincount(_keys(left, bands, one, two)).astype(np.float64)
        others = sizes
        if right is not left:
            others = np.bincount(_keys(right, bands, one, two)).astype(np.float64)
        shared = min(len(sizes), len(others))
        pairs += float(np.dot(sizes[:shared], others[:shared]))
        if space.is_triangle:
            # A row is no pair with itself, nor two rows in both directions.
            pairs -= len(space.left) if right is left else 0
    return pairs / 2 if space.is_triangle else pairs


def _banded(
    space: Space,
    bands: Bands,
    cut: tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]],
    check: Callable[[float], None],
) -> Iterator[Hits]:
    left, right = cut
    tables = list(combinations(range(bands.count), 2))
    for done, (one, two) in enumerate(tables):
        sorted_left = _sorted_rows(_keys(left, bands, one, two))
        sorted_right = sorted_left if right is left else _sorted_rows(_keys(right, bands, one, two))
        left_rows, right_rows = (
            (each & _LOW).astype(np.int64) for each in (sorted_left, sorted_right)
        )
        left0, left1 = _columns(space.left[left_rows, :2])
        if right is left:
            right0, right1 = left0, left1
        else:
            right0, right1 = _columns(space.right[right_rows, :2])
        begin, end = _runs(sorted_left, sorted_right, is_triangle=space.is_triangle)
        for of_left, of_right in _ranges(begin, end):
            check((done + float(of_left[-1]) / len(begin)) / len(tables))
            bits = left0[of_left]
            bits ^= right0[of_right]
            counts = np.bitwise_count(bits)
            bits = left1[of_left]
            bits ^= right1[of_right]
            counts += np.bitwise_count(bits)
            close = np.flatnonzero(counts <= RADIUS)
            if not len(close):
                continue
            first, second = left_rows[of_left[close]], right_rows[of_right[close]]
            # Rows that are equal in more than two bands come up again: the first table has them.
            equal = left[:, first] == right[:, second]
            earliest = equal.argmax(axis=0) == one
            equal[one] = False
            own = earliest & (equal.argmax(axis=0) == two)
            if own.any():
                yield _hits(space, first[own], second[own])
    check(1.0)


def _columns(words: Words) -> list[npt.NDArray[np.uint64]]:
    return [np.ascontiguousarray(column) for column in words.T]


def _hits(space: Space, first: Rows, second: Rows) -> Hits:
    """Return the pairs that have a level, and are in the triangle."""
    if space.is_triangle:
        behind = second > first
        first, second = first[behind], second[behind]
    counts = np.bitwise_count(space.left[first] ^ space.right[second])
    differences, cosines = counts[:, 0] + counts[:, 1], counts[:, 2]
    kept = is_candidate(differences, cosines)
    return Hits(
        first=first[kept],
        second=second[kept],
        differences=differences[kept],
        cosines=cosines[kept],
    )


def _keys(cut: npt.NDArray[np.uint32], bands: Bands, one: int, two: int) -> npt.NDArray[np.uint32]:
    width = np.uint32(bands.edges[two + 1] - bands.edges[two])
    keys: npt.NDArray[np.uint32] = (cut[one] << width) | cut[two]
    return keys


def _sorted_rows(keys: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """Return key and row in one number each, ascending: rows of one key are then in order."""
    packed = keys.astype(np.uint64) << _HIGH
    packed |= np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    return packed


def _runs(
    left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64], *, is_triangle: bool
) -> tuple[Rows, Rows]:
    """Return, for each place on the left, the places on the right that it is compared with."""
    keys = left >> _HIGH
    if left is right:
        last = np.flatnonzero(keys[1:] != keys[:-1]) + 1
        last = np.append(last, len(keys))
        lengths = np.diff(last, prepend=0)
        return np.arange(1, len(keys) + 1), np.repeat(last, lengths)
    if is_triangle:
        # The number of a row on the left stands right before that of the rows behind it.
        begin = np.searchsorted(right, left, side="right")
    else:
        begin = np.searchsorted(right, keys << _HIGH)
    return begin, np.searchsorted(right, (keys + np.uint64(1)) << _HIGH)


def _ranges(begin: Rows, end: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Give pairs of a place and each of its range, some at a time."""
    lengths = np.maximum(end - begin, 0)
    places = np.flatnonzero(lengths)
    begin, lengths = begin[places], lengths[places]
    ends = np.cumsum(lengths)
    at = 0
    while at < len(places):
        before = int(ends[at - 1]) if at else 0
        # At least one place: a single range is never longer than the rows there are.
        stop = max(at + 1, int(np.searchsorted(ends, before + _CANDIDATES, side="right")))
        some = slice(at, stop)
        offset = np.repeat(ends[some] - lengths[some] - before - begin[some], lengths[some])
        yield (
            np.repeat(places[some], lengths[some]),
            np.arange(int(ends[stop - 1]) - before) - offset,
        )
        at = stop
