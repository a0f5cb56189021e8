"""Groups of duplicates as rows, the one to keep first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.evidence.dataset import DUPLICATE_LEVELS
from aitk_core.wording import counted
from aitk_datasets.duplicates import SURE, clusters_of
from aitk_datasets.sheets.records import Example, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_core.evidence.dataset import DatasetEvidence, Duplicate, DuplicatePair, ImageFile
    from aitk_datasets.duplicates import Cluster

MEMBERS: Final = 12
"""Ours: pictures of one group; two lines of a sheet."""
LEVELS: Final[Mapping[Duplicate, str]] = {
    "exact_file": "exact",
    "exact_pixels": "exact",
    "near": "near",
    "possible": "possible",
}
_SAID: Final[Mapping[Duplicate, str]] = {
    "exact_file": "byte for byte the same",
    "exact_pixels": "pixel for pixel the same",
    "near": "nearly the same",
    "possible": "may show the same",
}
CODES: Final[Mapping[str, Duplicate | None]] = {
    "IMAGE_DUPLICATE_FILE": "exact_file",
    "IMAGE_DUPLICATE_PIXELS": "exact_pixels",
    "IMAGE_DUPLICATE_NEAR": "near",
    "IMAGE_DUPLICATE_POSSIBLE": "possible",
    "DATASET_LEAK": None,
}
"""Findings that are about groups; None for pairs of two folders."""
ALL: Final = "duplicates"
"""All groups within the folder, the surest levels first."""


def rows_of(evidence: DatasetEvidence, code: str) -> tuple[Row, ...]:
    """Return the groups that a finding is about.

    Args:
        evidence: Of the folder.
        code: One of `CODES`, or `ALL`.
    """
    if code == ALL:
        return (*_clusters(evidence, *SURE), *_pairs(evidence, "possible"))
    if code == "DATASET_LEAK":
        return _leaks(evidence)
    level = CODES[code]
    if level is None or level == "possible":
        return _pairs(evidence, "possible")
    return _clusters(evidence, level)


def _clusters(evidence: DatasetEvidence, *levels: Duplicate) -> tuple[Row, ...]:
    """Return the groups of these levels, the surest level first, within it the largest."""
    images = {image.path: image for image in evidence.images}
    search = evidence.duplicates
    pairs = () if search is None else search.pairs
    mirrored = {(pair.first, pair.second) for pair in pairs if pair.mirrored and pair.other is None}
    clusters = [cluster for cluster in clusters_of(evidence) if cluster.level in levels]
    clusters.sort(key=lambda cluster: DUPLICATE_LEVELS.index(cluster.level))
    return tuple(_row(cluster, images, mirrored) for cluster in clusters)


def _row(cluster: Cluster, images: Mapping[str, ImageFile], mirrored: set[tuple[str, str]]) -> Row:
    keep = cluster.keep

    def is_mirrored(path: str) -> bool:
        return (keep, path) in mirrored or (path, keep) in mirrored

    others = [
        Example(
            path=path,
            words=_size(images[path]),
            mark="mirrored" if is_mirrored(path) else "",
        )
        for path in cluster.others
    ]
    first = Example(path=keep, words=_size(images[keep]), mark="keep")
    note = f"keep the first: {cluster.why}"
    if cluster.has_mirrored:
        note += "; with mirror images, copies only where flips are not wanted"
    return Row(
        heading=f"{counted(1 + len(others), 'picture')}, {_SAID[cluster.level]}",
        level=LEVELS[cluster.level],
        note=note,
        examples=(first, *others[: MEMBERS - 1]),
        more=max(0, len(others) - (MEMBERS - 1)),
    )


def _pairs(evidence: DatasetEvidence, level: str) -> tuple[Row, ...]:
    """Return pairs that are no more than a guess: nothing is proposed, so none is to be kept."""
    images = {image.path: image for image in evidence.images}
    search = evidence.duplicates
    pairs = () if search is None else search.pairs
    return tuple(
        Row(
            heading="2 pictures, may show the same",
            level="possible",
            note="look at both: only a person can tell",
            examples=(
                Example(path=pair.first, words=_size(images[pair.first])),
                Example(path=pair.second, words=_size(images[pair.second]), mark=_turned(pair)),
            ),
        )
        for pair in pairs
        if pair.other is None
        and pair.level == level
        and pair.first in images
        and pair.second in images
    )


def _leaks(evidence: DatasetEvidence) -> tuple[Row, ...]:
    """Return pictures that another folder has as well; what lies there is named, not opened."""
    images = {image.path: image for image in evidence.images}
    search = evidence.duplicates
    pairs: Sequence[DuplicatePair] = () if search is None else search.pairs
    return tuple(
        Row(
            heading=f"trained here and in {pair.other}",
            level=LEVELS[pair.level],
            note=f"take it out of one of the two folders; {_SAID[pair.level]}",
            examples=(
                Example(path=pair.first, words=_size(images[pair.first]), mark="here"),
                Example(
                    path=pair.second,
                    words=f"in {pair.other}",
                    mark=_turned(pair) or "there",
                    is_readable=False,
                ),
            ),
        )
        for pair in pairs
        if pair.other is not None and pair.level != "possible" and pair.first in images
    )


def _turned(pair: DuplicatePair) -> str:
    if pair.mirrored:
        return "mirrored"
    return f"turned {pair.turned}\N{DEGREE SIGN}" if pair.turned else ""


def _size(image: ImageFile) -> str:
    if image.width is None or image.height is None:
        return ""
    return f"{image.width:,} x {image.height:,}, {_bytes(image.size_bytes)}"


def _bytes(count: int) -> str:
    if count < 1000:  # noqa: PLR2004 - SI
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"  # noqa: PLR2004 - SI
