"""Pictures that are too small or too thin, and sets that are too small (contract, PRACTICE D01)."""

from __future__ import annotations

from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from aitk_core.records.findings import Analysis, Finding, Remedy
from aitk_datasets.analyzers.methods import SIZES
from aitk_datasets.said import Sayer, counted, examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitk_core.evidence.dataset import DatasetEvidence


def analyze(evidence: DatasetEvidence) -> Analysis:
    """Judge the sizes that the headers name, after the EXIF rotation."""
    sizes = [
        (image.path, image.width, image.height)
        for image in evidence.images
        if image.width and image.height
    ]
    findings = [*_empty(evidence), *_unsupported(evidence)]
    if not sizes:
        reason = "" if findings else "no picture's size is known"
        return Analysis(assessed=bool(findings), reason=reason, findings=tuple(findings))
    sayer = Sayer(evidence=evidence, whole=len(evidence.images))
    side = SIZES.number("small_side")
    low, high = SIZES.number("least_aspect"), SIZES.number("most_aspect")
    small = [path for path, width, height in sizes if min(width, height) < side]
    thin = [path for path, width, height in sizes if not low <= width / height <= high]
    findings += [*_few(evidence), *_small(sayer, small), *_thin(sayer, thin)]
    return Analysis(
        findings=tuple(findings),
        facts={
            "resolution_width": _summary([width for _path, width, _height in sizes]),
            "resolution_height": _summary([height for _path, _width, height in sizes]),
            "aspect_ratio": _summary([round(width / height, 6) for _path, width, height in sizes]),
            "low_resolution_count": len(small),
            "extreme_aspect_ratio_count": len(thin),
        },
    )


def _empty(evidence: DatasetEvidence) -> Iterator[Finding]:
    if not evidence.found_images and not evidence.videos:
        yield Finding(
            code="DATASET_EMPTY",
            category="dataset",
            severity="critical",
            message="there is no picture that the trainer lists: the run stops at its start",
            method=SIZES.name,
            false_alarm_rate=SIZES.false_alarm_rate,
            n=0,
            confidence=1.0,
            confidence_source="deterministic",
            remedies=(Remedy(action="put .jpg, .png or .webp files into the folder"),),
        )


def _unsupported(evidence: DatasetEvidence) -> Iterator[Finding]:
    if evidence.unsupported:
        yield Finding(
            code="IMAGE_FORMAT_UNSUPPORTED",
            category="dataset",
            severity="warning",
            message=f"{counted(len(evidence.unsupported), 'picture')} of a format that the trainer "
            "passes over without a word, so the set is smaller than it looks",
            method=SIZES.name,
            false_alarm_rate=SIZES.false_alarm_rate,
            n=evidence.found_images + len(evidence.unsupported),
            confidence=1.0,
            confidence_source="deterministic",
            evidence=examples(evidence.unsupported),
            remedies=(Remedy(action="convert them to .png or .jpg"),),
        )


def _few(evidence: DatasetEvidence) -> Iterator[Finding]:
    trained = sum(image.is_trained for image in evidence.images)
    if evidence.is_limited or evidence.videos or trained >= SIZES.number("few_images"):
        return
    yield Finding(
        code="DATASET_SMALL",
        category="dataset",
        severity="info",
        message=f"{counted(trained, 'picture')} can be trained: a character usually takes 15 to "
        "50, a style 50 to 200; what so few have in common by chance is learned as well",
        method=SIZES.name,
        n=trained,
        remedies=(Remedy(action="add pictures that differ in everything but the subject"),),
        unknown=("whether so few are enough for what you want: for a single object they can be",),
    )


def _small(sayer: Sayer, paths: Sequence[str]) -> Iterator[Finding]:
    if paths:
        yield sayer.finding(
            "IMAGE_SMALL",
            "warning" if sayer.share(len(paths)) >= SIZES.number("material_share") else "info",
            f"{counted(len(paths), 'picture')} with a side under 256 pixels: the trainer does not "
            f"enlarge them, they train at their own size with little detail; "
            f"{sayer.cost(len(paths))}",
            method=SIZES,
            pictures=paths,
            remedies=(Remedy(action="replace them by larger originals, or leave them out"),),
        )


def _thin(sayer: Sayer, paths: Sequence[str]) -> Iterator[Finding]:
    if paths:
        yield sayer.finding(
            "ASPECT_EXTREME",
            "warning" if sayer.share(len(paths)) >= SIZES.number("material_share") else "info",
            f"{counted(len(paths), 'picture')} over three times as long as wide: each takes a "
            f"bucket almost of its own, so batches are padded; {sayer.cost(len(paths))}",
            method=SIZES,
            pictures=paths,
            remedies=(Remedy(action="crop them to what they should teach"),),
        )


def _summary(values: Sequence[float]) -> dict[str, Any]:
    return {
        "count": len(values),
        "min": min(values),
        "max": max(values),
        "mean": round(fmean(values), 6),
        "median": round(median(values), 6),
        "last": values[-1],
    }
