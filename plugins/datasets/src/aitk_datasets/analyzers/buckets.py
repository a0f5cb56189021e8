"""What the trainer's buckets do to the pictures of a set, as one config reads it.

The placement is the trainer's own, so the counts are facts; which of them matter is a threshold,
each with its source beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from aitk_core.records.findings import Analysis, Estimate, Finding, Remedy
from aitk_core.wording import counted, shown
from aitk_datasets.analyzers.shared import not_seen
from aitk_datasets.buckets.waste import waste_of
from aitk_datasets.said import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.evidence.dataset import DatasetEvidence, DatasetUse
    from aitk_core.records.findings import Severity
    from aitk_datasets.buckets.waste import ResolutionCost, Waste, Worst

CROPPED_OVER: Final = 0.12
"""Share of the area; ours: rounding to bucket sides alone cuts less of 99 in 100 pictures even
where it is coarsest, at resolution 512 with a step of 32 (100,000 sizes drawn as in datasets.md A2:
mean 4.7 %, 99th percentile 11.0 %; at 1024 with a step of 16 it is 1.2 % and 3.0 %)."""
CROPPED_MUCH: Final = 0.25
"""Share of the area of one picture from which a warning is due; ours: half of what a centre crop
of a 2:1 picture to a square takes, enough to cut a head or a hand at the edge."""
ENLARGED_OVER: Final = 1.15
"""Factor of the sides; ours: rounding alone enlarged by 12.1 % at most with a step of 32, and by
5.5 % with one of 16 (the same 100,000 sizes; datasets.md A2)."""
ENLARGED_MUCH: Final = 1.5
"""Factor from which one picture is worth a warning; ours: more than half of its pixels are
made up then."""
MANY: Final = 0.1
"""Share of the pictures, or of an epoch's pictures, from which a warning is due; ours."""
SMALL_PIXELS: Final = 0.5
"""Share of the wanted pixels below which the median picture calls for a warning; ours: at half
the pixels of 1024 a picture trains nearer 768, the form's next lower resolution."""

_METHOD: Final = "trainer_buckets_v1"
_SHOWN_BUCKETS: Final = 20
_SHOWN_PICTURES: Final = 5
_BATCH_PATH: Final = "config.process.0.train.batch_size"


def analyze(evidence: DatasetEvidence) -> Analysis:
    """Judge what the buckets cost."""
    use = evidence.use
    reason = _reason(evidence)
    if use is None or reason:
        return Analysis(assessed=False, reason=reason)
    try:
        waste = waste_of(
            evidence.images, use, cropped_over=CROPPED_OVER, enlarged_over=ENLARGED_OVER
        )
    except ValueError:
        return Analysis(
            assessed=False,
            reason=f"datasets[].scale {use.scale:g} leaves a picture without pixels, which stops "
            "the trainer with a division by zero",
        )
    if not waste.pictures:
        return Analysis(assessed=False, reason="no picture has sides that are known")
    return Analysis(
        findings=tuple(_findings(evidence, use, waste)), facts=_facts(evidence, use, waste)
    )


def _reason(evidence: DatasetEvidence) -> str:
    use = evidence.use
    if use is None:
        return "no config says at which resolution the set is trained"
    if not use.resolutions:
        return "datasets[].resolution is an empty list: the trainer leaves the set out"
    if use.divisibility is None and not use.square_crop:
        return f"the step of bucket sides is not known for the architecture {use.arch!r}"
    return ""


def _findings(evidence: DatasetEvidence, use: DatasetUse, waste: Waste) -> Iterator[Finding]:
    for found in (
        _cropped(use, waste),
        _enlarged(waste),
        _partial(use, waste),
        _smaller(use, waste),
    ):
        if found is not None:
            yield found if not (more := _unknown(evidence, waste)) else _with_unknown(found, more)


def _unknown(evidence: DatasetEvidence, waste: Waste) -> tuple[str, ...]:
    if not waste.unplaced:
        return not_seen(evidence)
    links = f"the sides of {counted(waste.unplaced, 'linked picture')}"
    return (*not_seen(evidence), links)


def _cropped(use: DatasetUse, waste: Waste) -> Finding | None:
    cost = max(waste.resolutions, key=lambda each: each.cropped.count)
    count, worst = cost.cropped.count, cost.cropped
    if not count:
        return None
    most = worst.pictures[0][1]
    remedies = [Remedy(action="crop these pictures by hand, so that the subject stays inside")]
    if use.square_crop:
        remedies.insert(
            0, Remedy(action="switch datasets[].square_crop off, which keeps the sides' ratio")
        )
    where = "at a place drawn anew each time" if use.random_crop else "at the edges"
    return _finding(
        "BUCKET_CROP_LARGE",
        severity=_severity(count, waste, is_bad=most >= CROPPED_MUCH),
        message=f"the crop to the buckets of resolution {cost.resolution} takes more than "
        f"{CROPPED_OVER:.0%} of the area of {counted(count, 'picture')} of {waste.pictures} "
        f"{where}, at worst {most:.0%}: what lies there is not trained, whatever the caption says",
        worst=worst,
        n=waste.pictures,
        remedies=tuple(remedies),
        unknown=("whether something that matters lies at the edge",),
        estimate=_most(worst, "share of the area, worst picture"),
    )


def _enlarged(waste: Waste) -> Finding | None:
    cost = max(waste.resolutions, key=lambda each: each.enlarged.count)
    count, worst = cost.enlarged.count, cost.enlarged
    if not count:
        return None
    most = worst.pictures[0][1]
    return _finding(
        "BUCKET_UPSCALES",
        severity=_severity(count, waste, is_bad=most >= ENLARGED_MUCH),
        message=f"resolution {cost.resolution} enlarges {counted(count, 'picture')} of "
        f"{waste.pictures} by more than {ENLARGED_OVER - 1:.0%}, at worst {most:.1f} times: the "
        "model learns the softness of the enlargement",
        worst=worst,
        n=waste.pictures,
        remedies=(Remedy(action="replace these pictures by larger ones, or take them out"),),
        estimate=_most(worst, "factor of the sides, worst picture"),
    )


def _partial(use: DatasetUse, waste: Waste) -> Finding | None:
    share = waste.padded_fraction
    if not share:
        return None
    rare = [
        (each.resolution, fill)
        for each in waste.resolutions
        for fill in each.buckets
        if fill.items < use.batch_size
    ]
    padded = sum(each.padded for each in waste.resolutions)
    trained = waste.batches_per_epoch * waste.batch_size
    names = ", ".join(fill.key for _, fill in rare[:3])
    lone = f", {counted(len(rare), 'bucket')} with less than one ({names})" if rare else ""
    return _finding(
        "BUCKET_PARTIAL_BATCHES",
        severity="warning" if share >= MANY else "info",
        message=f"{padded} of {trained} pictures in an epoch ({share:.0%}) are repeats that fill "
        f"up batches of {use.batch_size}{lone}: that share of the time trains nothing new, and a "
        f"picture of the emptiest bucket counts {waste.heaviest:.1f} times",
        worst=None,
        n=waste.pictures,
        remedies=(
            Remedy(
                action="train with batch size 1, with gradient_accumulation for the same "
                "effective batch; an own batch_size of the dataset would win over it",
                path=_BATCH_PATH,
                value=1,
            ),
            Remedy(action="crop the odd pictures to the side ratio of a full bucket"),
        ),
        estimate=Estimate(value=round(share, 4), unit="share of an epoch's pictures", level=None),
    )


def _smaller(use: DatasetUse, waste: Waste) -> Finding | None:
    cost = max(waste.resolutions, key=lambda each: each.resolution)
    count, worst = cost.smaller.count, cost.smaller
    if not count:
        return None
    is_bad = cost.median_held < SMALL_PIXELS
    least = worst.pictures[0][1]
    never = "the trainer does not enlarge to it, so such a picture trains at its own size"
    if use.square_crop:
        never = "the square crop enlarges them to it"
    elif len(waste.resolutions) > 1:
        never += ", the same in each resolution above that"
    return _finding(
        "IMAGE_SMALLER_THAN_TARGET",
        # D08 says to inform; a set most of which is small has a wrong resolution instead.
        severity="warning" if is_bad else "info",
        message=f"resolution {cost.resolution} wants more pixels than "
        f"{counted(count, 'picture')} of {waste.pictures} can give, the smallest {least:.0%} of "
        f"them: {never}",
        worst=worst,
        n=waste.pictures,
        remedies=(
            Remedy(action="replace the pictures by larger ones"),
            Remedy(action=f"leave {cost.resolution} out of datasets[].resolution"),
        ),
        estimate=_most(worst, "share of the wanted pixels, smallest picture"),
    )


def _severity(count: int, waste: Waste, *, is_bad: bool) -> Severity:
    return "warning" if is_bad or count / waste.pictures >= MANY else "info"


def _finding(
    code: str,
    *,
    severity: Severity,
    message: str,
    worst: Worst | None,
    estimate: Estimate,
    n: int,
    remedies: tuple[Remedy, ...],
    unknown: tuple[str, ...] = (),
) -> Finding:
    paths = [path for path, _ in worst.pictures] if worst is not None else []
    return Finding(
        code=code,
        category="dataset",
        severity=severity,
        message=message,
        estimate=estimate,
        n=n,
        method=_METHOD,
        confidence_source="deterministic",
        evidence=examples(paths),
        remedies=remedies,
        unknown=unknown,
    )


def _most(worst: Worst, unit: str) -> Estimate:
    return Estimate(value=round(worst.pictures[0][1], 4), unit=unit, level=None)


def _with_unknown(finding: Finding, more: tuple[str, ...]) -> Finding:
    return evolve(finding, unknown=(*finding.unknown, *more))


def _facts(evidence: DatasetEvidence, use: DatasetUse, waste: Waste) -> dict[str, Any]:
    steps = use.steps
    effective = waste.batch_size * waste.gradient_accumulation
    return {
        "pictures": waste.pictures,
        "pictures_without_sides": waste.unplaced,
        "is_limited": evidence.is_limited,
        "divisibility": use.divisibility,
        "batch_size": waste.batch_size,
        "gradient_accumulation": waste.gradient_accumulation,
        "copies_per_picture": waste.copies,
        "batches_per_epoch": waste.batches_per_epoch,
        "steps_per_epoch": round(waste.steps_per_epoch, 3),
        "padded_fraction": round(waste.padded_fraction, 4),
        "pictures_in_buckets_below_effective_batch": sum(
            fill.pictures
            for each in waste.resolutions
            for fill in each.buckets
            if fill.items < effective
        ),
        "steps": steps,
        "epochs": None if steps is None else _rounded(waste.epochs(steps)),
        "exposures_per_picture": None if steps is None else _rounded(waste.exposures(steps)),
        "resolutions": [_resolution(each) for each in waste.resolutions],
    }


def _resolution(cost: ResolutionCost) -> dict[str, Any]:
    return {
        "resolution": cost.resolution,
        "bucket_count": len(cost.buckets),
        "buckets": [
            {
                "key": fill.key,
                "pictures": fill.pictures,
                "batches": fill.batches,
                "padded": fill.padded,
            }
            for fill in cost.buckets[:_SHOWN_BUCKETS]
        ],
        "batches": cost.batches,
        "padded": cost.padded,
        "cropped_mean_fraction": round(cost.cropped_mean, 4),
        "cropped": _worst(cost.cropped),
        "enlarged": _worst(cost.enlarged),
        "smaller_than_target": _worst(cost.smaller),
    }


def _worst(worst: Worst) -> dict[str, Any]:
    return {
        "count": worst.count,
        "worst": [
            {"file": shown(path), "value": round(value, 4)}
            for path, value in worst.pictures[:_SHOWN_PICTURES]
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
