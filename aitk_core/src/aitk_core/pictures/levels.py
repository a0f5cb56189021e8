"""From distances of hashes to pairs that may be copies, and what their comparison is worth.

    possible  (dd128 <= 20 and p64 <= 20) or (dd128 <= 28 and p64 <= 16)
    near      possible, and laid over one another they match: `sameness.mismatch_of` <= 1.0

Hashes: 0 of 48,814 pairs of different pictures lie within either rule (datasets.md section A5), but
40 of 223,446 in a planted folder with products on white ground, so hashes alone are never more
than possible. A correlation of thumbnails (section A5.7) does not tell crops from other subjects:
at 0.95 it found 32 of 110 crops of 4 %, and took 13 of 100 scenes with another subject for copies.

The bound of the mismatch was chosen on 20 photographs or artworks and 20 generated pictures, each
with its copies, and on the sandbox's 16 pictures of one figure in other places and colours, whose
closest pair has 1.25. The figures are near ones of all pairs of 44 and 45 other pictures, which an
earlier form of the comparison was tried on once and which chose nothing:

    found as near                          photographs    generated
    JPEG 35, WebP 70, half size, greyed,
    warmer, gamma 0.7, blur 2, mirrored    352 of 352     360 of 360
    JPEG 10, brighter, quarter size        129 of 132     135 of 135
    crop of 2 %                            43 of 44       45 of 45
    crop of 4 %                            42 of 44       45 of 45
    crop of 4 %, gamma 0.7, JPEG 50        41 of 44       45 of 45
    crop of 6 %                            39 of 44       42 of 45
    crop of 10 %                           28 of 44       17 of 45
    turned by 3 degrees, watermark         0 of 88        0 of 90
    products on white                      0 of 946       0 of 990    false
    one scene, two subjects                0 of 44        0 of 45     false
    a small thing put into a scene         0 of 44        0 of 45     false
    one thing moved by a twelfth           0 of 44        0 of 45     false

The least mismatch of a false pair was 2.1. What is missed was missed by the hashes, but for 2. A
thing in the colours of what it hides is not seen, so near is never as good as exact. Equal bytes
and equal pixels are for the caller to tell.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_Distances = npt.NDArray[np.uint8] | int

CLOSE: Final = (20, 20)
"""Bits of dd128 and p64 that copies differ by at most (section A5)."""
WIDE: Final = (28, 16)
"""A second rule, for crops: 94 instead of 73 % of those of 6 %, 0 false pairs (section A5)."""
RADIUS: Final = max(CLOSE[0], WIDE[0])
"""Bits of dd128 beyond which no pair has a level."""


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
