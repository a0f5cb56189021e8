"""Samples that look like near copies of training images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import frozen

from aitk_core.evidence.samples import ReferenceImage, SampleImage
from aitk_observability.samples.hashes import correlation, distances, fingerprint
from aitk_observability.samples.methods import NEAR_COPY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_observability.samples.hashes import Fingerprint

Level = Literal["near", "possible"]


@frozen(kw_only=True)
class Copy:
    """A sample and the training image that it is most like."""

    sample: SampleImage
    reference: ReferenceImage
    level: Level
    """`near`: the hashes agree and the thumbnails confirm it. `possible`: not confirmed."""
    correlation: float
    """Of the thumbnails, -1 to 1."""
    is_mirrored: bool


@frozen(kw_only=True)
class Copies:
    """What comparing found."""

    found: tuple[Copy, ...]
    """At most one for each sample, the most alike first."""
    samples: int
    """That could be compared: readable and not blank."""
    references: int

    @property
    def pairs(self) -> int:
        """Return how many pairs were compared, each as it is and mirrored."""
        return self.samples * self.references


def find_copies(samples: Iterable[SampleImage], references: Iterable[ReferenceImage]) -> Copies:
    """Compare every sample with every training image, also mirrored."""
    known = [
        (reference, prints)
        for reference in references
        if reference.pixels is not None and (prints := fingerprint(reference.pixels)) is not None
    ]
    found: list[Copy] = []
    compared = 0
    for sample in samples:
        if sample.pixels is None or (own := fingerprint(sample.pixels)) is None:
            continue
        compared += 1
        turned = fingerprint(sample.pixels, mirrored=True)
        copies = [
            Copy(
                sample=sample,
                reference=reference,
                level=alike[0],
                correlation=alike[1],
                is_mirrored=mine is turned,
            )
            for reference, theirs in known
            for mine in (own, turned)
            if mine is not None and (alike := likeness(mine, theirs)) is not None
        ]
        if copies:
            found.append(max(copies, key=_rank))
    found.sort(key=_rank, reverse=True)
    return Copies(found=tuple(found), samples=compared, references=len(known))


def likeness(one: Fingerprint, other: Fingerprint) -> tuple[Level, float] | None:
    """Return how alike two pictures are and their correlation, or None where the hashes differ.

    The levels of datasets.md section A5.
    """
    differences, cosines = distances(one, other)
    close = differences <= _CLOSE[0] and cosines <= _CLOSE[1]
    wide = differences <= _WIDE[0] and cosines <= _WIDE[1]
    if not (close or wide):
        return None
    confirmed = correlation(one, other)
    return ("near" if close and confirmed >= _CONFIRMED else "possible"), confirmed


def _rank(copy: Copy) -> tuple[bool, float]:
    return copy.level == "near", copy.correlation


_CLOSE = (NEAR_COPY.number("differences"), NEAR_COPY.number("cosines"))
_WIDE = (NEAR_COPY.number("wide_differences"), NEAR_COPY.number("wide_cosines"))
_CONFIRMED = NEAR_COPY.number("correlation")
