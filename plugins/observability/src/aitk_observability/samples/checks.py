"""Checks of a run's sample images: black, noise, frozen, near copies of training images.

None of them judges quality. Methods, thresholds and measured errors are in `samples.methods`.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.records.findings import Analysis
from aitk_observability.samples import findings as said
from aitk_observability.samples.copies import find_copies
from aitk_observability.samples.methods import BLACK, FROZEN, NEAR_COPY, NOISE
from aitk_observability.samples.pixels import (
    block_change,
    dark_fraction,
    neighbour_correlation,
    scales,
    spectral_flatness,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.samples import Pixels, SampleImage, SamplesEvidence
    from aitk_core.records.findings import Finding
    from aitk_core.statistics.description import MethodInfo

_DARK: Final = (BLACK.number("level"), BLACK.number("share"))
_CORRELATION: Final = NOISE.number("correlation")
_FLATNESS: Final = NOISE.number("flatness")
_CONTRAST: Final = NOISE.number("contrast")
_CHANGE: Final = FROZEN.number("change")
_STEPS: Final = FROZEN.count("steps")
_SPAN: Final = FROZEN.count("span")


@frozen(kw_only=True)
class Stillness:
    """How long the newest samples of all prompts have been the same."""

    first_step: int
    """From here to the newest step nothing changed, for any prompt."""
    last_step: int
    steps: int
    """Sampled steps in that stretch, of the prompt that has fewest; 1 where something changed."""
    is_whole: bool
    """The stretch begins at the first sample of every prompt."""
    change: float
    """Largest change within the stretch, levels of 255."""
    prompts: int
    compared: int
    """Samples of these prompts."""

    @property
    def is_frozen(self) -> bool:
        """Tell whether that is worth saying: nothing ever changed, or not for several steps."""
        return self.steps >= (FROZEN.minimum_n if self.is_whole else _STEPS)

    @property
    def is_long(self) -> bool:
        """Tell whether learning should have shown by then."""
        return self.steps >= _STEPS and self.last_step - self.first_step >= _SPAN


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
        else _told(FROZEN, n=still.compared, found=int(still.is_frozen)),
        "near_copy": _told(NEAR_COPY, n=0, reason=_nothing_to_compare(evidence, copies.samples))
        if not copies.pairs
        else _told(NEAR_COPY, n=copies.pairs, found=len(copies.found)),
    }
    return Analysis(findings=tuple(findings), facts=facts)


def is_black(sample: SampleImage) -> bool:
    """Tell whether a readable sample is black, or nearly all of it."""
    level, share = _DARK
    return dark_fraction(_pixels(sample), level) >= share


def is_noise(sample: SampleImage) -> bool:
    """Tell whether a readable sample is white noise at some scale."""
    # The spectrum costs most, so it comes last.
    return any(
        plane.std() >= _CONTRAST
        and abs(neighbour_correlation(plane)) <= _CORRELATION
        and spectral_flatness(plane) >= _FLATNESS
        for plane in scales(_pixels(sample))
    )


def stillness(samples: Sequence[SampleImage]) -> Stillness | None:
    """Return for how long nothing has changed, or None where no prompt has two steps.

    The newest sample of a prompt is compared with each before it, back to the first that
    differs; so slow learning adds up. The seed of a prompt is constant over steps, with
    `walk_seed` as without: it adds the prompt index only (API.md section 14.2). So what differs is
    the weights' doing, or the encoder's.

    Args:
        samples: Readable ones that are not black, by step.
    """
    by_prompt: dict[int, list[SampleImage]] = defaultdict(list)
    for sample in samples:
        by_prompt[sample.prompt_index].append(sample)
    tails = [_tail(own) for own in by_prompt.values() if len(own) >= FROZEN.minimum_n]
    if not tails:
        return None
    return Stillness(
        first_step=max(tail.first_step for tail in tails),
        last_step=max(tail.last_step for tail in tails),
        steps=min(tail.steps for tail in tails),
        is_whole=all(tail.is_whole for tail in tails),
        change=max(tail.change for tail in tails),
        prompts=len(tails),
        compared=sum(tail.compared for tail in tails),
    )


def _tail(samples: Sequence[SampleImage]) -> Stillness:
    newest, first, count, largest = samples[-1], samples[-1], 1, 0.0
    for sample in reversed(samples[:-1]):
        change = block_change(_pixels(sample), _pixels(newest))
        if change is None or change > _CHANGE:
            break
        first, count, largest = sample, count + 1, max(largest, change)
    return Stillness(
        first_step=first.step,
        last_step=newest.step,
        steps=count,
        is_whole=count == len(samples),
        change=largest,
        prompts=1,
        compared=len(samples),
    )


def _pixels(sample: SampleImage) -> Pixels:
    if sample.pixels is None:
        raise TypeError("a sample that could not be read has no pixels")
    return sample.pixels


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
