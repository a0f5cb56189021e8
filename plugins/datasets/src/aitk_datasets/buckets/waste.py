"""What the buckets of a configured set cost: cropped edges, enlarged pixels, repeated pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from attrs import frozen

from aitk_datasets.buckets.simulate import batches_of, copies_of, key_of, place_many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.dataset import DatasetUse, ImageFile
    from aitk_datasets.buckets.simulate import Placements

_WORST: Final = 20
"""Pictures named for each cost."""


@frozen(kw_only=True)
class Worst:
    """How many pictures a cost falls on, and the worst of them."""

    count: int = 0
    pictures: tuple[tuple[str, float], ...] = ()
    """Path and cost, the worst first, 20 at most."""


@frozen(kw_only=True)
class BucketFill:
    """One bucket of one resolution, in one epoch."""

    key: str
    """As the trainer logs it: `1024x768`."""
    width: int
    height: int
    pictures: int
    items: int
    """Pictures times repeats and flips."""
    batches: int
    padded: int
    """Repeats that fill up its last batch."""


@frozen(kw_only=True)
class ResolutionCost:
    """One configured resolution."""

    resolution: int
    buckets: tuple[BucketFill, ...]
    """The fullest first."""
    cropped_mean: float
    """Share of the scaled picture's area that the crop cuts away, over all pictures."""
    cropped: Worst
    """Pictures that lose more than the limit; the cost is the share of their area."""
    enlarged: Worst
    """Pictures enlarged beyond the limit; the cost is the factor of their sides."""
    smaller: Worst
    """Pictures of fewer pixels than the resolution wants; the cost is the share they have."""
    median_held: float
    """Share of the wanted pixels that the median picture has; 1 without pictures."""

    @property
    def batches(self) -> int:
        """Return batches in an epoch."""
        return sum(bucket.batches for bucket in self.buckets)

    @property
    def items(self) -> int:
        """Return pictures in an epoch, repeats and flips counted, without padding."""
        return sum(bucket.items for bucket in self.buckets)

    @property
    def padded(self) -> int:
        """Return repeats in an epoch that fill up last batches."""
        return sum(bucket.padded for bucket in self.buckets)


@frozen(kw_only=True)
class Waste:
    """A set as one config trains it."""

    pictures: int
    """Pictures whose sides are known; the others have no bucket here."""
    unplaced: int
    """Trained pictures whose sides are not known: links, which are not opened."""
    copies: int
    """Times a picture is in the list of one resolution: repeats and flips."""
    batch_size: int
    gradient_accumulation: int
    resolutions: tuple[ResolutionCost, ...]

    @property
    def batches_per_epoch(self) -> int:
        """Return batches in an epoch over all resolutions."""
        return sum(each.batches for each in self.resolutions)

    @property
    def steps_per_epoch(self) -> float:
        """Return optimizer steps in an epoch."""
        return self.batches_per_epoch / self.gradient_accumulation

    @property
    def padded_fraction(self) -> float:
        """Return the share of an epoch's pictures that are repeats to fill up batches."""
        trained = self.batches_per_epoch * self.batch_size
        return sum(each.padded for each in self.resolutions) / trained if trained else 0.0

    @property
    def heaviest(self) -> float:
        """Return how much oftener than in a full batch a picture of the emptiest bucket trains."""
        fills = [bucket for each in self.resolutions for bucket in each.buckets]
        return max((1 + bucket.padded / bucket.items for bucket in fills), default=1.0)

    def epochs(self, steps: int) -> float | None:
        """Return the epochs that so many optimizer steps are; None without pictures."""
        return steps / self.steps_per_epoch if self.batches_per_epoch else None

    def exposures(self, steps: int) -> float | None:
        """Return how often a picture is trained on average; None without pictures.

        Steps times accumulation times batch by pictures (PRACTICE L12): flips, repeats and
        padding all show the same picture again, and each resolution does.
        """
        if not self.pictures or not self.batches_per_epoch:
            return None
        return steps * self.gradient_accumulation * self.batch_size / self.pictures


def waste_of(
    images: Sequence[ImageFile], use: DatasetUse, *, cropped_over: float, enlarged_over: float
) -> Waste:
    """Return what a set's buckets cost.

    Args:
        images: Of the set; those that give no picture are left out.
        use: `divisibility` must be known, unless `square_crop` makes it of no effect.
        cropped_over: Share of the area above which a picture is counted as cropped.
        enlarged_over: Factor of the sides above which a picture is counted as enlarged.

    Raises:
        ValueError: `divisibility` is not known, or `scale` leaves a picture without pixels,
            where the trainer divides by zero.
    """
    divisibility = 1 if use.square_crop else use.divisibility
    if divisibility is None:
        raise ValueError("the bucket step of the architecture is not known")
    trained = [image for image in images if image.is_trained]
    known = [
        (image.path, image.width, image.height)
        for image in trained
        if image.width is not None and image.height is not None
    ]
    paths = [path for path, _, _ in known]
    sides = np.array([each[1:] for each in known], dtype=np.int64).reshape(-1, 2)
    costs = []
    for resolution in use.resolutions:
        placed = place_many(
            sides,
            resolution=resolution,
            divisibility=divisibility,
            scale=use.scale,
            square_crop=use.square_crop,
        )
        cropped = 1 - placed.buckets.prod(axis=1) / placed.scaled.prod(axis=1)
        # Against the file, for what is enlarged is what the file does not hold.
        enlarged = (placed.buckets / sides).max(axis=1)
        held = (sides * use.scale).astype(np.int64).prod(axis=1) / resolution**2
        costs.append(
            ResolutionCost(
                resolution=resolution,
                buckets=_fills(placed, use),
                cropped_mean=float(cropped.mean()) if paths else 0.0,
                cropped=_worst(paths, cropped, cropped > cropped_over),
                enlarged=_worst(paths, enlarged, enlarged > enlarged_over),
                smaller=_worst(paths, held, held < 1, largest=False),
                median_held=float(np.median(held)) if paths else 1.0,
            )
        )
    return Waste(
        pictures=len(known),
        unplaced=len(trained) - len(known),
        copies=_copies(use),
        batch_size=use.batch_size,
        gradient_accumulation=use.gradient_accumulation,
        resolutions=tuple(costs),
    )


def _copies(use: DatasetUse) -> int:
    return copies_of(use.num_repeats, flip_x=use.flip_x, flip_y=use.flip_y)


def _fills(placed: Placements, use: DatasetUse) -> tuple[BucketFill, ...]:
    if not len(placed.buckets):
        return ()
    frames = 1 if use.num_frames > 1 else None
    found, counts = np.unique(placed.buckets, axis=0, return_counts=True)
    fills = []
    for (width, height), pictures in zip(found.tolist(), counts.tolist(), strict=True):
        items = pictures * _copies(use)
        batches, padded = batches_of(items, use.batch_size)
        fills.append(
            BucketFill(
                key=key_of(width, height, frames),
                width=width,
                height=height,
                pictures=pictures,
                items=items,
                batches=batches,
                padded=padded,
            )
        )
    return tuple(sorted(fills, key=lambda fill: (-fill.items, fill.width, fill.height)))


def _worst(
    paths: Sequence[str],
    costs: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    counts: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    *,
    largest: bool = True,
) -> Worst:
    rows = np.flatnonzero(counts)
    # Stable, so that equal costs keep the order of the paths.
    order = rows[np.argsort(-costs[rows] if largest else costs[rows], kind="stable")][:_WORST]
    return Worst(
        count=len(rows),
        pictures=tuple((paths[row], float(costs[row])) for row in order.tolist()),
    )
