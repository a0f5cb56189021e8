"""Laying one picture over another: how far it is scaled and moved (image registration).

The method is that of Lucas and Kanade ("An iterative image registration technique", IJCAI 1981),
with a gain and an offset of the levels solved for beside scale and shift, from coarse to fine.
Levels are ranked first (histogram equalisation), so that brightness, contrast and gamma do not
matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

Plane: TypeAlias = npt.NDArray[np.float32]
"""(n, n), or (n, n, channels)."""

_STARTS: Final = (1.0, 0.95, 1.05)
"""Scales to start from; from 1 alone crops of 6 % and more are missed. Ours."""
_LEVELS: Final = ((4, 8), (2, 5), (1, 3))
"""By what to reduce, and steps at most."""
_SMALLEST_STEP: Final = 2e-4
"""Of the sides: less than a thirtieth of a pixel of 128."""
_LARGEST_STEP: Final = 0.06
_LEAST_OVERLAP: Final = 0.5
_LEAST_LIKENESS: Final = 0.75
"""Correlation of 32x32 ranks below which the search ends. Ours: 200 copies had 0.85 and more."""
_DAMPING: Final = 1e-6
"""Of the mean diagonal: plain pictures give singular sums."""
_HALF: Final = 0.5
"""A pixel's place is its middle."""
_NO_LIGHT: Final = 0.05
"""Gain below which one picture says nothing of the other."""


@frozen(kw_only=True)
class Placement:
    """Where the second picture's points lie in the first: x * scale + shift, in shares of sides."""

    scale_x: float = 1.0
    shift_x: float = 0.0
    scale_y: float = 1.0
    shift_y: float = 0.0


IN_PLACE: Final = Placement()


def register(first: Plane, second: Plane) -> Placement | None:
    """Return how the first picture is to be scaled and moved to lie over the second.

    None where the two have too little in common for that to mean anything.

    Args:
        first: (n, n) grey levels of any range, n a multiple of 4.
        second: The same.
    """
    one, other = _ranked(first), _ranked(second)
    pyramid = [(_reduced(one, by), _reduced(other, by), steps) for by, steps in _LEVELS]
    coarse_one, coarse_other, steps = pyramid[0]
    found = [
        _refined(smoothed(coarse_one), smoothed(coarse_other), _about_the_middle(scale), steps)
        for scale in _STARTS
    ]
    likeness, best = max(
        ((_likeness(coarse_one, coarse_other, each), each) for each in found),
        key=lambda each: each[0],
    )
    if likeness < _LEAST_LIKENESS:
        return None
    for fine_one, fine_other, steps in pyramid[1:]:
        best = _refined(smoothed(fine_one), smoothed(fine_other), best, steps)
    return best


def laid_over(picture: Plane, placement: Placement) -> tuple[Plane, npt.NDArray[np.bool_]]:
    """Return a picture as it lies over another, and where it covers that.

    Args:
        picture: (n, n) or (n, n, channels).
        placement: Of the other picture's points in this one.

    Returns:
        The levels between its pixels, linear, and a mask (n, n) of the points inside it.
    """
    count = len(picture)
    left, across, in_x = _between(count, placement.scale_x, placement.shift_x)
    top, down, in_y = _between(count, placement.scale_y, placement.shift_y)
    tail = (1,) * (picture.ndim - 2)
    down = down.reshape(-1, 1, *tail)
    across = across.reshape(1, -1, *tail)
    rows = picture[top] + (picture[top + 1] - picture[top]) * down
    lying: Plane = rows[:, left] + (rows[:, left + 1] - rows[:, left]) * across
    return lying, in_y[:, None] & in_x[None]


def smoothed(picture: Plane) -> Plane:
    """Return a picture blurred by (1, 2, 1) / 4 both ways, the edge repeated."""
    padded = np.pad(picture, ((1, 1), (1, 1)) + ((0, 0),) * (picture.ndim - 2), mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    blurred: Plane = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
    return blurred


def _about_the_middle(scale: float) -> Placement:
    shift = (1 - scale) / 2
    return Placement(scale_x=scale, shift_x=shift, scale_y=scale, shift_y=shift)


def _ranked(levels: Plane) -> Plane:
    """Return each pixel's rank among all, 0 to 1, in 256 classes."""
    low, high = float(levels.min()), float(levels.max())
    if high <= low:
        return np.zeros_like(levels)
    classes = ((levels - low) * (255 / (high - low))).astype(np.uint8)
    counts = np.bincount(classes.ravel(), minlength=256)
    ranks: Plane = ((np.cumsum(counts) - counts / 2) / levels.size).astype(np.float32)
    return ranks[classes]


def _reduced(picture: Plane, by: int) -> Plane:
    if by == 1:
        return picture
    side = len(picture) // by
    reduced: Plane = picture.reshape(side, by, side, by).mean(axis=(1, 3), dtype=np.float32)
    return reduced


def _between(
    count: int, scale: float, shift: float
) -> tuple[npt.NDArray[np.intp], Plane, npt.NDArray[np.bool_]]:
    """Return for each point the pixel before it, how far behind that it is, and if it is inside."""
    places = ((np.arange(count) + _HALF) / count * scale + shift) * count - _HALF
    is_inside = (places >= -_HALF) & (places <= count - _HALF)
    places = np.clip(places, 0, count - 1)
    before = np.minimum(places.astype(np.intp), count - 2)
    return before, (places - before).astype(np.float32), is_inside


def _refined(first: Plane, second: Plane, start: Placement, steps: int) -> Placement:
    """Return the placement after some steps of Gauss and Newton; the start where they fail."""
    count = np.float32(len(first))
    slopes = (count * np.gradient(first, axis=1), count * np.gradient(first, axis=0))
    places = ((np.arange(len(first)) + _HALF) / len(first)).astype(np.float32)
    placement = start
    known = np.stack((first, *slopes), axis=-1)
    for step in _steps(known, second, places, placement, steps):
        placement = step
    return placement


def _steps(
    known: Plane,
    second: Plane,
    places: Plane,
    placement: Placement,
    most: int,
) -> Iterator[Placement]:
    """Yield one placement after another.

    Args:
        known: (n, n, 3) of the first picture: levels, and slopes across and down by its sides.
        second: (n, n).
        places: (n,) of the points, in shares of the sides.
        placement: To begin with.
        most: Steps.
    """
    for _ in range(most):
        moved, mask = laid_over(known, placement)
        if mask.mean() < _LEAST_OVERLAP:
            return
        lying, across, down = moved[..., 0], moved[..., 1], moved[..., 2]
        columns = np.stack(
            (
                *(across * places[None], across, down * places[:, None], down),
                *(lying, np.ones_like(lying)),
            ),
            axis=-1,
        )
        if not mask.all():
            columns = columns * mask[..., None]
        flat = columns.reshape(-1, 6)
        sums = (flat.T @ flat).astype(np.float64)
        sums[np.diag_indices(6)] += _DAMPING * float(np.trace(sums)) / 6 + 1e-12
        solved = np.linalg.solve(sums, (flat.T @ second.ravel()).astype(np.float64))
        gain = float(solved[4])
        if abs(gain) < _NO_LIGHT:
            return
        change = np.clip(solved[:4] / gain, -_LARGEST_STEP, _LARGEST_STEP)
        placement = Placement(
            scale_x=placement.scale_x + float(change[0]),
            shift_x=placement.shift_x + float(change[1]),
            scale_y=placement.scale_y + float(change[2]),
            shift_y=placement.shift_y + float(change[3]),
        )
        yield placement
        if np.abs(change).max() < _SMALLEST_STEP:
            return


def _likeness(first: Plane, second: Plane, placement: Placement) -> float:
    """Return the correlation where both are, -1 where too little of them is."""
    lying, mask = laid_over(first, placement)
    if mask.mean() < _LEAST_OVERLAP:
        return -1.0
    one, other = lying[mask], second[mask]
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / scale if scale > 0 else -1.0
