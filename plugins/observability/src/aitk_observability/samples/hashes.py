"""Near copies by perceptual hashes: definition, thresholds and errors of datasets.md section A5."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from attrs import frozen

from aitk_observability.samples.pixels import Plane, luma

if TYPE_CHECKING:
    from aitk_observability.samples.pixels import Pixels

Bits = npt.NDArray[np.bool_]

_SIDE: Final = 128
_BLANK: Final = 5.0
"""Standard deviation below which a picture has no hash: blank pictures match everything."""
_THUMB: Final = 32
_TIE: Final = 1e-6
"""Ties give 0 by the definition; rounding may not decide otherwise. Levels of 255."""


@frozen(kw_only=True, eq=False)
class Fingerprint:
    """What is compared of a picture."""

    differences: Bits
    """(128,) dd128: gradients across, then down."""
    cosines: Bits
    """(64,) p64: signs of the lowest cosine coefficients against their median."""
    thumb: Plane
    """(32, 32) means, to confirm by."""


def fingerprint(pixels: Pixels, *, mirrored: bool = False) -> Fingerprint | None:
    """Return what a picture is compared by, or None for one that is blank.

    The section takes 128x128 area means from a long side of 512; here they come from at most 256,
    with fractional weights where a side is no multiple, which moves bits near a tie only.

    Args:
        pixels: (H, W, 3) uint8.
        mirrored: Of the picture turned left to right.
    """
    if not pixels.size:
        return None
    plane = luma(pixels)
    grey = _area_means(_area_means(plane, _SIDE).T, _SIDE).T
    if grey.std() < _BLANK:
        return None
    if mirrored:
        grey = grey[:, ::-1]
    eight, nine = _means(8, _SIDE), _means(9, _SIDE)
    across, down = eight @ grey @ nine.T, nine @ grey @ eight.T
    differences = np.concatenate(
        [(np.diff(across, axis=1) > _TIE).ravel(), (np.diff(down, axis=0) > _TIE).ravel()]
    )
    small = _means(_THUMB, _SIDE) @ grey @ _means(_THUMB, _SIDE).T
    waves = (_cosines() @ small @ _cosines().T).ravel()
    cosines = waves > np.median(waves[1:]) + _TIE
    cosines[0] = False
    return Fingerprint(differences=differences, cosines=cosines, thumb=small)


def distances(one: Fingerprint, other: Fingerprint) -> tuple[int, int]:
    """Return how many bits of dd128 and of p64 differ."""
    return (
        int(np.count_nonzero(one.differences != other.differences)),
        int(np.count_nonzero(one.cosines != other.cosines)),
    )


def correlation(one: Fingerprint, other: Fingerprint) -> float:
    """Return the best Pearson correlation of the thumbnails' insides over shifts by one."""
    inner = _standard(one.thumb[1:-1, 1:-1])
    size = _THUMB - 2
    return max(
        float((inner * _standard(other.thumb[down : down + size, right : right + size])).mean())
        for down in range(3)
        for right in range(3)
    )


def _standard(plane: Plane) -> Plane:
    centred: Plane = plane - plane.mean()
    spread = float(centred.std())
    standard: Plane = centred / spread if spread > 0 else centred
    return standard


def _area_means(plane: Plane, count: int) -> Plane:
    """Return `count` area means down each column, with fractional weights.

    By sums up to each edge: a product with `_means` would wake the threads of the linear algebra
    library, which costs ten times as much on a busy machine.
    """
    length = plane.shape[0]
    sums = np.zeros((length + 1, plane.shape[1]))
    np.cumsum(plane, axis=0, out=sums[1:])
    edges = np.linspace(0, length, count + 1)
    below = np.minimum(edges.astype(int), length - 1)
    share = (edges - below)[:, None]
    at_edges = sums[below] * (1 - share) + sums[below + 1] * share
    means: Plane = np.diff(at_edges, axis=0) * (count / length)
    return means


@cache
def _means(count: int, length: int) -> Plane:
    """Return the (count, length) matrix of area means; its rows sum to 1."""
    edges = np.linspace(0, length, count + 1)
    pixel = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights: Plane = np.clip(overlap, 0, None)
    rows: Plane = weights / weights.sum(axis=1, keepdims=True)
    return rows


@cache
def _cosines() -> Plane:
    """Return the (8, 32) matrix of the lowest cosines, not normalised."""
    order, place = np.arange(8)[:, None], np.arange(_THUMB)[None]
    waves: Plane = np.cos(np.pi * (2 * place + 1) * order / (2 * _THUMB))
    return waves
