"""The plan as a whole: three profiles, which one, and what speaks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_guardrails.lint.dataset import FEW_PICTURES, LEAST_COVERAGE
from aitk_guardrails.plan.goal import goal_profile, names_flux
from aitk_guardrails.plan.profiles import make_profile
from aitk_guardrails.plan.records import PROFILES, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_guardrails.plan.records import GoalProfile, PlanRequest, Profile

_PERCENT: Final = 100


def make_plan(request: PlanRequest) -> Plan:
    """Return a plan from what is known.

    Args:
        request: Missing parts make parts of the plan unknown, and are named there.
    """
    goal = goal_profile(request.goal)
    profiles = tuple(make_profile(request, goal, each) for each in PROFILES)
    chosen, because = _choice(profiles)
    assessed = _assessed(request, chosen)
    count = sum(assessed.values())
    return Plan(
        goal_profile=goal,
        is_flux_model=None if chosen.model_name is None else names_flux(chosen.model_name),
        confidence=round(count / len(assessed), 2) if count else None,
        assessed=assessed,
        recommended=chosen,
        recommended_because=because,
        profiles=profiles,
        warnings=tuple(_warnings(request, profiles, chosen)),
        rationale=_rationale(request, goal, chosen, because),
        next_actions=_next(request, chosen),
    )


def _choice(profiles: tuple[Profile, ...]) -> tuple[Profile, str]:
    """Return balanced, or the first that memory and time do not rule out."""
    fast, balanced, quality = profiles
    for profile in (balanced, fast):
        if profile.fit.verdict == "no" or profile.time.fits_budget == "no":
            continue
        if profile is balanced:
            return balanced, "balanced: neither memory nor time is known to rule it out"
        ruled = balanced.fit.reason if balanced.fit.verdict == "no" else "it exceeds the time"
        return fast, f"fast: balanced is ruled out ({ruled})"
    if quality.fit.verdict != "no" and fast.fit.verdict == "no":
        return quality, "quality: the others need more memory than there is"
    return fast, "fast, as it asks for least; memory or time is known not to suffice even for it"


def _assessed(request: PlanRequest, chosen: Profile) -> Mapping[str, bool]:
    """Return which inputs of a plan rest on something seen, each counting the same."""
    facts = request.dataset
    return {
        "goal": bool(request.goal.strip()),
        "architecture": request.arch is not None,
        "pictures": facts is not None and facts.images is not None,
        "captions": request.caption_coverage_pct is not None,
        "gpu_memory": request.available_gib is not None,
        "memory_needed": chosen.vram is not None and chosen.vram.estimate_gib is not None,
        "speed": chosen.time.seconds_per_step is not None,
    }


def _warnings(request: PlanRequest, profiles: tuple[Profile, ...], chosen: Profile) -> list[str]:
    found = []
    if request.arch is None:
        why = request.arch_unknown or "no model is named"
        found.append(f"no config can be made: {why}")
    images = request.dataset.images if request.dataset is not None else None
    if images is not None and images < FEW_PICTURES:
        found.append(
            f"{images} pictures are few: 15 to 50 are usual for a character, 50 to 200 for a style"
        )
    covered = request.caption_coverage_pct
    if covered is not None and covered < LEAST_COVERAGE * _PERCENT:
        found.append(f"only {covered:g} % of the pictures have a caption")
    if request.available_gib is not None:
        found += [
            f"{each.profile} does not fit: {each.fit.reason}"
            for each in profiles
            if each.fit.verdict == "no"
        ]
        if chosen.fit.verdict == "undetermined" and request.arch is not None:
            found.append(f"whether {chosen.profile} fits is not sure: {chosen.fit.reason}")
    if request.time_budget_minutes is not None:
        found += _time_warnings(request.time_budget_minutes, profiles)
    found += [
        f"{chosen.profile}: {issue.code}: {issue.message}"
        for issue in chosen.issues
        if issue.severity == "error"
    ]
    return found


def _time_warnings(budget: float, profiles: tuple[Profile, ...]) -> list[str]:
    if all(each.time.seconds_per_step is None for each in profiles):
        missing = profiles[0].time.missing
        return [
            f"the time budget of {budget:g} minutes cannot be checked, as no speed is made up: "
            + missing
        ]
    return [
        f"{each.profile} does not fit into {budget:g} minutes, and fewer steps would not train"
        for each in profiles
        if each.time.fits_budget == "no"
    ]


def _rationale(
    request: PlanRequest, goal: GoalProfile, chosen: Profile, because: str
) -> tuple[str, str, str, str]:
    steps = next(each for each in chosen.reasons if each.parameter == "train.steps")
    memory = "the memory needed is not known"
    if chosen.vram is not None and chosen.vram.estimate_gib is not None:
        memory = (
            f"about {chosen.vram.estimate_gib:.0f} GiB of GPU memory, between "
            f"{chosen.vram.low_gib:.0f} and {chosen.vram.high_gib:.0f} ({chosen.vram.method})"
        )
    time = f"how long it takes is not known; missing: {chosen.time.missing}"
    if chosen.time.minutes is not None:
        time = f"about {chosen.time.minutes:.0f} minutes, from {chosen.time.n} runs of this machine"
    return (
        f"goal: {goal}" + ("" if request.goal.strip() else ", since none was given"),
        f"{chosen.steps} steps: {steps.why}",
        f"{memory}; {time}",
        because,
    )


def _next(request: PlanRequest, chosen: Profile) -> tuple[str, str, str]:
    if request.arch is None:
        first = "name the model, or its architecture with `arch`, and ask again"
    elif request.dataset_path is None:
        first = "give dataset_path, so that steps follow from the pictures"
    elif not chosen.is_valid:
        first = "put right what `issues` of the profile names"
    else:
        first = (
            "save the profile that you choose: create-training-config with its `save_with`, then "
            "run-training-with-guardrails"
        )
    second = (
        "train it once with metrics on: the next plan then knows the speed of this machine"
        if chosen.time.seconds_per_step is None
        else "watch GPU memory in the first steps: the estimate leaves sampling out"
    )
    return (
        first,
        second,
        "choose the checkpoint by its samples or validation loss, not by the training loss",
    )
