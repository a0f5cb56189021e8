"""Checks of a run's sample images: black, noise, frozen, near copies of training images.

None of them judges quality. Methods, thresholds and measured errors are in `samples.methods`.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from aitk_core.records.findings import Analysis
from aitk_observability.samples import findings as said
from aitk_observability.samples.copies import find_copies
from aitk_observability.samples.methods import (
    BLACK,
    FROZEN,
    NEAR_COPY,
    NOISE,
    unseen_stillness,
)
from aitk_observability.samples.pixels import (
    dark_fraction,
    neighbour_correlation,
    pixels_of,
    scales,
    spectral_flatness,
)
from aitk_observability.samples.stillness import stillness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.samples import SampleImage, SamplesEvidence
    from aitk_core.records.findings import Finding
    from aitk_core.statistics.description import MethodInfo

_DARK: Final = (BLACK.number("level"), BLACK.number("share"))
_CORRELATION: Final = NOISE.number("correlation")
_FLATNESS: Final = NOISE.number("flatness")
_CONTRAST: Final = NOISE.number("contrast")


def analyze(evidence: SamplesEvidence) -> Analysis:
    """Check the samples that could be read.

    Args:
        evidence: As `aitk_core.evidence.samples.collect_samples` gives it.
    """
    readable = [sample for sample in evidence.samples if sample.pixels is not None]
    facts = _facts(evidence, readable)
    if not readable:
        return Analysis(assessed=False, reason=_why_none(evidence), facts=facts)
    dark = [is_black(sample) for sample in readable]
    black = list(compress(readable, dark))
    lit = [sample for sample, is_dark in zip(readable, dark, strict=True) if not is_dark]
    noisy = [sample for sample in lit if is_noise(sample)]
    still = stillness(lit)
    copies = find_copies(lit, evidence.reference_images)
    findings: list[Finding] = [
        *said.black(black, readable),
        *said.noise(noisy, readable),
        *said.frozen(still),
        *said.near_copies(copies, evidence),
    ]
    facts["checks"] = {
        "black": _told(BLACK, n=len(readable), found=len(black)),
        "noise": _told(NOISE, n=len(readable), found=len(noisy)),
        "frozen": _told(FROZEN, n=0, reason=_too_few(lit))
        if still is None
        else _told(FROZEN, n=still.compared, found=int(still.is_frozen))
        | {"unknown": unseen_stillness(lit)},
        "near_copy": _told(NEAR_COPY, n=0, reason=_nothing_to_compare(evidence, copies.samples))
        if not copies.pairs
        else _told(NEAR_COPY, n=copies.pairs, found=len(copies.found)),
    }
    return Analysis(findings=tuple(findings), facts=facts)


def is_black(sample: SampleImage) -> bool:
    """Tell whether a readable sample is black, or nearly all of it."""
    level, share = _DARK
    return dark_fraction(pixels_of(sample), level) >= share


def is_noise(sample: SampleImage) -> bool:
    """Tell whether a readable sample is white noise at some scale."""
    # The spectrum costs most, so it comes last.
    return any(
        plane.std() >= _CONTRAST
        and abs(neighbour_correlation(plane)) <= _CORRELATION
        and spectral_flatness(plane) >= _FLATNESS
        for plane in scales(pixels_of(sample))
    )


def _facts(evidence: SamplesEvidence, readable: Sequence[SampleImage]) -> dict[str, Any]:
    return {
        "total": evidence.total,
        "looked_at": len(readable),
        "unreadable": len(evidence.samples) - len(readable),
        "steps": sorted({sample.step for sample in readable}),
        "prompts": sorted({sample.prompt_index for sample in readable}),
        "reference_images": sum(one.pixels is not None for one in evidence.reference_images),
        "missing": dict(evidence.missing),
        "checks": {},
    }


def _told(method: MethodInfo, *, n: int, found: int = 0, reason: str = "") -> dict[str, Any]:
    verdict = "not_assessed" if reason else "found" if found else "none"
    return {
        "verdict": verdict,
        "reason": reason,
        "found": None if reason else found,
        "n": n,
        "method": method.name,
        "false_alarm_rate": method.false_alarm_rate.rate,
        "false_alarm_unit": method.false_alarm_rate.unit,
    }


def _why_none(evidence: SamplesEvidence) -> str:
    if not evidence.total:
        return "the run has no samples yet"
    reasons = "; ".join(
        evidence.missing[key]
        for key in ("sample_images", "media", "names")
        if key in evidence.missing
    )
    return f"none of {evidence.total} samples could be looked at" + (reasons and f": {reasons}")


def _too_few(samples: Sequence[SampleImage]) -> str:
    if not samples:
        return "every sample is black"
    return "no prompt has samples of two steps that are not black"


def _nothing_to_compare(evidence: SamplesEvidence, compared: int) -> str:
    if not compared:
        return "no sample has enough contrast to be compared"
    for key in ("reference_images", "datasets"):
        if key in evidence.missing:
            return f"no training image to compare with: {evidence.missing[key]}"
    return "no training image to compare with"
