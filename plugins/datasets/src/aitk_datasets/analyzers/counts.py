"""How much a set holds: pictures, their sides, what the trainer passes over, and exposures."""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from aitk_core.records.findings import Analysis, Estimate, Finding, Remedy
from aitk_core.wording import counted
from aitk_datasets.analyzers.shared import not_seen
from aitk_datasets.folder.names import in_quarantine
from aitk_datasets.said import examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitk_core.evidence.dataset import DatasetEvidence, DatasetUse, ImageFile

FEW: Final = 10
"""Pictures below which a set is small (PRACTICE D01)."""
EXPOSURES_MANY: Final = 400
"""Exposures per picture above which over-fitting is likely (PRACTICE L12)."""
EXPOSURES_FEW: Final = 10
"""Exposures below which little is learnt; ours: the fewest at which a recorded run was best are 13
(PRACTICE L12), less a quarter."""
EXPOSURES_USUAL: Final = 100
"""A usual first guess for 15 to 30 pictures (PRACTICE L11)."""
EXPOSURES_KNOWN_TO: Final = 300
"""Pictures up to which exposures are judged low; the recorded runs had 270 at most (L12)."""
LOW_SIDE: Final = 256
"""Pixels; a picture with a side below counts as of low resolution (the published contract)."""
WIDEST: Final = 3.0
NARROWEST: Final = 0.33
"""Width by height above or below which a side ratio is extreme (the published contract)."""
MANY: Final = 0.05
"""Share of pictures with an extreme side ratio from which a warning is due; ours."""

_METHOD: Final = "dataset_counts_v1"
_STEPS_PATH: Final = "config.process.0.train.steps"
_PLACES: Final = 6


def analyze(evidence: DatasetEvidence) -> Analysis:
    """Judge how much there is to train on."""
    if not evidence.images and evidence.missing:
        return Analysis(assessed=False, reason="the folder could not be read")
    trained = [image for image in evidence.images if image.is_trained]
    findings = [*_files(evidence, trained), *_amount(evidence, trained)]
    unknown = not_seen(evidence)
    return Analysis(
        findings=tuple(
            evolve(finding, unknown=(*finding.unknown, *unknown)) for finding in findings
        ),
        facts=_facts(evidence, trained),
    )


def _files(evidence: DatasetEvidence, trained: Sequence[ImageFile]) -> Iterator[Finding]:
    """Yield what the trainer passes over, and what it should have passed over."""
    use = evidence.use
    if evidence.unsupported:
        kinds = Counter(path.rpartition(".")[2].lower() for path in evidence.unsupported)
        named = ", ".join(f"{count} .{kind}" for kind, count in kinds.most_common(5))
        yield _finding(
            "UNSUPPORTED_FILES",
            severity="warning",
            message=f"the trainer passes over {counted(len(evidence.unsupported), 'picture')} of "
            f"types that it does not read, without a word: {named}",
            paths=evidence.unsupported,
            remedies=(Remedy(action="save them as PNG or JPEG beside their captions"),),
        )
    if evidence.videos and use is not None and use.num_frames == 1:
        yield _finding(
            "VIDEO_IN_IMAGE_SET",
            severity="warning",
            message=f"the trainer passes over {counted(len(evidence.videos), 'video')}: the config "
            "wants one frame of each item, so it looks for pictures only",
            paths=evidence.videos,
            remedies=(
                Remedy(action="set datasets[].num_frames above 1 for a model of videos"),
                Remedy(action="move the videos to a folder of their own"),
            ),
            unknown=("whether auto_frame_count is set, which makes the trainer read videos",),
        )
    aside = [image.path for image in trained if in_quarantine(image.path)]
    if aside:
        yield _finding(
            "QUARANTINE_TRAINED",
            severity="warning",
            message=f"the run also trains {counted(len(aside), 'picture')} in folders that other "
            "tools sort out into: the trainer walks every folder that is not hidden",
            paths=aside,
            remedies=(Remedy(action="move these folders out of the dataset's folder"),),
        )
    # PRACTICE D05.
    webp = [image.path for image in trained if image.format == "WEBP"]
    if webp:
        yield _finding(
            "FILE_TYPE_WEBP",
            severity="info",
            message=f"the trainer reads {counted(len(webp), 'WebP picture')}, a type that its "
            "documentation calls problematic",
            paths=webp,
            remedies=(Remedy(action="save them as PNG if the trainer stumbles over them"),),
        )


def _amount(evidence: DatasetEvidence, trained: Sequence[ImageFile]) -> Iterator[Finding]:
    """Yield whether there is enough, and how often it is seen."""
    use = evidence.use
    if not trained:
        yield from _empty(evidence)
        return
    clips = _clips(evidence)
    count = len(trained) + (clips or 0)
    is_few = clips is not None and not evidence.is_limited and count < FEW
    if is_few and not _is_side_set(use):
        yield _finding(
            "DATASET_SMALL",
            severity="warning",
            confidence_source="catalogue",
            message=f"{counted(count, 'picture')} to train on; 15 to 50 are usual for a "
            "character and 50 to 200 for a style: with fewer, background, light and pose are "
            "learnt along with the subject",
            n=count,
            remedies=(
                Remedy(action="add pictures of equal quality"),
                Remedy(
                    action="switch datasets[].random_crop on, which acts like a larger set and "
                    "needs latents that are not cached"
                ),
            ),
            unknown=("what the set is to teach",),
        )
    yield from _shapes(trained)
    # PRACTICE D04.
    if use is not None and (use.flip_x or use.flip_y):
        yield _finding(
            "FLIPS_CONFIGURED",
            severity="info",
            message="the config adds flipped copies: faces, lettering and anything with a left "
            "and a right side are trained both ways round",
            n=len(trained),
            remedies=(Remedy(action="switch datasets[].flip_x and flip_y off for such pictures"),),
            unknown=("whether the pictures show faces or lettering",),
        )
    if use is not None and not _is_side_set(use):
        yield from _exposures(evidence, use, len(trained))


def _empty(evidence: DatasetEvidence) -> Iterator[Finding]:
    if evidence.is_limited or _clips(evidence) != 0:
        return
    found = len(evidence.images)
    none = "the folder holds no picture that the trainer reads"
    broken = f"none of {counted(found, 'picture')} can be read"
    yield _finding(
        "DATASET_EMPTY",
        severity="critical",
        message=f"{broken if found else none}: the job stops with `no images found`",
        paths=[image.path for image in evidence.images],
        n=0,
        remedies=(
            Remedy(action="put JPEG, PNG or WebP pictures into the folder"),
            Remedy(action="check that datasets[].folder_path names the folder you mean"),
        ),
    )


def _shapes(trained: Sequence[ImageFile]) -> Iterator[Finding]:
    ratios = [(image.path, ratio) for image in trained if (ratio := _ratio(image)) is not None]
    extreme = [(path, ratio) for path, ratio in ratios if _is_extreme(ratio)]
    if not extreme:
        return
    extreme.sort(key=lambda each: -max(each[1], 1 / each[1]))
    worst = extreme[0][1]
    shape = f"{worst:.1f}:1" if worst > 1 else f"1:{1 / worst:.1f}"
    yield _finding(
        "ASPECT_EXTREME",
        severity="warning" if len(extreme) / len(ratios) >= MANY else "info",
        message=f"a side ratio beyond 3:1 in {counted(len(extreme), 'picture')} of "
        f"{len(ratios)}, the worst {shape}: each fills a bucket nearly of its own, and its short "
        "side has few pixels left",
        paths=[path for path, _ in extreme],
        n=len(ratios),
        remedies=(Remedy(action="crop them to 2:1 or less"),),
        estimate=Estimate(value=round(worst, 4), unit="width by height", level=None),
    )


def _exposures(evidence: DatasetEvidence, use: DatasetUse, trained: int) -> Iterator[Finding]:
    """Yield that each picture is seen too often or too rarely (PRACTICE L11, L12)."""
    if use.steps is None:
        return
    pictures = _in_folder(evidence, trained) + (_clips(evidence) or 0)
    batch = use.batch_size * use.gradient_accumulation
    seen = use.steps * batch / pictures
    told = (
        f"{use.steps} steps of {batch} show each picture about {seen:.0f} times "
        f"({counted(pictures, 'picture')})"
    )
    shared = ("whether other datasets of the config share these steps",)
    estimate = Estimate(value=round(seen, 2), unit="exposures per picture", level=None)
    if seen > EXPOSURES_MANY:
        usual = _best_known(pictures)
        yield _finding(
            "EXPOSURES_HIGH",
            severity="warning",
            confidence_source="catalogue",
            message=f"{told}: over {EXPOSURES_MANY} the pictures themselves are learnt rather "
            "than what they share",
            n=pictures,
            remedies=(
                Remedy(
                    action=f"train about {usual} exposures, a first guess, and choose the "
                    "checkpoint afterwards",
                    path=_STEPS_PATH,
                    value=math.ceil(usual * pictures / batch),
                ),
                Remedy(action="save often, so that an earlier checkpoint can be taken"),
            ),
            estimate=estimate,
            unknown=(*shared, "at which learning rate these exposures were too many"),
        )
    elif seen < EXPOSURES_FEW and pictures <= EXPOSURES_KNOWN_TO:
        yield _finding(
            "EXPOSURES_LOW",
            # A short run may be meant so, and is no fault of the pictures.
            severity="info",
            confidence_source="catalogue",
            message=f"{told}: recorded runs were at their best at 13 exposures with 270 pictures "
            "and at 75 to 100 with 20",
            n=pictures,
            remedies=(
                Remedy(
                    action="train more steps",
                    path=_STEPS_PATH,
                    value=math.ceil(_best_known(pictures) * pictures / batch),
                ),
            ),
            estimate=estimate,
            unknown=shared,
        )


def _best_known(pictures: int) -> int:
    """Return exposures at which recorded runs of about that size were best (PRACTICE L12)."""
    sizes = ((30, EXPOSURES_USUAL), (100, 50))
    return next((exposures for size, exposures in sizes if pictures <= size), 16)


def _is_side_set(use: DatasetUse | None) -> bool:
    # A regularisation set is large or small by its own rules, and takes every second step.
    return use is not None and use.is_regularisation


def _clips(evidence: DatasetEvidence) -> int | None:
    """Return the videos that are trained beside the pictures; None where no config says."""
    if not evidence.videos:
        return 0
    use = evidence.use
    return None if use is None else len(evidence.videos) if use.num_frames > 1 else 0


def _in_folder(evidence: DatasetEvidence, trained: int) -> int:
    """Return the pictures to train on, those beyond the scan taken as those within."""
    if not evidence.is_limited:
        return trained
    return max(1, round(trained * evidence.found_images / len(evidence.images)))


def _ratio(image: ImageFile) -> float | None:
    if not image.width or not image.height:
        return None
    return image.width / image.height


def _is_extreme(ratio: float) -> bool:
    return ratio > WIDEST or ratio < NARROWEST


def _facts(evidence: DatasetEvidence, trained: Sequence[ImageFile]) -> dict[str, Any]:
    sized = [(image.width, image.height) for image in trained if image.width and image.height]
    ratios = [width / height for width, height in sized]
    found = max(evidence.found_images, len(evidence.images))
    return {
        "total_images": found,
        "scanned_images": len(evidence.images),
        "scan_limited": evidence.is_limited,
        "trained_images": len(trained),
        "videos": len(evidence.videos),
        "control_images": len(evidence.controls),
        "unsupported_files": len(evidence.unsupported),
        "resolution_width": _summary([float(width) for width, _ in sized]),
        "resolution_height": _summary([float(height) for _, height in sized]),
        "aspect_ratio": _summary(ratios),
        "low_resolution_count": sum(min(sides) < LOW_SIDE for sides in sized),
        "extreme_aspect_ratio_count": sum(map(_is_extreme, ratios)),
    }


def _summary(values: Sequence[float]) -> dict[str, Any]:
    """Return the contract's stat summary; null without values."""
    if not values:
        return {"count": 0, **dict.fromkeys(("min", "max", "mean", "median", "last"))}
    numbers = {
        "min": min(values),
        "max": max(values),
        "mean": fmean(values),
        "median": median(values),
        "last": values[-1],
    }
    return {"count": len(values)} | {key: round(each, _PLACES) for key, each in numbers.items()}


def _finding(code: str, *, paths: Sequence[str] = (), **fields: Any) -> Finding:
    given: dict[str, Any] = {"n": len(paths), "confidence_source": "deterministic"}
    return Finding(
        code=code,
        category="dataset",
        method=_METHOD,
        evidence=examples(paths),
        **(given | fields),
    )
