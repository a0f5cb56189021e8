"""32x32 grey thumbnails and how well they correlate (datasets.md section A5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from aitk_core.pictures.hashes import MIRRORED, SIDE

if TYPE_CHECKING:
    from aitk_core.pictures.hashes import Thumbnail

Small = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float32]

SMALL_SIDE: Final = 32
"""1 KiB for each picture."""

_AT_ONCE: Final = 1024
"""Pairs: about 40 MiB."""


def small_of(thumbnail: Thumbnail) -> Small:
    """Return the (32, 32) uint8 means of a (128, 128) thumbnail, rounded."""
    step = SIDE // SMALL_SIDE
    rows = thumbnail.reshape(SMALL_SIDE, step, SIDE).sum(axis=1, dtype=np.uint16)
    sums = rows.reshape(SMALL_SIDE, SMALL_SIDE, step).sum(axis=2, dtype=np.uint16)
    small: Small = ((sums + step * step // 2) // (step * step)).astype(np.uint8)
    return small


def turn(small: Small, orientation: int) -> Small:
    """Return thumbnails (..., 32, 32) in one of `hashes.ORIENTATIONS`."""
    if orientation >= MIRRORED:
        small = small[..., ::-1]
    return np.rot90(small, orientation % 4, axes=(-2, -1))


def correlations_of(one: Small, other: Small) -> npt.NDArray[np.float32]:
    """Return `ncc` of section A5.7 for pairs of thumbnails, (n,), -1 to 1; plain ones have 0.

    The best Pearson correlation of the inner 30x30 pixels over shifts by -1, 0 and 1 across and
    down. The shift is of either picture, so order is no matter.

    Args:
        one: (n, 32, 32) uint8.
        other: (n, 32, 32) uint8, turned already.
    """
    parts = [
        _correlations(one[start : start + _AT_ONCE], other[start : start + _AT_ONCE])
        for start in range(0, max(len(one), 1), _AT_ONCE)
    ]
    return np.concatenate(parts)


def _correlations(one: Small, other: Small) -> _Floats:
    a, b = one.astype(np.float32), other.astype(np.float32)
    best = np.full(len(a), -1.0, dtype=np.float32)
    inner_a, inner_b = _standard(_window(a, 1, 1)), _standard(_window(b, 1, 1))
    for down in range(3):
        for across in range(3):
            for inner, moved in ((inner_a, b), (inner_b, a)):
                found = _products(inner, _standard(_window(moved, down, across)))
                np.maximum(best, found, out=best)
    return best


def _window(small: _Floats, down: int, across: int) -> _Floats:
    inner = SMALL_SIDE - 2
    return small[:, down : down + inner, across : across + inner]


def _products(one: _Floats, other: _Floats) -> _Floats:
    """Return the mean product of each pair of standardised pictures."""
    products: _Floats = np.einsum("nij,nij->n", one, other) / np.float32(
        one.shape[1] * one.shape[2]
    )
    return products


def _standard(small: _Floats) -> _Floats:
    """Return pictures with mean 0 and deviation 1; plain ones are 0 everywhere."""
    centred = small - small.mean(axis=(1, 2), keepdims=True)
    spread = np.sqrt(np.square(centred).mean(axis=(1, 2), keepdims=True))
    standard: _Floats = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
    return standard
