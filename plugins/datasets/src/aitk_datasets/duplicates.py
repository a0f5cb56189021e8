"""Groups of pictures that are the same, and the one of each to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.evidence.dataset import DUPLICATE_LEVELS, Duplicate
from aitk_core.pictures.groups import group
from aitk_core.pictures.hashes import SIDE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitk_core.evidence.dataset import DatasetEvidence, DuplicatePair, ImageFile

SURE: Final[tuple[Duplicate, ...]] = ("exact_file", "exact_pixels", "near")
"""Levels that group pictures; joining through guesses would chain look-alikes (datasets.md A5)."""


@frozen(kw_only=True)
class Cluster:
    """Pictures of one folder that show the same."""

    keep: str
    why: str
    """Why that one is kept, in words."""
    others: tuple[str, ...]
    level: Duplicate
    """The least sure of the pairs that join them."""
    has_mirrored: bool = False
    """Some are mirror images: copies only where flips are not wanted."""


def clusters_of(
    evidence: DatasetEvidence, levels: Iterable[Duplicate] = SURE
) -> tuple[Cluster, ...]:
    """Return the groups, largest first.

    The one to keep: it has a caption that a person wrote, then the most pixels within its borders,
    then the least of it is black or white to the end, by hundredths, then no loss of quality by
    being the larger file, then the first by name.

    Args:
        evidence: Of a folder.
        levels: Of the pairs that join pictures.
    """
    if evidence.duplicates is None:
        return ()
    wanted = set(levels)
    pairs = [
        pair for pair in evidence.duplicates.pairs if pair.other is None and pair.level in wanted
    ]
    images = {image.path: image for image in evidence.images}
    names = sorted({path for pair in pairs for path in (pair.first, pair.second)} & set(images))
    number = {name: index for index, name in enumerate(names)}
    joined = [pair for pair in pairs if pair.first in number and pair.second in number]
    groups = group((number[pair.first], number[pair.second]) for pair in joined)
    of = {index: place for place, members in enumerate(groups) for index in members}
    by_group: dict[int, list[DuplicatePair]] = {}
    for pair in joined:
        by_group.setdefault(of[number[pair.first]], []).append(pair)
    found = [
        _cluster([images[names[index]] for index in members], by_group[place], evidence)
        for place, members in enumerate(groups)
    ]
    return tuple(sorted(found, key=lambda cluster: (-len(cluster.others), cluster.keep)))


def _cluster(
    members: Sequence[ImageFile], pairs: Sequence[DuplicatePair], evidence: DatasetEvidence
) -> Cluster:
    def own_caption(image: ImageFile) -> bool:
        caption = evidence.captions.get(image.path)
        return caption is not None and not caption.is_empty and not caption.is_generated

    def pixels(image: ImageFile) -> int:
        borders = (0.0,) * 4 if image.looks is None else image.looks.borders
        # A border is told by whole rows of the thumbnail, and may be nearly one row wider.
        left, top, right, bottom = (share + 1 / SIDE if share else 0.0 for share in borders)
        inside = (1 - left - right) * (1 - top - bottom)
        return round((image.width or 0) * (image.height or 0) * inside)

    def clipped(image: ImageFile) -> float:
        return 0.0 if image.looks is None else round(image.looks.clipped, 2)

    best = min(
        members,
        key=lambda image: (
            not own_caption(image),
            -pixels(image),
            clipped(image),
            -image.size_bytes,
            image.path,
        ),
    )
    others = [image for image in members if image is not best]
    why = "the first by name of equal ones"
    if own_caption(best) and not all(own_caption(image) for image in others):
        why = "it has a caption"
    elif any(pixels(image) < pixels(best) for image in others):
        has_frames = any(image.looks is not None and any(image.looks.borders) for image in others)
        why = "it has the most pixels" + (" within its borders" if has_frames else "")
    elif any(clipped(image) > clipped(best) for image in others):
        why = "the least of it is cut to black or white"
    elif any(image.size_bytes < best.size_bytes for image in others):
        why = "it is the largest file at equal size in pixels"
    return Cluster(
        keep=best.path,
        why=why,
        others=tuple(sorted(image.path for image in others)),
        level=max((pair.level for pair in pairs), key=DUPLICATE_LEVELS.index),
        has_mirrored=any(pair.mirrored for pair in pairs),
    )
