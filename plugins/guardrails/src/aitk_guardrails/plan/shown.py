"""A plan as the contract's document, JSON-ready, and as a few lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from aitk_core.configkeys.archs import source_version
from aitk_guardrails.plan.numbers import SHARE
from aitk_guardrails.vram.shown import estimate_document

if TYPE_CHECKING:
    from aitk_guardrails.plan.records import Plan, PlanRequest, PlanTime, Profile, Reason

_PLACES: Final = 3
_BESIDE: Final = (
    "model.low_vram",
    "model.qtype",
    "model.qtype_te",
    "network.conv",
    "network.conv_alpha",
)
"""Values that create-training-config sets by a rule of its own where nobody tells them."""
_OTHERS: Final = (
    f"every value that no reason names is what the backend's own form writes ({source_version()})"
)


def plan_document(plan: Plan, request: PlanRequest) -> dict[str, Any]:
    """Return `plan` of the contract (TOOLS.md section 3) with what is new beside it.

    Args:
        plan: To show.
        request: That it was made from.
    """
    chosen = plan.recommended
    speed = chosen.time.seconds_per_step
    facts = request.dataset
    return {
        "goal_profile": plan.goal_profile,
        "is_flux_model": plan.is_flux_model,
        "confidence": plan.confidence,
        "confidence_basis": {
            "method": "share of the inputs that were assessed, each counting the same; it says "
            "nothing about how good the result will be",
            "assessed": dict(plan.assessed),
        },
        "recommended_because": plan.recommended_because,
        "recommended_plan": _profile(chosen, with_parts=True),
        "alternative_plans": [_profile(each, with_parts=False) for each in plan.profiles],
        "assumptions": {
            "dataset_images": facts.images if facts is not None else None,
            "caption_coverage_pct": request.caption_coverage_pct,
            "target_vram_gb": _rounded(request.available_gib),
            "time_budget_minutes": request.time_budget_minutes,
            "throughput_steps_per_min": None if speed is None else _rounded(60 / speed),
        },
        "warnings": list(plan.warnings),
        "rationale": list(plan.rationale),
    }


def plan_text(plan: Plan) -> str:
    """Return the plan in a few lines."""
    chosen = plan.recommended
    lines = [f"Recommended: {plan.recommended_because}."]
    for each in plan.profiles:
        mark = "*" if each is chosen else "-"
        memory = "memory not known"
        if each.vram is not None and each.vram.estimate_gib is not None:
            memory = f"{each.vram.low_gib:.0f} to {each.vram.high_gib:.0f} GiB"
        time = "time not measured"
        if each.time.minutes is not None:
            time = f"about {each.time.minutes:.0f} min"
        lines.append(
            f"{mark} {each.profile}: {each.steps} steps ({SHARE[each.profile]:g}x), "
            f"{each.resolution} px, rank {each.rank}, lr {each.learning_rate:g}, {memory} "
            f"(fits: {each.fit.verdict}), {time}"
        )
    lines += [f"Warning: {each}" for each in plan.warnings]
    lines += [f"Next: {plan.next_actions[0]}."]
    return "\n".join(lines)


def _profile(profile: Profile, *, with_parts: bool) -> dict[str, Any]:
    return {
        "profile": profile.profile,
        "model_name": profile.model_name,
        "resolution": profile.resolution,
        "batch_size": profile.batch_size,
        "learning_rate": profile.learning_rate,
        "steps": profile.steps,
        "rank": profile.rank,
        "alpha": profile.alpha,
        "low_vram": profile.low_vram,
        "estimated_minutes": _rounded(profile.time.minutes),
        "config": profile.config,
        "save_with": _save_with(profile),
        "is_valid": profile.is_valid,
        "issues": [
            {
                "code": issue.code,
                "severity": issue.severity,
                "path": issue.path,
                "message": issue.message,
            }
            for issue in profile.issues
        ],
        "reasons": [_reason(each) for each in profile.reasons],
        "time": _time(profile.time),
        "other_values": _OTHERS if profile.config is not None else None,
        "vram": estimate_document(profile.vram, profile.fit, with_parts=with_parts),
        "unknown": list(profile.unknown),
    }


def _save_with(profile: Profile) -> dict[str, Any] | None:
    """Return the arguments of create-training-config that save this config; None without a folder.

    Both start from the backend's form, so what differs is what a reason names.
    """
    if profile.config is None:
        return None
    inner = profile.config["config"]
    process = inner["process"][0]
    dataset_path = process["datasets"][0].get("folder_path")
    if not dataset_path:
        return None
    values = {reason.parameter: reason.value for reason in profile.reasons}
    for path in _BESIDE:
        block, _, name = path.partition(".")
        if name in (process.get(block) or {}):
            values[path] = process[block][name]
    return {
        "name": inner["name"],
        "model_name": process["model"]["name_or_path"],
        "arch": process["model"]["arch"],
        "dataset_path": dataset_path,
        "overrides": {f"process.0.{path}": value for path, value in values.items()},
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "parameter": reason.parameter,
        "value": reason.value,
        "why": reason.why,
        "source": reason.source,
        "basis": reason.basis,
        "range": None if reason.range is None else list(reason.range),
    }


def _time(time: PlanTime) -> dict[str, Any]:
    shown = attrs.asdict(time)
    shown["job_ids"] = list(time.job_ids)
    slow, fast = time.high_seconds_per_step, time.low_seconds_per_step
    shown["low_steps_per_second"] = None if not slow else _rounded(1 / slow)
    shown["high_steps_per_second"] = None if not fast else _rounded(1 / fast)
    return {key: _rounded(each) if isinstance(each, float) else each for key, each in shown.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _PLACES)
