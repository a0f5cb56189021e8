"""From distances to what a pair is called: near or possible, every threshold with its source.

    near      dd128 <= 20, p64 <= 20, correlation >= 0.90 and tile <= 1.0
    possible  (dd128 <= 20 and p64 <= 20) or (dd128 <= 28 and p64 <= 16), not confirmed

Hashes: 0 of 48,814 pairs of different pictures lie within either rule (datasets.md section A5), but
40 of 223,446 in a planted folder with products on white ground, so hashes alone are never more
than possible. Confirmation by `near`, of candidates that hashes gave, true and false pairs kept
(section E7): correlation >= 0.95 alone 52 of 60 and 0 of 11, with the tile bound and 0.90 instead
55 of 60 and 0 of 11; on a folder not used for choosing 19 of 22 and 1 of 1, two plain gradients,
which the blank gate takes out since. Equal bytes and equal pixels are for the caller to tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.pictures.confirm import Agreement

Level = Literal["near", "possible"]
_Distances = npt.NDArray[np.uint8] | int

CLOSE: Final = (20, 20)
"""Bits of dd128 and p64 that copies differ by at most (section A5)."""
WIDE: Final = (28, 16)
"""A second rule, for crops: 94 instead of 73 % of those of 6 %, 0 false pairs (section A5)."""
RADIUS: Final = max(CLOSE[0], WIDE[0])
"""Bits of dd128 beyond which no pair has a level."""

CORRELATION: Final = 0.90
"""Least correlation of thumbnails of a near pair (section E7)."""
TILE: Final = 1.0
"""Largest difference of a tile of a near pair, in standard deviations of the picture: one subject
changed in an equal scene passes any correlation. The nearest false pair had 0.98 to 1.05
(section E7), so near is never as good as exact."""


def is_candidate(differences: _Distances, cosines: _Distances) -> npt.NDArray[np.bool_]:
    """Tell which pairs are possible by their hashes alone.

    Args:
        differences: Bits of dd128 that differ.
        cosines: Bits of p64 that differ.
    """
    close = np.less_equal(differences, CLOSE[0]) & np.less_equal(cosines, CLOSE[1])
    wide = np.less_equal(differences, WIDE[0]) & np.less_equal(cosines, WIDE[1])
    either: npt.NDArray[np.bool_] = np.asarray(close | wide)
    return either


def is_near(
    differences: _Distances, cosines: _Distances, agreement: Agreement
) -> npt.NDArray[np.bool_]:
    """Tell which pairs are near: close by both hashes, and confirmed by their thumbnails."""
    close = np.less_equal(differences, CLOSE[0]) & np.less_equal(cosines, CLOSE[1])
    sure: npt.NDArray[np.bool_] = (
        close & (agreement.straight >= CORRELATION) & (agreement.tile <= TILE)
    )
    return sure


def levels_of(
    differences: npt.NDArray[np.uint8], cosines: npt.NDArray[np.uint8], agreement: Agreement
) -> list[Level | None]:
    """Return the level of each pair, None where it has none."""
    candidates: Iterable[bool] = is_candidate(differences, cosines).tolist()
    sure: Iterable[bool] = is_near(differences, cosines, agreement).tolist()
    return [
        "near" if near else "possible" if candidate else None
        for near, candidate in zip(sure, candidates, strict=True)
    ]
