"""Whether two pictures show the same, part by part (ours; measured in `levels`).

Hashes say which pairs may be copies. This lays one picture over the other, maps the levels of
each channel to those of the other by one gentle curve for the whole picture, and asks where the
two still differ. A copy differs nowhere by much, whatever was done to it as a whole; another
subject in an equal scene differs in its place, however small it is, and so does another product
on white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from aitk_core.pictures.registration import IN_PLACE, laid_over, register, smoothed

if TYPE_CHECKING:
    from aitk_core.pictures.registration import Placement, Plane

Colours = npt.NDArray[np.uint8]

COLOUR_SIDE: Final = 128
"""Pixels of the sides of what is compared, whatever the sides of the picture."""
SAME: Final = 1.0
"""Largest mismatch of copies, see `levels`."""

_TILE: Final = 8
_NOISE: Final = 8.0
"""Levels that a plain part may differ by: blocks of strong compression. Ours."""
_LEAST_PART: Final = 0.75
"""Of a picture's area that a crop of it keeps; what keeps less is another picture. Ours."""
_BEYOND: Final = 0.03
"""Share of a side by which a crop may lie outside: two crops of one picture. Ours."""
_MOST_CHANGE: Final = 48.0
"""Levels that a curve may move one: brighter by 15 %, contrast of 30 %, gamma 0.7 and warmer light
move at most 38, another colour of the same thing more. Ours."""
_NO_COLOUR: Final = 3.0
"""Levels between channels, on average, of a picture without colour: those of JPEG. Ours."""
_FULL: Final = 0.5
"""Share of a tile that must be covered for it to count."""
_EVERY: Final = 2
"""Of the pixels across and down, those that the colours are fitted on."""
_RIDGE: Final = 1e-6
_LUMA: Final = np.array((0.299, 0.587, 0.114), dtype=np.float32)


def mismatch_of(first: Colours, second: Colours) -> float:
    """Return where and by how much two pictures differ at most, 0 or more; infinite: everywhere.

    The largest root of mean squares over tiles of 8x8 pixels, of the difference that is left once
    the pictures lie over one another and have the colours of one another, divided by what varies
    within the tile plus 8 levels. About 1 is left where a part has nothing to do with its
    counterpart of the same contrast.

    Args:
        first: (128, 128, 3) uint8 RGB, area means.
        second: The same; mirrored already where that is asked.
    """
    one, other = (smoothed(each.astype(np.float32)) for each in (first, second))
    if _is_grey(first) != _is_grey(second):
        one, other = ((each @ _LUMA)[..., None] for each in (one, other))
    in_place = _mismatch(one, other, IN_PLACE)
    if in_place <= SAME:
        return in_place
    placement = register(_light(one), _light(other))
    if placement is None or not _is_crop(placement):
        return in_place
    return min(in_place, _mismatch(one, other, placement))


def _is_grey(colours: Colours) -> bool:
    """Tell whether a picture has next to no colour."""
    levels = colours.astype(np.int16)
    return bool((levels.max(axis=-1) - levels.min(axis=-1)).mean() <= _NO_COLOUR)


def _light(picture: Plane) -> Plane:
    return picture[..., 0] if picture.shape[-1] == 1 else picture @ _LUMA


def _is_crop(placement: Placement) -> bool:
    """Tell whether one picture lies within the other, and is a good part of it."""
    sides = (
        (placement.shift_x, placement.shift_x + placement.scale_x),
        (placement.shift_y, placement.shift_y + placement.scale_y),
    )
    inside = all(begin >= -_BEYOND and end <= 1 + _BEYOND for begin, end in sides)
    around = all(begin <= _BEYOND and end >= 1 - _BEYOND for begin, end in sides)
    area = placement.scale_x * placement.scale_y
    return (inside and area >= _LEAST_PART) or (around and 0 < area <= 1 / _LEAST_PART)


def _mismatch(first: Plane, second: Plane, placement: Placement) -> float:
    if placement is IN_PLACE:
        lying, mask = first, np.ones(first.shape[:2], dtype=np.bool_)
    else:
        lying, mask = laid_over(first, placement)
    share = _tile_means(mask.astype(np.float32))
    counted = share >= _FULL
    if not counted.any():
        return float("inf")
    share = np.where(counted, share, 1)
    varied = np.minimum(*(_variances(each, mask, share) for each in (lying, second)))
    allowed = varied + second.shape[2] * _NOISE**2
    # A curve that flattens, as of what is too bright, goes one way only: the better of both.
    return min(
        float(np.sqrt((_residuals(one, other, mask) / share / allowed)[counted].max()))
        for one, other in ((lying, second), (second, lying))
    )


def _tile_means(plane: Plane) -> Plane:
    """Return the means of tiles of a plane (n, n, ...)."""
    count = len(plane) // _TILE
    means: Plane = plane.reshape(count, _TILE, count, _TILE, *plane.shape[2:]).mean(axis=(1, 3))
    return means


def _variances(picture: Plane, mask: npt.NDArray[np.bool_], share: Plane) -> Plane:
    """Return the variance within each tile, summed over channels."""
    inside = picture * mask[..., None]
    means = _tile_means(inside) / share[..., None]
    squares = _tile_means(inside * picture) / share[..., None]
    variances: Plane = np.maximum(squares - means**2, 0).sum(axis=-1)
    return variances


def _residuals(source: Plane, wanted: Plane, mask: npt.NDArray[np.bool_]) -> Plane:
    """Return the mean squares in each tile of what the source's curves do not explain."""
    left = np.zeros(mask.shape, dtype=np.float32)
    some = mask[::_EVERY, ::_EVERY]
    for channel in range(source.shape[2]):
        # What is fitted is the change of the levels: where nothing is known, they stay.
        change = wanted[..., channel] - source[..., channel]
        terms = _terms(source[..., channel])
        fitted = terms[::_EVERY, ::_EVERY][some].astype(np.float64)
        sums = fitted.T @ fitted
        sums[np.diag_indices(len(sums))] += _RIDGE * len(fitted)
        aims = change[::_EVERY, ::_EVERY][some].astype(np.float64)
        weights = np.linalg.solve(sums, fitted.T @ aims).astype(np.float32)
        left += (np.clip(terms @ weights, -_MOST_CHANGE, _MOST_CHANGE) - change) ** 2
    return _tile_means(left * mask)


def _terms(levels: Plane) -> Plane:
    """Return 1 and the levels to the third power, (n, n, 4)."""
    # In shares of 255, so that all powers are of one size.
    shares = levels * np.float32(1 / 255)
    return np.stack((np.ones_like(shares), shares, shares**2, shares**3), axis=-1)
