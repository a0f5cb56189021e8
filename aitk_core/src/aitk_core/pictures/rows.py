"""Distinct hashes as rows, and back from pairs of rows to pairs of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from aitk_core.pictures.candidates import Rows, Words

if TYPE_CHECKING:
    import numpy.typing as npt

    from aitk_core.pictures.hashes import Hash


@frozen(kw_only=True, eq=False)
class Distinct:
    """Distinct hashes in ascending order, and which pictures have them."""

    words: Words
    """(rows, orientations, 3)."""
    members: Rows
    """Places in the list: those of the first row, ascending, then those of the next."""
    starts: Rows
    """(rows,) Where each row's members begin."""
    counts: Rows
    """(rows,) How many there are."""


def distinct(hashes: Hash) -> Distinct:
    """Return the distinct hashes; two pictures are one row if all their orientations agree.

    Args:
        hashes: (n, orientations, 24) uint8.
    """
    count, orientations, _ = hashes.shape
    words = np.ascontiguousarray(hashes).view(">u8").astype(np.uint64)
    flat = words.reshape(count, 3 * orientations)
    order = np.lexsort(flat.T[::-1])
    flat = flat[order]
    is_new = np.ones(count, dtype=np.bool_)
    is_new[1:] = (flat[1:] != flat[:-1]).any(axis=1)
    starts = np.flatnonzero(is_new)
    return Distinct(
        words=flat[starts].reshape(len(starts), orientations, 3),
        members=order,
        starts=starts,
        counts=np.diff(starts, append=count),
    )


def pairs_of_equals(rows: Distinct, *, only_first: bool) -> tuple[Rows, Rows]:
    """Return the pairs of pictures within each row.

    Args:
        rows: The rows.
        only_first: Those of a row's first picture with the others alone.
    """
    many = np.flatnonzero(rows.counts > 1)
    firsts = np.ones_like(many) if only_first else rows.counts[many]
    one, other, _ = _products(rows.starts[many], firsts, rows.starts[many], rows.counts[many])
    ahead = one < other
    return rows.members[one[ahead]], rows.members[other[ahead]]


def pairs_of_rows(
    left: Distinct, right: Distinct, pairs: tuple[Rows, Rows], *, only_first: bool
) -> tuple[Rows, Rows, Rows]:
    """Return the pairs of pictures of pairs of rows, and which pair of rows each comes from.

    Args:
        left: Rows of the first of each pair.
        right: Rows of the second.
        pairs: The pairs of rows.
        only_first: Those of the first picture of each row alone.
    """
    first, second = pairs
    ones, others = left.counts[first], right.counts[second]
    if only_first:
        ones, others = np.ones_like(ones), np.ones_like(others)
    one, other, source = _products(left.starts[first], ones, right.starts[second], others)
    return left.members[one], right.members[other], source


def _products(
    left: Rows, left_counts: Rows, right: Rows, right_counts: Rows
) -> tuple[Rows, Rows, Rows]:
    """Return all combinations of so many places from each start, and the number of the start."""
    sizes = left_counts * right_counts
    source = np.repeat(np.arange(len(sizes)), sizes)
    within: npt.NDArray[np.int64] = np.arange(len(source)) - np.repeat(
        np.cumsum(sizes) - sizes, sizes
    )
    one, other = np.divmod(within, right_counts[source])
    return left[source] + one, right[source] + other, source
