"""Which bucket a picture falls into, and how it is scaled and cropped for it (datasets.md A2).

Sides are whole pixels after the EXIF rotation. `resolution` is the configured one, `divisibility`
the step of bucket sides that comes from the model. `place` is the definition; `place_many` gives
the same numbers for many sizes at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Sides = NDArray[np.int64]

_NEAR: Final = 1e-6
"""Distance from a whole number within which `place_many` asks the definition. Powers of other
libraries differ in the last bit or two, 1e-12 at the largest sides there are; ours."""
_MOST_PIXELS: Final = 1 << 52
"""Areas below it are exact in double precision, as the definition's are."""


@frozen
class Placement:
    """What the trainer makes of one picture."""

    width: int
    height: int
    """Of the bucket: what is trained."""
    scaled_width: int
    scaled_height: int
    """What the picture is resized to before the crop."""
    left: int
    top: int
    """Origin of the centre crop; with `random_crop` it is drawn instead."""


@frozen(kw_only=True)
class Placements:
    """What the trainer makes of many pictures; all arrays (pictures, 2) int64, x before y."""

    buckets: Sides
    scaled: Sides
    origins: Sides


def bucket_of(width: int, height: int, *, resolution: int, divisibility: int) -> tuple[int, int]:
    """Return a picture's bucket (A2, steps 1 to 3).

    Args:
        width: Pixels, 1 or more, as `height`, `resolution` and `divisibility` are.
        height: As `width`.
        resolution: Side of the square whose area is the most a bucket may have.
        divisibility: Bucket sides are whole multiples of it.
    """
    total, cap = width * height, resolution * resolution
    target = min(total, cap)
    # A power, not a square root: they differ in the last bit, and a bucket may hang on it.
    shrink = (target / total) ** 0.5
    x, y = (width * shrink) / divisibility, (height * shrink) / divisibility
    best: tuple[int, int] | None = None
    for across in (math.floor(x), math.ceil(x)):
        for down in (math.floor(y), math.ceil(y)):
            bucket = (across * divisibility, down * divisibility)
            area = bucket[0] * bucket[1]
            if 0 < area <= cap and (
                best is None or abs(area - target) < abs(best[0] * best[1] - target)
            ):
                best = bucket
    if best is not None:
        return best
    return (
        max(divisibility, math.floor(x) * divisibility),
        max(divisibility, math.floor(y) * divisibility),
    )


def place(
    width: int,
    height: int,
    *,
    resolution: int,
    divisibility: int,
    scale: float = 1.0,
    square_crop: bool = False,
) -> Placement:
    """Return a picture's bucket, scaled size and centre crop (A2, all steps).

    Args:
        width: Pixels, 1 or more.
        height: Pixels, 1 or more.
        resolution: As configured, pixels.
        divisibility: Step of bucket sides, pixels; of no effect with `square_crop`.
        scale: Multiplies both sides first, which are then cut to whole pixels.
        square_crop: Every bucket is a square of `resolution`.

    Raises:
        ValueError: A side is below 1, before or after `scale`, where the trainer divides by zero.
    """
    width, height = int(width * scale), int(height * scale)
    if width < 1 or height < 1:
        raise ValueError(f"sides {width} x {height} must be 1 pixel or more")
    if square_crop:
        factor = max(resolution / width, resolution / height)
        across, down = math.ceil(width * factor), math.ceil(height * factor)
        if width > height:
            return Placement(
                resolution, resolution, across, down, int(across / 2 - resolution / 2), 0
            )
        return Placement(resolution, resolution, across, down, 0, int(down / 2 - resolution / 2))
    bucket = bucket_of(width, height, resolution=resolution, divisibility=divisibility)
    factor = max(bucket[0] / width, bucket[1] / height)
    across, down = math.ceil(width * factor), math.ceil(height * factor)
    return Placement(
        *bucket, across, down, int((across - bucket[0]) / 2), int((down - bucket[1]) / 2)
    )


def place_many(
    sides: Sequence[tuple[int, int]] | Sides,
    *,
    resolution: int,
    divisibility: int,
    scale: float = 1.0,
    square_crop: bool = False,
) -> Placements:
    """Return what `place` returns, for many pictures.

    Args:
        sides: (pictures, 2) whole numbers, width before height; may be empty.
        resolution: As in `place`.
        divisibility: As in `place`.
        scale: As in `place`.
        square_crop: As in `place`.

    Raises:
        ValueError: A side is below 1, before or after `scale`, or an area of 2^52 pixels or more.
    """
    given = np.asarray(sides, dtype=np.int64).reshape(-1, 2)
    size = (given * scale).astype(np.int64)
    if (size < 1).any() or (size.astype(float).prod(axis=1) >= _MOST_PIXELS).any():
        raise ValueError("sides must be 1 pixel or more, areas below 2^52 pixels")
    if square_crop:
        buckets = np.full_like(size, resolution)
    else:
        buckets = _buckets(size, resolution, divisibility)
    factor = (buckets / size).max(axis=1, keepdims=True)
    scaled = np.ceil(size * factor).astype(np.int64)
    if not square_crop:
        return Placements(buckets=buckets, scaled=scaled, origins=(scaled - buckets) // 2)
    is_wide = size[:, 0] > size[:, 1]
    origins = (scaled / 2 - resolution / 2).astype(np.int64)
    origins[~is_wide, 0] = 0
    origins[is_wide, 1] = 0
    return Placements(buckets=buckets, scaled=scaled, origins=origins)


def key_of(width: int, height: int, frames: int | None = None) -> str:
    """Return a bucket's name as the trainer logs it; `frames` in sets that read videos."""
    return f"{width}x{height}" if frames is None else f"{width}x{height}x{frames}f"


def copies_of(num_repeats: int, *, flip_x: bool, flip_y: bool) -> int:
    """Return how often one picture is in the list: repeats, doubled by each flip."""
    return max(1, num_repeats) * (2 if flip_x else 1) * (2 if flip_y else 1)


def batches_of(items: int, batch_size: int) -> tuple[int, int]:
    """Return a bucket's batches in an epoch, and the repeats that fill up its last one."""
    batches = -(-items // batch_size)
    return batches, batches * batch_size - items


def _buckets(size: Sides, resolution: int, divisibility: int) -> Sides:
    total = size.prod(axis=1)
    cap = resolution * resolution
    target = np.minimum(total, cap)
    raw = (size * np.power(target / total, 0.5)[:, None]) / divisibility
    low, high = np.floor(raw), np.ceil(raw)
    # (floor, floor), (floor, ceil), (ceil, floor), (ceil, ceil): the first wins a tie.
    across = np.stack([low[:, 0], low[:, 0], high[:, 0], high[:, 0]], axis=1)
    down = np.stack([low[:, 1], high[:, 1], low[:, 1], high[:, 1]], axis=1)
    across, down = (across * divisibility).astype(np.int64), (down * divisibility).astype(np.int64)
    area = across * down
    is_kept = (area > 0) & (area <= cap)
    distance = np.where(is_kept, np.abs(area - target[:, None]), np.iinfo(np.int64).max)
    rows, choice = np.arange(len(size)), distance.argmin(axis=1)
    buckets = np.stack([across[rows, choice], down[rows, choice]], axis=1)
    is_none = ~is_kept.any(axis=1)
    buckets[is_none] = np.maximum(divisibility, low[is_none].astype(np.int64) * divisibility)
    # Where a side comes out whole, the last bit of the power decides between floor and ceil.
    is_close = (np.abs(raw - np.rint(raw)) < _NEAR).any(axis=1) & (total > cap)
    for row in np.flatnonzero(is_close).tolist():
        width, height = size[row].tolist()
        buckets[row] = bucket_of(width, height, resolution=resolution, divisibility=divisibility)
    return buckets
