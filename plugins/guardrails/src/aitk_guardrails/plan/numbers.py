"""The numbers of a profile, each with its reason."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from aitk_guardrails.lint.learning import MOST_EXPOSURES
from aitk_guardrails.lint.sources import CURVES, MUSUBI, SIMPLETUNER, trainer
from aitk_guardrails.plan.records import PROFILES, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.configkeys.archs import Arch
    from aitk_guardrails.plan.records import GoalProfile, PlanRequest, ProfileName

EXAMPLES: Final = trainer("config/examples")
FORM: Final = trainer("ui/src/app/jobs/new")
GUIDES: Final = "public LoRA guides"
CONVENTION: Final = "convention, not measured"

SHARE: Final[Mapping[ProfileName, float]] = {"fast": 0.5, "balanced": 1.0, "quality": 1.5}
"""Steps of a profile; ours. The best checkpoint lies somewhere before the end, so a longer run
shows more of the curve, and is not better by itself."""
_KNEE: Final = (20.0, 87.5)
_SLOPE: Final = -0.65
"""Exposures of each picture at which the validation loss was best: 75 to 100 with 20 pictures, 50
with 50, 13 to 19 with 270. A power law through the first has 48 and 16 for the others."""
_MOST_FIRST: Final = 100.0
"""Exposures that guides name for 15 to 30 pictures."""
FEWEST_BEST: Final = 13.0
"""The fewest exposures at which any of those runs was best."""
_STEP_RANGE: Final = (500.0, 4000.0)
_EXAMPLE_STEPS: Final = 2000
_ROUND: Final = 50
_RATE: Final = 1e-4
_SUBJECT_RANK: Final = 16
_STYLE_RANK: Final = 32
_SAVES: Final = 10

_SIDES: Final[Mapping[str, tuple[tuple[int, ...], ...]]] = {
    "image": ((512,), (512, 768), (512, 768, 1024)),
    "flux": ((512, 768), (512, 768, 1024), (512, 768, 1024)),
    "sd15": ((512,), (512,), (512, 768)),
    "sdxl": ((768,), (768, 1024), (768, 1024)),
    "video": ((480,), (632,), (768,)),
    "audio": ((512,), (512,), (512,)),
}
"""For fast, balanced and quality."""


def exposures(images: int) -> float:
    """Return how often each picture is to be seen as a first guess."""
    pictures, seen = _KNEE
    return min(_MOST_FIRST, seen * math.pow(images / pictures, _SLOPE))


def steps_of(request: PlanRequest, profile: ProfileName, batch: int) -> tuple[int, Reason]:
    """Return the steps of a profile; the time budget is not looked at."""
    images = _images(request)
    if images is None:
        steps = _rounded(_EXAMPLE_STEPS * SHARE[profile])
        why = (
            f"the number of pictures is not known: {_EXAMPLE_STEPS} steps of the trainer's examples"
            f" times {SHARE[profile]:g} for {profile}"
        )
        return steps, Reason(
            parameter="train.steps",
            value=steps,
            why=why,
            source=f"{EXAMPLES}; the share of the profile is ours",
            basis="trainer",
            range=_STEP_RANGE,
        )
    seen = exposures(images) * SHARE[profile]
    exact = images * seen / batch
    least = min(_STEP_RANGE[0] * SHARE[profile], images * MOST_EXPOSURES / batch)
    steps = max(1, _rounded(max(exact, least)))
    why = (
        f"{images} pictures times {steps * batch / images:.0f} exposures over a batch of {batch}; "
        f"the first guess is {exposures(images):.0f} exposures, times {SHARE[profile]:g} for "
        f"{profile}. Repeats change how pictures are mixed, not how many steps there are"
    )
    return steps, Reason(
        parameter="train.steps",
        value=steps,
        why=why,
        source=f"{CURVES}, for SD1.5: not verified for other models, nor outside of 20 to 270 "
        f"pictures; {GUIDES}; the share of the profile is ours",
        basis="published",
        range=_STEP_RANGE,
    )


def least_steps(request: PlanRequest, batch: int) -> int:
    """Return the steps below which a plan is not shortened."""
    images = _images(request)
    return math.ceil(_STEP_RANGE[0] if images is None else FEWEST_BEST * images / batch)


def rank_of(arch: Arch | None, goal: GoalProfile, images: int | None) -> Reason:
    """Return the rank."""
    own = arch.selected.get("network.linear") if arch is not None else None
    if isinstance(own, int):
        value, why, source = own, "what the form sets for this architecture", FORM
    elif goal == "style":
        value = _STYLE_RANK
        why, source = "the form's own value; a style is broader than one subject", FORM
    else:
        value = _SUBJECT_RANK
        why = "enough for one subject; start small, more only for large or broad data"
        source = f"{EXAMPLES}; {SIMPLETUNER}"
        if goal == "general" and images is not None and images >= 100:  # noqa: PLR2004
            value, why, source = _STYLE_RANK, "the form's own value, for a broad set", FORM
    return Reason(
        parameter="network.linear",
        value=value,
        why=why,
        source=source,
        basis="trainer",
        range=(8, 128),
    )


def alpha_of(rank: int) -> Reason:
    """Return the alpha."""
    return Reason(
        parameter="network.linear_alpha",
        value=rank,
        why="equal to the rank, as everywhere in the trainer: runs with other ratios learn at "
        "another speed and cannot be compared",
        source=f"{EXAMPLES}; {CURVES}",
        basis="trainer",
        range=None,
    )


def rate_of(arch: Arch | None, batch: int) -> Reason:
    """Return the learning rate, the same in all profiles."""
    own = arch.selected.get("train.lr") if arch is not None else None
    base = float(own) if isinstance(own, int | float) else _RATE
    value = base * math.sqrt(batch)
    why = (
        "the trainer's own value. The same in all profiles: within a factor of ten the best "
        "validation loss was the same on small sets, only reached earlier, so steps are changed "
        "first"
    )
    if batch > 1:
        why += f"; times the root of the batch of {batch}"
    return Reason(
        parameter="train.lr",
        value=value,
        why=why,
        source=f"{FORM}; {CURVES}; {MUSUBI} uses 5e-5 for Qwen-Image",
        basis="trainer",
        range=(5e-5, 4e-4),
    )


def batch_of() -> Reason:
    """Return the batch size."""
    return Reason(
        parameter="train.batch_size",
        value=1,
        why="all of the trainer's LoRA examples use 1; more takes memory, and "
        "gradient accumulation averages the same without it",
        source=EXAMPLES,
        basis="trainer",
        range=(1, 8),
    )


def sides_of(arch: Arch | None, profile: ProfileName, typical: float | None) -> Reason:
    """Return the resolutions, ascending."""
    kind = "image"
    if arch is not None:
        family = (arch.id, arch.trainer_arch.partition("_")[0], arch.modality)
        kind = next((each for each in family if each in _SIDES), kind)
    sides = _SIDES[kind][PROFILES.index(profile)]
    why = {
        "image": "the trainer's examples mix 512, 768 and 1024; a step's time grows with the "
        "pixels",
        "flux": "the trainer's FLUX examples mix 512, 768 and 1024",
        "sd15": "the model was made for 512 pixels",
        "sdxl": "the model was made for 1024 pixels",
        "audio": "nothing of an audio model depends on it; the form writes one all the same",
        "video": "the trainer's Wan examples use 632; frames multiply what a step takes",
    }[kind]
    if typical is not None:
        useful = tuple(side for side in sides if side <= typical) or sides[:1]
        if useful != sides:
            why += (
                f"; sizes above {typical:g} are left out, since half of the pictures are smaller "
                "and the trainer never enlarges one"
            )
        sides = useful
    return Reason(
        parameter="datasets.0.resolution",
        value=list(sides),
        why=why,
        source=f"{EXAMPLES}; which size goes with which profile is {CONVENTION}",
        basis="convention",
        range=(512, 1024) if kind != "video" else (480, 768),
    )


def saving_of(steps: int) -> tuple[Reason, Reason, Reason]:
    """Return steps between saves, saves kept, steps between samples."""
    every = max(1, _rounded(steps / _SAVES, 25))
    why = "a tenth of the run, so that there are checkpoints to choose from: the best is often not"
    source = f"{CURVES}; a tenth is {CONVENTION}"
    return (
        Reason(
            parameter="save.save_every",
            value=every,
            why=f"{why} the last",
            source=source,
            basis="convention",
            range=(100, 500),
        ),
        Reason(
            parameter="save.max_step_saves_to_keep",
            value=_SAVES + 1,
            why="all of them: the form's 4 would delete the first half of the run",
            source=f"{CURVES}; {FORM}",
            basis="convention",
            range=(4, 20),
        ),
        Reason(
            parameter="sample.sample_every",
            value=every,
            why="with every checkpoint, since checkpoints are chosen by their samples",
            source=f"{FORM}; {CURVES}",
            basis="trainer",
            range=(100, 500),
        ),
    )


def _images(request: PlanRequest) -> int | None:
    facts = request.dataset
    if facts is None:
        return None
    total = (facts.images or 0) + (facts.videos or 0)
    return total or None


def _rounded(value: float, unit: int = _ROUND) -> int:
    """Return the nearest multiple of a unit, and whole numbers below two units as they are."""
    return round(value / unit) * unit if value >= 2 * unit else max(1, round(value))
