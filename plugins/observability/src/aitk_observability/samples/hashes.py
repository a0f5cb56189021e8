"""Near copies by perceptual hashes: definition, thresholds and errors of datasets.md section A5.

The hashes are the core's. The section takes the thumbnail from a long side of 512; the evidence of
samples has at most 256, which moves bits near a tie only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from aitk_core.pictures.grey import grey_of
from aitk_core.pictures.hashes import MIRRORED, UPRIGHT, Hash, hashes_of, is_blank
from aitk_core.pictures.hashes import distances as bits_of
from aitk_core.pictures.thumbnails import Small, correlations_of, small_of, turn

if TYPE_CHECKING:
    from aitk_observability.samples.pixels import Pixels


@frozen(kw_only=True, eq=False)
class Fingerprint:
    """What is compared of a picture."""

    hash: Hash
    """(24,) dd128 and p64."""
    thumb: Small
    """(32, 32) means, to confirm by."""


def fingerprint(pixels: Pixels, *, mirrored: bool = False) -> Fingerprint | None:
    """Return what a picture is compared by, or None for one that is blank.

    Args:
        pixels: (H, W, 3) uint8.
        mirrored: Of the picture turned left to right.
    """
    if not pixels.size:
        return None
    thumbnail = grey_of(pixels).thumbnail
    if is_blank(float(thumbnail.std())):
        return None
    orientation = MIRRORED if mirrored else UPRIGHT
    return Fingerprint(
        hash=hashes_of(thumbnail, (orientation,))[0],
        thumb=turn(small_of(thumbnail), orientation),
    )


def distances(one: Fingerprint, other: Fingerprint) -> tuple[int, int]:
    """Return how many bits of dd128 and of p64 differ."""
    differences, cosines = bits_of(one.hash, other.hash)
    return int(differences), int(cosines)


def correlation(one: Fingerprint, other: Fingerprint) -> float:
    """Return the best Pearson correlation of the thumbnails' insides over shifts by one."""
    return float(correlations_of(one.thumb[None], other.thumb[None])[0])
