"""Perceptual hashes of a 128x128 grey thumbnail: the definition of datasets.md section A5.

24 bytes: dd128, the signs of 64 gradients across and 64 down, then p64, the lowest cosine
coefficients against their median. Both together are better than either: of 48,814 pairs of
pictures that differ, 0 lie within 20 bits of both, and 4 within 20 of dd128 alone; copies after
JPEG at quality 10, half and quarter size, blur, 15 % brightness and 30 % contrast are found in 98
to 100 %, crops of 4, 6 and 10 % in 95, 73 and 26 % (section A5, 313 pictures).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Hash = npt.NDArray[np.uint8]
Thumbnail = npt.NDArray[np.uint8]
_Plane = npt.NDArray[np.float64]

SIDE: Final = 128
"""Pixels of the thumbnail's sides."""
BYTES: Final = 24
"""Of a hash: 16 of dd128, then 8 of p64, the first bit the most significant."""

ORIENTATIONS: Final = range(8)
"""0 to 3: as it is, turned counter-clockwise by 90, 180, 270 degrees. 4 to 7: mirrored left to
right first, then turned likewise."""
UPRIGHT: Final = 0
MIRRORED: Final = 4

BLANK_SPREAD: Final = 5.0
"""Standard deviation of the thumbnail, in levels, below which a picture has no hash: nearly plain
ones match everything; leaving them in gave 6 to 35 more pairs (section A5.6)."""
BLANK_DETAIL: Final = 1.0
"""Largest Laplacian variance of a tile below which it has none either: gradients of one direction
have equal hashes whatever their spread; 10 of 10 had at most 0.22 (section E7)."""

_WAVES: Final = 8
_SMALL: Final = 32
_EIGHTH: Final = SIDE // 8
_FOURTH: Final = SIDE // _SMALL
_TIE: Final = 1e-6
"""Sums of 16 levels times cosines. Ties give 0; the rounding of a sum, at most 1e-8 here, may not
decide otherwise. Ours."""


def is_blank(spread: float, tile_laplacian: float | None = None) -> bool:
    """Tell whether a picture is too plain to be compared by hashes.

    Args:
        spread: Standard deviation of the thumbnail, in levels.
        tile_laplacian: `Looks.tile_laplacian`; None leaves that half of the gate out.
    """
    return spread < BLANK_SPREAD or (tile_laplacian is not None and tile_laplacian < BLANK_DETAIL)


def hashes_of(thumbnail: Thumbnail, orientations: Sequence[int] = (UPRIGHT, MIRRORED)) -> Hash:
    """Return the hashes of a picture in some orientations, (len(orientations), 24) uint8.

    A turned picture needs no thumbnail of its own: its area means are those of the upright one,
    turned, and its cosine coefficients differ in order and sign only.

    Args:
        thumbnail: (128, 128) uint8.
        orientations: Members of `ORIENTATIONS`.
    """
    levels = thumbnail.astype(np.float32)
    # In ninths, so that every sum is a whole number below 2**24: exact in float32, ties included.
    ninths = _ninths()
    across = levels.reshape(8, _EIGHTH, SIDE).sum(axis=1) @ ninths.T
    down = ninths @ levels.reshape(SIDE, 8, _EIGHTH).sum(axis=2)
    small = levels.reshape(_SMALL, _FOURTH, SIDE).sum(axis=1)
    small = small.reshape(_SMALL, _SMALL, _FOURTH).sum(axis=2)
    waves = _cosines() @ small @ _cosines().T

    count = len(orientations)
    bits = np.empty((count, 192), dtype=np.bool_)
    turned_waves = np.empty((count, 64))
    for row, orientation in enumerate(orientations):
        x, y, c = _turned(across, down, waves, orientation)
        np.greater(x[:, 1:], x[:, :-1], out=bits[row, :64].reshape(8, 8))
        np.greater(y[1:], y[:-1], out=bits[row, 64:128].reshape(8, 8))
        turned_waves[row] = c.ravel()
    median = np.partition(turned_waves[:, 1:], 31, axis=1)[:, 31:32]
    np.greater(turned_waves, median + _TIE, out=bits[:, 128:])
    bits[:, 128] = False
    return np.packbits(bits, axis=1)


def distances(one: Hash, other: Hash) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return how many bits of dd128 and of p64 differ, for arrays (..., 24) that broadcast."""
    differing = np.bitwise_count(one ^ other)
    return (
        differing[..., :16].sum(axis=-1, dtype=np.uint8),
        differing[..., 16:].sum(axis=-1, dtype=np.uint8),
    )


def _turned(
    across: npt.NDArray[np.float32], down: npt.NDArray[np.float32], waves: _Plane, orientation: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], _Plane]:
    """Return (8, 9) and (9, 8) area means and (8, 8) coefficients of the turned picture."""
    signs = _signs()
    if orientation >= MIRRORED:
        across, down, waves = across[:, ::-1], down[:, ::-1], waves * signs
    quarters = orientation % 4
    if quarters % 2:
        across, down, waves = down.T, across.T, waves.T
    # Counter-clockwise: 90 degrees exchange rows and columns, then reverse the rows.
    if quarters in {1, 2}:
        across, down, waves = across[::-1], down[::-1], waves * signs.T
    if quarters in {2, 3}:
        across, down, waves = across[:, ::-1], down[:, ::-1], waves * signs
    return across, down, waves


@cache
def _ninths() -> npt.NDArray[np.float32]:
    """Return 9 times the (9, 128) weights of area sums: whole numbers, each row sums to 128."""
    edges = np.arange(10)[:, None] * SIDE
    pixel = np.arange(SIDE) * 9
    overlap = np.minimum(edges[1:], pixel + 9) - np.maximum(edges[:-1], pixel)
    weights: npt.NDArray[np.float32] = np.clip(overlap, 0, None).astype(np.float32)
    return weights


@cache
def _cosines() -> _Plane:
    """Return the (8, 32) matrix of the lowest cosines, not normalised."""
    order, place = np.arange(_WAVES)[:, None], np.arange(_SMALL)[None]
    waves: _Plane = np.cos(np.pi * (2 * place + 1) * order / (2 * _SMALL))
    return waves


@cache
def _signs() -> _Plane:
    """Return (1, 8): what mirroring does to cosines of each order."""
    signs: _Plane = np.where(np.arange(_WAVES) % 2, -1.0, 1.0)[None]
    return signs
