"""What the checks of samples found, as findings for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.records.findings import Estimate, EvidenceRef, Finding, Remedy
from aitk_observability.samples.labels import file_name
from aitk_observability.samples.methods import BLACK, FROZEN, NEAR_COPY, NOISE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitk_core.evidence.samples import SampleImage, SamplesEvidence
    from aitk_core.statistics.description import MethodInfo
    from aitk_observability.samples.copies import Copies, Copy
    from aitk_observability.samples.stillness import Stillness

_SHOWN: Final = 3
"""Near copies that a message names."""


def black(found: Sequence[SampleImage], readable: Sequence[SampleImage]) -> list[Finding]:
    """Return that samples are black; critical where all of the newest step are."""
    if not found:
        return []
    newest = _newest(readable)
    dark = _at(found, newest)
    everything = len(dark) == len(_at(readable, newest))
    where = f"{len(dark)} of {len(_at(readable, newest))} at the newest step {newest}"
    if _has_baseline(found):
        cause = (
            "already the baseline at step 0 is black, so the base model, its VAE or its dtype is "
            "at fault, not the training"
        )
    else:
        cause = "this is what NaN decodes to"
    return [
        _finding(
            "SAMPLES_BLACK",
            "critical" if everything else "warning",
            f"{len(found)} of {len(readable)} samples are black ({where}): {cause}; look for "
            "LOSS_NONFINITE among the findings and for 'loss is nan' or 'invalid value encountered "
            "in cast' in the log",
            BLACK,
            found,
            n=len(readable),
            estimate=_share(found, readable),
            remedies=(
                Remedy(
                    action="where the loss is NaN too, stop and start again from the last good "
                    "checkpoint (PRACTICE R04)"
                ),
                Remedy(
                    action="train and sample in bf16 rather than fp16",
                    path="config.process.0.train.dtype",
                    value="bf16",
                ),
            ),
            unknown=(
                "whether a prompt asks for black pictures",
                "whether the weights hold NaN, or only the decoding of samples failed",
            ),
        )
    ]


def noise(found: Sequence[SampleImage], readable: Sequence[SampleImage]) -> list[Finding]:
    """Return that samples look like white noise; a note where the newest step recovered."""
    if not found:
        return []
    newest = _newest(readable)
    loud = _at(found, newest)
    base = "; already the baseline at step 0 does" if _has_baseline(found) else ""
    return [
        _finding(
            "SAMPLES_NOISE",
            "warning" if loud else "info",
            f"{len(found)} of {len(readable)} samples look like white noise ({len(loud)} of "
            f"{len(_at(readable, newest))} at the newest step {newest}){base}",
            NOISE,
            found,
            n=len(readable),
            estimate=_share(found, readable),
            remedies=(
                Remedy(
                    action="check that the sampler fits train.noise_scheduler (API 14.2), and that "
                    "the base model is the one the LoRA is for",
                    path="config.process.0.sample.sampler",
                ),
                Remedy(
                    action="where earlier samples were sound, use a lower learning rate",
                    path="config.process.0.train.lr",
                ),
            ),
            unknown=(
                "whether a prompt asks for noise",
                "noise of low contrast, or smoother than a latent, is not found",
            ),
        )
    ]


def frozen(still: Stillness | None) -> list[Finding]:
    """Return that samples do not change; a note where that is early to say."""
    if still is None or not still.is_frozen:
        return []
    since = "between" if still.is_whole else "any more between"
    return [
        _finding(
            "SAMPLES_FROZEN",
            "warning" if still.is_long else "info",
            f"the samples of {_count(still.prompts, 'prompt')} do not change {since} steps "
            f"{still.first_step} and {still.last_step} ({still.steps} sampled steps looked at): no "
            f"block changed by more than {still.change:.2g} of 255 levels, which re-encoding "
            "alone does",
            FROZEN,
            (),
            n=still.compared,
            estimate=Estimate(
                value=round(still.change, 3), unit="largest block change, levels of 255", level=None
            ),
            evidence=(
                EvidenceRef(
                    source="samples", first_step=still.first_step, last_step=still.last_step
                ),
            ),
            remedies=(
                Remedy(
                    action="check the learning rate, that losses are not all 0, that the trigger "
                    "word is in the prompts, and the base model (PRACTICE R03)",
                    path="config.process.0.train.lr",
                ),
            ),
            unknown=(
                "whether prompts without the trigger word are meant to stay as they are",
                "whether the weights change in ways these prompts do not show",
                "changes smaller than the threshold, and all between the steps looked at",
            ),
        )
    ]


def near_copies(copies: Copies, evidence: SamplesEvidence) -> list[Finding]:
    """Return that samples are near copies of training images.

    A warning where thumbnails confirm it and the baseline before training was no copy of the same
    image; else a note.
    """
    if not copies.found:
        return []
    near = [copy for copy in copies.found if copy.level == "near"]
    before = {copy.reference.path for copy in near if copy.sample.step == 0}
    learnt = [copy for copy in near if copy.reference.path not in before]
    shown = near or list(copies.found)
    word = "are near copies of" if near else "may be near copies of"
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    tail = "; the baseline at step 0 was one already" if near and not learnt else ""
    looked_at = f"{copies.references} training images"
    if evidence.reference_total is not None and evidence.reference_total > copies.references:
        looked_at += f" (of {evidence.reference_total})"
    return [
        _finding(
            "SAMPLES_NEAR_COPY",
            "warning" if learnt else "info",
            f"{len(shown)} of {copies.samples} samples {word} one of {looked_at}: "
            + ", ".join(_pair(copy) for copy in shown[:_SHOWN])
            + more
            + tail,
            NEAR_COPY,
            [copy.sample for copy in shown],
            n=copies.pairs,
            estimate=Estimate(
                value=round(shown[0].correlation, 3),
                unit="largest correlation of 32x32 thumbnails",
                level=None,
            ),
            remedies=(
                Remedy(action="compare them by eye; the sheet of samples shows the step"),
                Remedy(
                    action="where it is a copy, use an earlier checkpoint, fewer repeats, or more "
                    "different images"
                ),
            ),
            unknown=(
                "whether likeness is wanted, as with a prompt that describes that image",
                "copies that are cropped by over 4 %, turned, or of one part of the picture",
                "copies of training images that were not looked at",
            ),
        )
    ]


def _pair(copy: Copy) -> str:
    mirrored = ", mirrored" if copy.is_mirrored else ""
    return (
        f"prompt {copy.sample.prompt_index} at step {copy.sample.step} and "
        f"{file_name(copy.reference.path)!r} (correlation {copy.correlation:.2f}{mirrored})"
    )


def _finding(
    code: str,
    severity: Any,
    message: str,
    method: MethodInfo,
    found: Iterable[SampleImage],
    **more: Any,
) -> Finding:
    return Finding(
        code=code,
        category="samples",
        severity=severity,
        message=message,
        method=method.name,
        false_alarm_rate=method.false_alarm_rate,
        evidence=more.pop("evidence", None) or _steps(found),
        **more,
    )


def _steps(found: Iterable[SampleImage]) -> tuple[EvidenceRef, ...]:
    steps = [sample.step for sample in found]
    return (EvidenceRef(source="samples", first_step=min(steps), last_step=max(steps)),)


def _share(found: Sequence[SampleImage], readable: Sequence[SampleImage]) -> Estimate:
    return Estimate(
        value=round(len(found) / len(readable), 4),
        unit="share of the samples looked at",
        level=None,
    )


def _newest(samples: Iterable[SampleImage]) -> int:
    return max(sample.step for sample in samples)


def _at(samples: Iterable[SampleImage], step: int) -> list[SampleImage]:
    return [sample for sample in samples if sample.step == step]


def _has_baseline(samples: Iterable[SampleImage]) -> bool:
    return any(sample.step == 0 for sample in samples)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
