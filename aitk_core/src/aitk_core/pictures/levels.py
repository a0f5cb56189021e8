"""From distances to what a pair is called: near or possible, every threshold with its source.

    near      dd128 <= 20 and p64 <= 20, correlation >= 0.95 and tile <= 0.5
    possible  (dd128 <= 20 and p64 <= 20) or (dd128 <= 28 and p64 <= 16), not confirmed

Hashes: 0 of 48,814 pairs of different pictures lie within either rule (datasets.md section A5), but
40 of 223,446 in a planted folder with products on white ground, so hashes alone are never more
than possible.

Confirmation: the form is that of section E7, a correlation and a bound for tiles; its bounds of
0.90 and 1.0 let 8 of 61 pairs of products on white that the hashes gave pass, and 9 of 20 pairs of
one scene with another subject: too many for what may be proposed for removal. Ours were chosen on
60 pictures of `aitk_core.proving.pictures` and kept on 50 others, each with copies:

    found as near             60, chosen here       50, not used for choosing
    JPEG 35, half size, brighter, gamma 0.7, blur 2, mirrored
                              360 of 360            300 of 300
    JPEG 10                   59 of 60              50 of 50
    crop of 2 %               59 of 60              50 of 50
    crop of 4 %               13 of 60              19 of 50
    products on white         0 of 126              0 of 79   false
    another subject           7 of 60               6 of 40   false

The last are subjects nearly as bright as the one they replace: grey levels do not tell them apart,
so near is never as good as exact. Crops of 4 % and more, turns, watermarks and borders are
possible at most. Equal bytes and equal pixels are for the caller to tell.
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

CORRELATION: Final = 0.95
"""Least correlation of thumbnails of a near pair (section A5: 0 of 40 false pairs kept)."""
TILE: Final = 0.5
"""Largest difference of a tile of a near pair, in standard deviations of the picture: one subject
changed in an equal scene passes any correlation. Ours, from the table above."""


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
        close & (agreement.correlation >= CORRELATION) & (agreement.tile <= TILE)
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
