"""Where the trainer puts a picture, and what that costs (datasets.md A2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.evidence.dataset import DatasetUse, ImageFile
from aitk_datasets.buckets.simulate import (
    batches_of,
    bucket_of,
    copies_of,
    key_of,
    place,
    place_many,
)
from aitk_datasets.buckets.waste import waste_of

if TYPE_CHECKING:
    from aitk_datasets.buckets.waste import Waste

SIDES = st.one_of(
    st.integers(1, 12_000),
    st.sampled_from([1, 7, 8, 63, 64, 65, 512, 1023, 1024, 1025, 4096]),
    st.integers(1, 180).map(lambda number: number * 64),
)
RESOLUTIONS = st.one_of(st.sampled_from([256, 512, 768, 1024, 1328, 1536]), st.integers(1, 2048))
STEPS = st.sampled_from([8, 16, 32, 64])
USE: Final = DatasetUse(resolutions=(1024,), divisibility=16)


def published(width: int, height: int, resolution: int, step: int) -> tuple[int, int]:
    """Steps 1 to 3 of A2, word for word."""
    tot, cap = width * height, resolution * resolution
    tgt = min(tot, cap)
    s = (tgt / tot) ** 0.5
    x, y = (width * s) / step, (height * s) / step
    floor_x, floor_y, ceil_x, ceil_y = math.floor(x), math.floor(y), math.ceil(x), math.ceil(y)
    candidates = [(floor_x, floor_y), (floor_x, ceil_y), (ceil_x, floor_y), (ceil_x, ceil_y)]
    sized = [(across * step, down * step) for across, down in candidates]
    kept = [each for each in sized if min(each) > 0 and each[0] * each[1] <= cap]
    if not kept:
        return max(step, floor_x * step), max(step, floor_y * step)
    return min(kept, key=lambda each: abs(each[0] * each[1] - tgt))


@given(SIDES, SIDES, RESOLUTIONS, STEPS)
def test_a_bucket_is_the_published_one(width: int, height: int, resolution: int, step: int) -> None:
    found = bucket_of(width, height, resolution=resolution, divisibility=step)
    assert found == published(width, height, resolution, step)


@given(
    sides=st.lists(st.tuples(SIDES, SIDES), max_size=20),
    resolution=RESOLUTIONS,
    step=STEPS,
    scale=st.sampled_from([1.0, 0.5, 1.3, 2.0]),
    square=st.booleans(),
)
def test_many_pictures_are_placed_as_each_alone(
    *, sides: list[tuple[int, int]], resolution: int, step: int, scale: float, square: bool
) -> None:
    sides = [each for each in sides if min(each) * scale >= 1]
    assert_equal(sides, resolution, step, scale=scale, square=square)


def assert_equal(
    sides: list[tuple[int, int]],
    resolution: int,
    step: int,
    *,
    scale: float = 1.0,
    square: bool = False,
) -> None:
    many = place_many(
        sides, resolution=resolution, divisibility=step, scale=scale, square_crop=square
    )
    rows = zip(many.buckets.tolist(), many.scaled.tolist(), many.origins.tolist(), strict=True)
    for (width, height), (bucket, scaled, origin) in zip(sides, rows, strict=True):
        one = place(
            width,
            height,
            resolution=resolution,
            divisibility=step,
            scale=scale,
            square_crop=square,
        )
        assert [one.width, one.height] == bucket
        assert [one.scaled_width, one.scaled_height] == scaled
        assert [one.left, one.top] == origin


@pytest.mark.parametrize("resolution", [256, 512, 768, 1024, 1328, 1536])
@pytest.mark.parametrize("step", [8, 16, 32, 64])
def test_ten_thousand_sizes_are_placed_alike(resolution: int, step: int) -> None:
    draw = np.random.default_rng(resolution * 100 + step)
    sizes = draw.integers(1, 6001, (8000, 2)).tolist()
    # Squares and multiples of 64: there the last bit decides.
    sizes += np.repeat(draw.integers(1, 6001, (1000, 1)), 2, axis=1).tolist()
    sizes += (draw.integers(1, 91, (1000, 2)) * 64).tolist()
    many = place_many(sizes, resolution=resolution, divisibility=step)
    expected = [list(published(width, height, resolution, step)) for width, height in sizes]
    assert many.buckets.tolist() == expected


@given(width=SIDES, height=SIDES, resolution=RESOLUTIONS, step=STEPS, square=st.booleans())
def test_the_crop_lies_inside_the_scaled_picture(
    *, width: int, height: int, resolution: int, step: int, square: bool
) -> None:
    one = place(width, height, resolution=resolution, divisibility=step, square_crop=square)
    assert 0 <= one.left <= one.scaled_width - one.width
    assert 0 <= one.top <= one.scaled_height - one.height
    # One side fits, up to the pixel that rounding up may add.
    assert min(one.scaled_width - one.width, one.scaled_height - one.height) <= 1
    if not square:
        assert one.width % step == 0
        assert one.height % step == 0


@given(st.integers(256, 6000), st.integers(256, 6000))
def test_pictures_are_not_enlarged_beyond_rounding(width: int, height: int) -> None:
    one = place(width, height, resolution=1024, divisibility=16)
    # datasets.md A2: less than the step on each side.
    assert one.width - width < 16
    assert one.height - height < 16


@pytest.mark.parametrize(
    ("size", "resolution", "step", "bucket"),
    [
        ((1024, 1024), 1024, 16, (1024, 1024)),
        ((2048, 2048), 512, 32, (512, 512)),
        ((1920, 1080), 1024, 16, (1360, 768)),
        ((640, 480), 1024, 16, (640, 480)),
        ((10, 10), 1024, 64, (64, 64)),
        # Thinner than any bucket: the fallback, whose area may exceed the square's.
        ((6000, 4), 256, 64, (5952, 64)),
    ],
)
def test_known_buckets(
    size: tuple[int, int], resolution: int, step: int, bucket: tuple[int, int]
) -> None:
    assert bucket_of(*size, resolution=resolution, divisibility=step) == bucket


def test_a_square_crop_cuts_the_long_side_in_the_middle() -> None:
    wide = place(1920, 1080, resolution=512, divisibility=16, square_crop=True)
    tall = place(1080, 1920, resolution=512, divisibility=16, square_crop=True)
    assert (wide.width, wide.height, wide.scaled_width, wide.scaled_height) == (512, 512, 911, 512)
    assert (wide.left, wide.top) == (199, 0)
    assert (tall.left, tall.top) == (0, 199)


@pytest.mark.parametrize("square", [False, True])
def test_a_scale_that_leaves_no_pixel_is_refused(*, square: bool) -> None:
    with pytest.raises(ValueError, match="1 pixel"):
        place(9, 9000, resolution=512, divisibility=16, scale=0.1, square_crop=square)
    with pytest.raises(ValueError, match="1 pixel"):
        place_many([(9, 9000)], resolution=512, divisibility=16, scale=0.1, square_crop=square)


def test_no_pictures_have_no_places() -> None:
    assert place_many([], resolution=512, divisibility=16).buckets.shape == (0, 2)


def test_videos_have_buckets_of_their_own() -> None:
    assert key_of(512, 768) == "512x768"
    assert key_of(512, 768, 1) != key_of(512, 768, 41) == "512x768x41f"


@given(st.integers(0, 10_000), st.integers(1, 64))
def test_batches_hold_all_items_and_less_than_one_batch_of_padding(items: int, size: int) -> None:
    batches, padded = batches_of(items, size)
    assert batches * size == items + padded
    assert 0 <= padded < size


def test_each_flip_doubles_the_repeats() -> None:
    assert copies_of(3, flip_x=True, flip_y=True) == 12
    assert copies_of(0, flip_x=False, flip_y=False) == 1


def images(*sides: tuple[int | None, int | None]) -> list[ImageFile]:
    return [
        ImageFile(path=f"{number}.png", size_bytes=1, mtime_ns=1, width=width, height=height)
        for number, (width, height) in enumerate(sides)
    ]


def waste(use: DatasetUse, *sides: tuple[int | None, int | None]) -> Waste:
    return waste_of(images(*sides), use, cropped_over=0.12, enlarged_over=1.15)


def test_an_epoch_counts_resolutions_repeats_flips_and_padding() -> None:
    use = evolve(
        USE,
        resolutions=(512, 1024),
        batch_size=4,
        gradient_accumulation=2,
        num_repeats=3,
        flip_x=True,
    )
    found = waste(use, *[(2048, 2048)] * 5, (2048, 1024))
    assert found.copies == 6
    (square, wide) = found.resolutions[1].buckets
    assert (square.key, square.pictures, square.items) == ("1024x1024", 5, 30)
    assert (square.batches, square.padded) == (8, 2)
    assert (wide.pictures, wide.items, wide.batches, wide.padded) == (1, 6, 2, 2)
    assert found.batches_per_epoch == 20
    assert found.steps_per_epoch == 10
    assert found.padded_fraction == 8 / 80
    assert found.epochs(1000) == 100
    assert found.exposures(1000) == 1000 * 2 * 4 / 6


def test_a_lone_picture_in_a_large_batch_counts_as_often_as_the_batch_is_large() -> None:
    found = waste(evolve(USE, batch_size=8), *[(1024, 1024)] * 8, (1600, 800))
    assert found.heaviest == 8
    assert found.resolutions[0].padded == 7


def test_crops_and_enlargements_name_the_worst_first() -> None:
    use = evolve(USE, resolutions=(512,), square_crop=True, divisibility=None)
    found = waste(use, (1024, 512), (512, 512), (256, 256), (2048, 512)).resolutions[0]
    assert found.cropped.count == 2
    assert found.cropped.pictures == (("3.png", 0.75), ("0.png", 0.5))
    assert found.enlarged.pictures == (("2.png", 2.0),)
    assert found.smaller.pictures == (("2.png", 0.25),)


def test_pictures_that_are_not_trained_or_not_measured_have_no_bucket() -> None:
    broken = ImageFile(path="b.png", size_bytes=0, mtime_ns=1, problem="zero_bytes")
    linked = ImageFile(path="l.png", size_bytes=0, mtime_ns=1, problem="linked")
    found = waste_of([broken, linked], USE, cropped_over=0.1, enlarged_over=1.1)
    assert (found.pictures, found.unplaced) == (0, 1)
    assert found.exposures(100) is None
    assert found.epochs(100) is None
    assert found.padded_fraction == 0.0


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(ValueError, match="not known"):
        waste(evolve(USE, divisibility=None), (512, 512))
