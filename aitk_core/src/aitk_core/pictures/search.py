"""Candidates for near copies among many hashes (datasets.md section A6).

Equal hashes are one row, so that 500 equal files cost no more than one. Up to 20,000 rows are
compared each with each; above that by bands, which miss nothing up to 14 differing bits of dd128,
12 above 200,000 rows, and little beyond: of 5,004 true pairs within 20 bits, 2 of 16 bands found
all and 2 of 14 found 99.84 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from attrs import frozen

from aitk_core.pictures.candidates import Bands, Hits, Space, banded_pairs, every_pair
from aitk_core.pictures.hashes import BYTES, MIRRORED, ORIENTATIONS, UPRIGHT
from aitk_core.pictures.levels import RADIUS
from aitk_core.pictures.rows import distinct, pairs_of_equals, pairs_of_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aitk_core.pictures.hashes import Hash
    from aitk_core.pictures.rows import Distinct

    Check = Callable[[float], None]

MAX_PAIRS: Final = 200_000
"""Pairs that are kept, the closest first; about 10 MiB. Ours."""

_EXHAUSTIVE: Final = 20_000**2 // 2
"""Comparisons up to which each is compared with each: a second or two (section A6)."""
_FINE: Final = 200_000**2 // 2
"""Comparisons up to which 16 bands are used; more rows have too many candidates (section A6)."""
_INVERSE: Final = np.array([0, 3, 2, 1, 4, 5, 6, 7], dtype=np.uint8)
"""By orientation: what undoes it."""


@frozen(kw_only=True, eq=False)
class Found:
    """Pairs whose hashes agree, as columns of equal length, by `first`, then `second`."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    """Places in the given list, `first` before `second`; of the other list where there are two."""
    orientation: npt.NDArray[np.uint8]
    """In which of `hashes.ORIENTATIONS` the second is most like the first."""
    differences: npt.NDArray[np.uint8]
    cosines: npt.NDArray[np.uint8]
    """Bits of dd128 and p64 that differ."""
    complete_to: int
    """Differing bits of dd128 up to which no pair is missed, unless `truncated`."""
    method: str
    """`exhaustive`, `bands 2 of 16` or `bands 2 of 14`."""
    truncated: bool
    """There are more pairs than are kept: the farthest are left out, and of equal hashes that the
    first of each group alone stands for the others."""

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.first)


def find_pairs(
    hashes: Hash,
    *,
    orientations: Sequence[int] = (UPRIGHT, MIRRORED),
    check: Check | None = None,
    max_pairs: int = MAX_PAIRS,
) -> Found:
    """Return the pairs within one list that are candidates by `levels.is_candidate`.

    A turned pair is compared in one direction, which is told by the hashes themselves: the order
    of the list does not matter. No picture is its own copy, and no pair comes twice: the
    orientation with the fewest differing bits is kept, upright on a tie.

    Args:
        hashes: (n, len(orientations), 24) uint8, as `hashes_of` gives them for each picture.
        orientations: Of the second axis; the first is `UPRIGHT`.
        check: Gets the share done, 0 to 1, between blocks; what it raises ends the search.
        max_pairs: How many are kept.

    Raises:
        ValueError: Shapes or orientations are not as described.
    """
    _validate(hashes, orientations)
    rows = distinct(hashes)
    spaces = [
        Space(left=rows.words[:, 0], right=rows.words[:, turned], is_triangle=True)
        for turned in range(len(orientations))
    ]
    # The same array twice tells that left and right are one list.
    spaces[0] = Space(left=spaces[0].left, right=spaces[0].left, is_triangle=True)
    found = _search(spaces, orientations, check or _no_check, max_pairs)
    return _expanded(found, rows, None, max_pairs)


def find_pairs_between(
    hashes: Hash,
    others: Hash,
    *,
    orientations: Sequence[int] = (UPRIGHT, MIRRORED),
    check: Check | None = None,
    max_pairs: int = MAX_PAIRS,
) -> Found:
    """Return the candidate pairs of one from each list; see `find_pairs`.

    Args:
        hashes: (m, 1 or more, 24) uint8, of which the first orientation is used.
        others: (n, len(orientations), 24) uint8.
        orientations: Of the second axis of `others`; the first is `UPRIGHT`.
        check: As there.
        max_pairs: As there.

    Raises:
        ValueError: Shapes or orientations are not as described.
    """
    _validate(others, orientations)
    _validate(hashes, [UPRIGHT, *orientations[1 : hashes.shape[1]]] if hashes.ndim > 1 else ())
    rows, other_rows = distinct(hashes[:, :1]), distinct(others)
    spaces = [
        Space(left=rows.words[:, 0], right=other_rows.words[:, turned], is_triangle=False)
        for turned in range(len(orientations))
    ]
    found = _search(spaces, orientations, check or _no_check, max_pairs)
    return _expanded(found, rows, other_rows, max_pairs)


@frozen(kw_only=True, eq=False)
class _RowPairs:
    hits: Hits
    orientation: npt.NDArray[np.uint8]
    complete_to: int
    method: str
    truncated: bool


def _no_check(_share: float) -> None:
    """Go on."""


def _validate(hashes: Hash, orientations: Sequence[int]) -> None:
    if hashes.ndim != 3 or hashes.shape[1:] != (len(orientations), BYTES):  # noqa: PLR2004
        raise ValueError(
            f"hashes of shape {hashes.shape} are not (n, {len(orientations)}, {BYTES})"
        )
    if orientations[0] != UPRIGHT or not set(orientations) <= set(ORIENTATIONS):
        raise ValueError(f"orientations {list(orientations)} do not begin with {UPRIGHT}")


def _search(
    spaces: Sequence[Space], orientations: Sequence[int], check: Check, max_pairs: int
) -> _RowPairs:
    kept = _Closest(max_pairs)
    complete_to, method = RADIUS, "exhaustive"
    for place, (space, orientation) in enumerate(zip(spaces, orientations, strict=True)):

        def share(part: float, place: int = place) -> None:
            check((place + part) / len(spaces))

        bands = _bands_for(space.comparisons)
        hits: Iterable[Hits] | None = None
        if bands is not None:
            hits = banded_pairs(space, bands, share)
        if hits is None:
            hits = every_pair(space, share)
        elif bands is not None and bands.complete_to < complete_to:
            complete_to, method = bands.complete_to, f"bands 2 of {bands.count}"
        for each in hits:
            kept.add(each, orientation)
    return kept.result(complete_to, method)


def _bands_for(comparisons: int) -> Bands | None:
    if comparisons <= _EXHAUSTIVE:
        return None
    return Bands(count=16 if comparisons <= _FINE else 14)


def _expanded(found: _RowPairs, left: Distinct, right: Distinct | None, max_pairs: int) -> Found:
    """Return the pairs of pictures of the pairs of rows, and of one list those within rows."""
    hits, others = found.hits, left if right is None else right
    total = int(left.counts[hits.first] @ others.counts[hits.second])
    if right is None:
        total += int((left.counts * (left.counts - 1)).sum()) // 2
    is_crowded = total > max_pairs
    first, second, source = pairs_of_rows(
        left, others, (hits.first, hits.second), only_first=is_crowded
    )
    orientation = found.orientation[source]
    differences, cosines = hits.differences[source], hits.cosines[source]
    if right is None:
        one, other = pairs_of_equals(left, only_first=is_crowded)
        none = np.zeros(len(one), dtype=np.uint8)
        orientation = np.where(first < second, orientation, _INVERSE[orientation])
        first, second = np.minimum(first, second), np.maximum(first, second)
        first, second = np.concatenate([first, one]), np.concatenate([second, other])
        orientation, differences, cosines = (
            np.concatenate([column, none]) for column in (orientation, differences, cosines)
        )
    bits = differences.astype(np.int64) + cosines
    closest = np.lexsort((second, first, bits))[:max_pairs]
    order = closest[np.lexsort((second[closest], first[closest]))]
    return Found(
        first=first[order],
        second=second[order],
        orientation=orientation[order],
        differences=differences[order],
        cosines=cosines[order],
        complete_to=found.complete_to,
        method=found.method,
        truncated=found.truncated or is_crowded,
    )


class _Closest:
    """Collects pairs in bounded memory: the closest are kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[npt.NDArray[np.int64]] = []
        self._size = 0
        self._truncated = False

    def add(self, hits: Hits, orientation: int) -> None:
        turned = np.full(len(hits.first), orientation)
        part = np.array(
            [hits.first, hits.second, hits.differences, hits.cosines, turned], dtype=np.int64
        )
        self._parts.append(part)
        self._size += part.shape[1]
        if self._size > 2 * self._limit + 1024:
            self._parts = [self._shrunk()]
            self._size = self._parts[0].shape[1]

    def _shrunk(self) -> npt.NDArray[np.int64]:
        """Return each pair once, the closest of all, by rows."""
        table = np.concatenate([np.empty((5, 0), dtype=np.int64), *self._parts], axis=1)
        first, second, differences, cosines, orientation = table
        bits = differences + cosines
        table = table[:, np.lexsort((orientation, bits, second, first))]
        is_new = np.ones(table.shape[1], dtype=np.bool_)
        is_new[1:] = (table[:2, 1:] != table[:2, :-1]).any(axis=0)
        table = table[:, is_new]
        if table.shape[1] > self._limit:
            self._truncated = True
            closest = np.argsort(table[2] + table[3], kind="stable")[: self._limit]
            table = table[:, np.sort(closest)]
        return table

    def result(self, complete_to: int, method: str) -> _RowPairs:
        first, second, differences, cosines, orientation = self._shrunk()
        return _RowPairs(
            hits=Hits(
                first=first,
                second=second,
                differences=differences.astype(np.uint8),
                cosines=cosines.astype(np.uint8),
            ),
            orientation=orientation.astype(np.uint8),
            complete_to=complete_to,
            method=method,
            truncated=self._truncated,
        )
