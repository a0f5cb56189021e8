"""The checks of samples: settings with sources, and measured errors. No numpy.

How the errors were measured. *Natural-like*: 1,000 pictures of `aitk_core.proving.pictures`, sides
448 to 1024, written as JPEG of quality 75 to 95 and read as samples are. *Sandbox*: 1,760 JPEG
samples of 40 genuine runs of the embedded trainer, learning rates 3e-4 to 4e-3, 4 prompts, 11
steps each. Thresholds of ours were set before that, on 200 such pictures and 4 other runs.
*Stillness*: 32 such runs of 2 prompts, 640 pairs of successive samples, and 100 other natural-like
pictures, each encoded twice; `shift` was set on those runs and 50 further pictures, so that its 0
of 32 is no independent count. Where nothing was found, `below` is the one-sided 95 % bound, 3 / n
(Hanley and Lippman-Hand 1983), as if all were independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.statistics.description import FalseAlarmRate, MethodInfo, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.evidence.samples import SampleImage

_COPIES: Final = "datasets.md section A5"
_PICTURES: Final = "measured: 0 of 2,760 (1,000 natural-like pictures, 1,760 sandbox samples, JPEG)"


def _ours(value: float, reason: str) -> Parameter:
    return Parameter(value=value, source=f"ours: {reason}")


BLACK: Final = MethodInfo(
    id="samples_black",
    version=1,
    what="Is a sample black all over, as one that decoded to NaN is?",
    minimum_n=1,
    minimum_unit="values",
    parameters={
        "level": _ours(8, "NaN is written as 0; re-encoding adds at most a few levels"),
        "share": _ours(0.99, "the darkest of 1,000 natural-like pictures had 0.17"),
    },
    false_alarm_rate=FalseAlarmRate(
        rate=0.0, unit="per sample", source=f"{_PICTURES}; below 0.11 %"
    ),
)

NOISE: Final = MethodInfo(
    id="samples_noise",
    version=1,
    what="Does a sample look like white noise, in pixels or in latents?",
    minimum_n=1,
    minimum_unit="values",
    parameters={
        "correlation": _ours(0.2, "noise had at most 0.06, natural-like pictures at least 0.72"),
        "flatness": _ours(0.45, "noise has 0.56, natural-like pictures had at most 0.18"),
        "contrast": _ours(8, "below it lies the grain of a flat picture, which is no failure"),
    },
    false_alarm_rate=FalseAlarmRate(
        rate=0.0,
        unit="per sample",
        source=f"{_PICTURES}; below 0.11 %. Found: 98 of 100 pictures of white noise, and of 100 "
        "of latent noise each 100, 67 and 21 as enlarged by nearest, bicubic and bilinear. "
        "JPEG hides none: 50 of 50 of white noise at each of quality 95, 75, 50, 30 and 15",
    ),
)

FROZEN: Final = MethodInfo(
    id="samples_frozen",
    version=2,
    what="Do the samples of every prompt stay the same from one step to the next?",
    minimum_n=2,
    minimum_unit="values",
    parameters={
        "change": _ours(
            4.0, "a picture rounded and encoded anew had at most 3.98 at JPEG quality 75, 3.1 at 85"
        ),
        "shift": _ours(
            1.0, "that had at most 1.05 from quality 75 on, sandbox samples that learn 1.13 or more"
        ),
        "steps": _ours(3, "two in a row may differ little where learning is slow"),
        "span": _ours(500, "two of the default intervals of 250; below it the finding is a note"),
    },
    false_alarm_rate=FalseAlarmRate(
        rate=0.0,
        unit="per run",
        source="measured: 0 of 32 sandbox runs that learn, below 9.4 %; nor in any of their 1,760 "
        "overlapping stretches of 2 to 11 sampled steps. Two pictures that "
        "differ by rounding (2 of 3 values by 1) and are encoded as JPEG count as the same in 100, "
        "98, 98, 89, 84 and 52 of 100 at quality 95, 85, 75, 70, 60 and 50; by block changes of up "
        "to 2.0 alone, version 1, it was 100, 65, 47, 43, 39 and 35. A part of 1 or 3 % that is 4 "
        "levels brighter or takes on 15 % of another picture is seen in 400 of 400 at quality 75 "
        "and 90; one that moves by 3 pixels is missed in 40 of 400 (28 by version 1), where "
        "it is nearly plain",
    ),
)

NEAR_COPY: Final = MethodInfo(
    id="samples_near_copy",
    version=1,
    what="Is a sample a near copy of a training image?",
    minimum_n=1,
    minimum_unit="values",
    parameters={
        "differences": Parameter(value=20, source=_COPIES),
        "cosines": Parameter(value=20, source=_COPIES),
        "correlation": Parameter(value=0.95, source=_COPIES),
        "wide_differences": Parameter(value=28, source=_COPIES),
        "wide_cosines": Parameter(value=16, source=_COPIES),
    },
    false_alarm_rate=FalseAlarmRate(
        rate=0.0,
        unit="per pair",
        source="measured for near: 0 of 499,500 pairs of natural-like pictures, each also "
        "mirrored, below 0.0006 %, and 0 of 28,160 pairs of sandbox samples and training images; "
        f"for possible: 0 and 2. {_COPIES}: 0 of 48,814 pairs, a third of the pictures real. "
        "Found: 60 of 60 pictures at each of JPEG quality 75, 50, 35, 20, 10 and 5. "
        "Training images of one layout are alike: 5 of 120 pairs of the sandbox's own are near",
    ),
)

_LOSSY: Final = (".jpg", ".jpeg", ".webp")
"""Files whose encoding changes pixels; a WebP may be lossless, which its name does not tell."""
_STILLNESS_LIMIT: Final = (
    "whether samples below JPEG quality 70 stand still: rounding then looks like a change in one "
    "pair of six at 60, one of two at 50"
)

METHODS: Final = (BLACK, NOISE, FROZEN, NEAR_COPY)


def unseen_stillness(samples: Iterable[SampleImage]) -> list[str]:
    """Return what FROZEN may miss in these samples, in words; empty where no file is lossy."""
    is_lossy = any(sample.path.lower().endswith(_LOSSY) for sample in samples)
    return [_STILLNESS_LIMIT] if is_lossy else []
