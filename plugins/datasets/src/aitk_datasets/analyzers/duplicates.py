"""Pictures that come more than once, here or in another set (datasets.md A5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.records.findings import Analysis, EvidenceRef, Remedy
from aitk_core.wording import counted, shown
from aitk_datasets.analyzers.methods import DUPLICATES
from aitk_datasets.duplicates import clusters_of
from aitk_datasets.said import EXAMPLES, Sayer, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aitk_core.evidence.dataset import DatasetEvidence, Duplicate, DuplicatePair
    from aitk_core.records.findings import Finding
    from aitk_datasets.duplicates import Cluster

_CODES: Final[Mapping[Duplicate, tuple[str, str]]] = {
    "exact_file": ("IMAGE_DUPLICATE_FILE", "byte for byte the same as another"),
    "exact_pixels": ("IMAGE_DUPLICATE_PIXELS", "pixel for pixel the same as another"),
    "near": ("IMAGE_DUPLICATE_NEAR", "nearly the same as another"),
}


def analyze(evidence: DatasetEvidence) -> Analysis:
    """Judge the pairs that the search found."""
    search = evidence.duplicates
    if search is None:
        return Analysis(assessed=False, reason="duplicates were not searched")
    clusters = clusters_of(evidence)
    sayer = Sayer(evidence=evidence, whole=len(evidence.images))
    findings = (
        *_repeated(sayer, clusters),
        *_possible(sayer),
        *_leaks(sayer),
    )
    return Analysis(
        findings=findings,
        facts={
            "duplicate_image_estimate": sum(len(cluster.others) for cluster in clusters),
            "duplicate_clusters": len(clusters),
            "possible_pairs": len(_pairs(evidence, "possible")),
            "compared": search.compared,
            "left_out": search.left_out,
            "complete_to": search.complete_to,
            "search": search.method,
        },
    )


def _pairs(evidence: DatasetEvidence, *levels: str) -> list[DuplicatePair]:
    search = evidence.duplicates
    pairs = () if search is None else search.pairs
    return [pair for pair in pairs if pair.other is None and pair.level in levels]


def _repeated(sayer: Sayer, clusters: Sequence[Cluster]) -> Iterator[Finding]:
    extra = [path for cluster in clusters for path in cluster.others]
    is_material = bool(extra) and sayer.share(len(extra)) >= DUPLICATES.number("material_share")
    for level, (code, what) in _CODES.items():
        of_this = [cluster for cluster in clusters if cluster.level == level]
        again = [path for cluster in of_this for path in cluster.others]
        if not again:
            continue
        largest = 1 + max(len(cluster.others) for cluster in of_this)
        mirrored = (
            "; some are mirror images, a repetition unless flips are left out on purpose"
            if any(cluster.has_mirrored for cluster in of_this)
            else ""
        )
        yield sayer.finding(
            code,
            "warning" if is_material else "info",
            f"{counted(len(again), 'picture')} {what}, in {counted(len(of_this), 'group')} of up "
            f"to {largest}: each is trained that many times as often and learned by heart first; "
            f"{sayer.cost(len(again))}{mirrored}",
            method=DUPLICATES,
            pictures=again,
            evidence=_groups(of_this),
            confidence=1.0 if level != "near" else None,
            confidence_source="deterministic" if level != "near" else "not_stated",
            remedies=(
                Remedy(
                    action="keep one of each group: auto-improve-dataset proposes which and why"
                ),
                Remedy(action="where the repetition is meant, say it with num_repeats instead"),
            ),
            unknown=()
            if level != "near"
            else ("whether a small difference, such as an expression, is what you want learned",),
        )


def _groups(clusters: Sequence[Cluster]) -> tuple[EvidenceRef, ...]:
    return tuple(
        EvidenceRef(
            source="dataset",
            files=tuple(shown(path) for path in (cluster.keep, *cluster.others)[:EXAMPLES]),
            quote=f"keep the first: {cluster.why}",
        )
        for cluster in clusters[:EXAMPLES]
    )


def _of_pairs(pairs: Sequence[DuplicatePair]) -> tuple[EvidenceRef, ...]:
    return tuple(
        EvidenceRef(source="dataset", files=(shown(pair.first), shown(pair.second)))
        for pair in pairs[:EXAMPLES]
    )


def _possible(sayer: Sayer) -> Iterator[Finding]:
    pairs = _pairs(sayer.evidence, "possible")
    if pairs:
        again = sorted({pair.second for pair in pairs})
        yield sayer.finding(
            "IMAGE_DUPLICATE_POSSIBLE",
            "info",
            f"{counted(len(pairs), 'pair')} that may show the same: crops, turns and watermarks "
            "look like this, and so do two products on one background; none is proposed",
            method=DUPLICATES,
            pictures=again,
            evidence=_of_pairs(pairs),
            remedies=(Remedy(action="look at them side by side"),),
            unknown=("whether they are the same picture: only a person can tell",),
        )


def _leaks(sayer: Sayer) -> Iterator[Finding]:
    search = sayer.evidence.duplicates
    pairs = () if search is None else search.pairs
    others = sorted({pair.other for pair in pairs if pair.other is not None})
    for other in others:
        leaks = [pair for pair in pairs if pair.other == other and pair.level != "possible"]
        if not leaks:
            continue
        here = sorted({pair.first for pair in leaks})
        there = {pair.second for pair in leaks}
        yield sayer.finding(
            "DATASET_LEAK",
            "critical",
            f"{counted(len(there), 'picture')} of {shown(other)} are trained here as well "
            f"({percent(sayer.share(len(here)))} of this folder): a validation loss on them falls "
            "for ever and says nothing",
            method=DUPLICATES,
            pictures=here,
            evidence=_of_pairs(leaks),
            remedies=(Remedy(action="take them out of one of the two folders"),),
        )
