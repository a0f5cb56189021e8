"""One profile: its numbers, its config, what it needs and what the lint says of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from aitk_core.configkeys.form import form_process, put
from aitk_guardrails.lint.facts import LintFacts
from aitk_guardrails.lint.memory import LARGE_CARD, OFTEN
from aitk_guardrails.lint.run import lint
from aitk_guardrails.lint.sources import trainer
from aitk_guardrails.plan import numbers
from aitk_guardrails.plan.memory import fitted
from aitk_guardrails.plan.records import Profile, Reason
from aitk_guardrails.plan.time import affordable, time_of
from aitk_guardrails.vram.records import GIB, Fit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.configkeys.archs import Arch
    from aitk_guardrails.plan.memory import Fitted
    from aitk_guardrails.plan.records import GoalProfile, PlanRequest, ProfileName

_FRAMES: Final = 39
"""Frames of a clip that every video model of the form takes: 17n + 5 for one, and others round
down. The trainer's Wan examples sample 40 and 41."""
_SHOWN_ISSUES: Final = 20
_CONTROLS: Final = {"single": "control_path", "multi": "control_path_1"}
_NO_DROPOUT: Final = Reason(
    parameter="datasets.0.caption_dropout_rate",
    value=0,
    why="captions are cached, so none can be dropped",
    source=trainer("ui/src/docs.tsx"),
    basis="trainer",
    range=(0, 0.1),
)
_NOT_IN_NAME: Final = re.compile(r"[^A-Za-z0-9]+")


def make_profile(request: PlanRequest, goal: GoalProfile, profile: ProfileName) -> Profile:
    """Return one profile.

    Args:
        request: What is known.
        goal: What the goal is about.
        profile: Which one.
    """
    chosen = _chosen(request, goal, profile)
    arch = request.arch
    if arch is None:
        return _without_config(request, profile, chosen)
    observations = [seen for run in request.past or () if (seen := run.observation()) is not None]
    process = _process(request, arch, chosen)
    fit = fitted(process, arch, request.available_gib, observations)
    config = {
        "job": "extension",
        "config": {"name": _name(goal, arch, profile), "process": [fit.process]},
    }
    chosen = _with_changes(chosen, fit)
    return _finished(
        Profile(
            profile=profile,
            **_contract(request, chosen),
            low_vram=bool(fit.process["model"].get("low_vram")),
            config=config,
            reasons=tuple(chosen.values()),
            time=time_of(config, 1, request.past, request.time_budget_minutes),
            vram=fit.estimate,
            fit=fit.fit,
        ),
        request,
        fit.process,
    )


def _chosen(request: PlanRequest, goal: GoalProfile, profile: ProfileName) -> dict[str, Reason]:
    images = request.dataset.images if request.dataset is not None else None
    batch = numbers.batch_of()
    rank = numbers.rank_of(request.arch, goal, images)
    steps, why = numbers.steps_of(request, profile, batch.value)
    reasons = (
        numbers.sides_of(request.arch, profile, request.typical_side),
        batch,
        numbers.rate_of(request.arch, batch.value),
        why,
        rank,
        numbers.alpha_of(rank.value),
        *numbers.saving_of(steps),
        *_frames(request),
        *_switches(request),
    )
    return {reason.parameter: reason for reason in reasons}


def _frames(request: PlanRequest) -> tuple[Reason, ...]:
    facts, arch = request.dataset, request.arch
    if arch is None or arch.modality != "video" or facts is None:
        return ()
    if facts.videos == 0:
        value, why = 1, "the dataset holds pictures only"
    elif facts.videos and not facts.images:
        value, why = _FRAMES, "the dataset holds videos; frames are spread over each clip"
    else:
        return ()
    return (
        Reason(
            parameter="datasets.0.num_frames",
            value=value,
            why=why,
            source=numbers.EXAMPLES,
            basis="trainer",
            range=(1, 121),
        ),
    )


def _switches(request: PlanRequest) -> Iterator[Reason]:
    """Yield what the form leaves in a state that the lint warns of."""
    arch, available = request.arch, request.available_gib
    if arch is None:
        return
    if arch.trainer_arch == "flux" and (available is None or available * GIB < LARGE_CARD):
        yield Reason(
            parameter="model.low_vram",
            value=True,
            why="the model is quantized in pieces, and is never on the GPU in full size",
            source=trainer("toolkit/stable_diffusion_model.py"),
            basis="trainer",
        )
    if arch.trainer_arch.startswith("wan22_14b"):
        yield Reason(
            parameter="train.switch_boundary_every",
            value=OFTEN,
            why="each swap of the two experts moves a model, which takes longer than a step",
            source=trainer("ui/src/docs.tsx"),
            basis="trainer",
            range=(10, 20),
        )
    if arch.selected.get("train.cache_text_embeddings"):
        yield _NO_DROPOUT


def _with_changes(chosen: dict[str, Reason], fit: Fitted) -> dict[str, Reason]:
    """Return the reasons with those of the changes that memory asked for."""
    merged = dict(chosen)
    for reason in fit.reasons:
        first = merged.get(reason.parameter)
        merged[reason.parameter] = (
            reason
            if first is None
            else evolve(reason, why=f"{first.why}; {reason.why}", range=first.range)
        )
    if fit.process["train"].get("cache_text_embeddings"):
        merged[_NO_DROPOUT.parameter] = _NO_DROPOUT
    return merged


def _process(request: PlanRequest, arch: Arch, chosen: dict[str, Reason]) -> dict[str, Any]:
    process = form_process(arch)
    put(process, "model.name_or_path", request.model_name or arch.default_name_or_path)
    put(process, "sample.samples", [])
    put(process, "training_folder", request.training_folder or "")
    dataset = process["datasets"][0]
    dataset["folder_path"] = request.dataset_path or ""
    control = _CONTROLS.get(arch.control_images)
    if control is not None and request.control_path is not None:
        dataset[control] = request.control_path
    for path, reason in chosen.items():
        if path.startswith("datasets.0."):
            dataset[path.removeprefix("datasets.0.")] = reason.value
        else:
            put(process, path, reason.value)
    if "datasets.0.num_frames" in chosen:
        dataset["auto_frame_count"] = False
    return process


def _finished(made: Profile, request: PlanRequest, process: dict[str, Any]) -> Profile:
    """Return the profile with its steps held to the budget, its time, and the lint's word."""
    steps, reasons = made.steps, made.reasons
    most = affordable(made.time, request.time_budget_minutes)
    least = numbers.least_steps(request, made.batch_size)
    if most is not None and most < steps and most >= least:
        reasons = tuple(
            _shortened(each, most) if each.parameter == "train.steps" else each for each in reasons
        )
        saving = {reason.parameter: reason for reason in numbers.saving_of(most)}
        reasons = tuple(saving.get(each.parameter, each) for each in reasons)
        for reason in (*saving.values(), *(r for r in reasons if r.parameter == "train.steps")):
            put(process, reason.parameter, reason.value)
        steps = most
    config = made.config
    facts = LintFacts(
        datasets={request.dataset_path: request.dataset}
        if request.dataset_path and request.dataset
        else {},
        gpu_memory_bytes=None
        if request.available_gib is None
        else int(request.available_gib * 2**30),
    )
    issues = tuple(each for each in lint(config, facts) if each.severity != "info")
    return evolve(
        made,
        steps=steps,
        reasons=reasons,
        time=time_of(config, steps, request.past, request.time_budget_minutes),
        issues=issues[:_SHOWN_ISSUES],
        unknown=_unknown(request, made),
    )


def _shortened(reason: Reason, steps: int) -> Reason:
    return evolve(
        reason,
        value=steps,
        why=f"as many as the time budget allows at the slow end of the measured speed; without it "
        f"{reason.value}: {reason.why}",
        basis="measured",
    )


def _contract(request: PlanRequest, chosen: dict[str, Reason]) -> dict[str, Any]:
    arch = request.arch
    return {
        "model_name": request.model_name or (arch.default_name_or_path if arch else None),
        "resolution": max(chosen["datasets.0.resolution"].value),
        "batch_size": chosen["train.batch_size"].value,
        "learning_rate": chosen["train.lr"].value,
        "steps": chosen["train.steps"].value,
        "rank": chosen["network.linear"].value,
        "alpha": chosen["network.linear_alpha"].value,
    }


def _without_config(
    request: PlanRequest, profile: ProfileName, chosen: dict[str, Reason]
) -> Profile:
    why = request.arch_unknown or "no model is named"
    return Profile(
        profile=profile,
        **_contract(request, chosen),
        low_vram=None,
        config=None,
        reasons=tuple(chosen.values()),
        time=time_of(None, 1, request.past, request.time_budget_minutes),
        vram=None,
        fit=Fit(verdict="undetermined", available_gib=request.available_gib, reason=why),
        unknown=(f"the architecture, and with it config, memory and time: {why}",),
    )


def _unknown(request: PlanRequest, made: Profile) -> tuple[str, ...]:
    found = []
    arch = request.arch
    if request.dataset_path is None:
        found.append("the dataset folder: put yours into datasets[0].folder_path")
    if request.dataset is None or request.dataset.images is None:
        found.append("how many pictures there are, on which the steps depend")
    if arch is not None and arch.edit and request.control_path is None:
        found.append(f"the folder of control images, which {arch.label} needs")
    if request.available_gib is None:
        found.append("the memory of the GPU")
    found.append("prompts to sample: put some into sample.samples, to compare checkpoints by")
    if made.vram is not None:
        found += made.vram.unknown
    if made.time.missing:
        found.append(f"how long it takes: {made.time.missing}")
    return tuple(found)


def _name(goal: GoalProfile, arch: Arch, profile: ProfileName) -> str:
    return f"{goal}_{_NOT_IN_NAME.sub('_', arch.id)}_{profile}"
