"""recommend-training-plan."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from aitk_core.errors import BackendError
from aitk_core.records.results import ToolResult
from aitk_guardrails.plan.inputs import choose, see_dataset, see_system, training_folder
from aitk_guardrails.plan.past import past_runs
from aitk_guardrails.plan.records import PlanRequest

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_guardrails.arguments import RecommendTrainingPlan
    from aitk_guardrails.plan.inputs import Chosen, SeenDataset
    from aitk_guardrails.plan.past import PastRun

_MIB_PER_GIB: Final = 1024
_PAST_SECONDS: Final = 10.0
"""Ours: for the runs that time is told from; a plan without them is still one."""


async def recommend_training_plan(
    arguments: RecommendTrainingPlan, context: ToolContext
) -> ToolResult:
    """Propose three configs for a goal, each number with its reason.

    Raises:
        InvalidArgumentsError: `arch` or `config_name` cannot be used.
        ConfigNotFoundError: There is no such saved config.
    """
    chosen = await choose(arguments, context)
    seen, system, (past, past_missing), folder = await asyncio.gather(
        see_dataset(arguments, chosen, context),
        see_system(context),
        _past(context, chosen),
        training_folder(context),
    )
    request = evolve(_request(arguments, chosen, seen, system, past), training_folder=folder)
    now = context.now()

    def build() -> ToolResult:
        # Imported here, as it reads tables that listing tools must not pay for.
        from aitk_guardrails.plan.build import make_plan
        from aitk_guardrails.plan.shown import plan_document, plan_text

        plan = make_plan(request)
        data = {
            "generated_at": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
            "inputs": _inputs(arguments, chosen),
            "context": _context(arguments, chosen, past, past_missing),
            "dataset_analysis": dict(seen.document),
            "system_snapshot": system,
            "plan": plan_document(plan, request),
            "next_actions": list(plan.next_actions),
        }
        return ToolResult(data=data, summary=plan_text(plan))

    return await context.run(build)


async def _past(
    context: ToolContext, chosen: Chosen
) -> tuple[tuple[PastRun, ...] | None, str | None]:
    try:
        async with asyncio.timeout(_PAST_SECONDS):
            return await past_runs(context, chosen.arch.id if chosen.arch else None), None
    except BackendError as error:
        return None, f"{error.code}: {error}"
    except TimeoutError:
        return None, f"not read within {_PAST_SECONDS:g} seconds"


def _request(
    arguments: RecommendTrainingPlan,
    chosen: Chosen,
    seen: SeenDataset,
    system: dict[str, Any],
    past: tuple[PastRun, ...] | None,
) -> PlanRequest:
    total = system.get("gpu_memory_total")
    available = arguments.target_vram_gb
    if available is None and total:
        available = total / _MIB_PER_GIB
    return PlanRequest(
        goal=arguments.goal,
        model_name=chosen.model_name,
        arch=chosen.arch,
        arch_unknown=chosen.arch_unknown,
        dataset_path=chosen.dataset_path,
        control_path=chosen.control_path,
        dataset=seen.facts,
        caption_coverage_pct=seen.coverage_pct,
        typical_side=seen.typical_side,
        available_gib=available,
        time_budget_minutes=arguments.time_budget_minutes,
        past=past,
    )


def _inputs(arguments: RecommendTrainingPlan, chosen: Chosen) -> dict[str, Any]:
    return {
        "goal": arguments.goal,
        "base_model": chosen.model_name,
        "arch": arguments.arch,
        "dataset_path": chosen.dataset_path,
        "control_path": chosen.control_path,
        "time_budget_minutes": arguments.time_budget_minutes,
        "target_vram_gb": arguments.target_vram_gb,
        "include_dataset_scan": arguments.include_dataset_scan,
    }


def _context(
    arguments: RecommendTrainingPlan,
    chosen: Chosen,
    past: tuple[PastRun, ...] | None,
    past_missing: str | None,
) -> dict[str, Any]:
    return {
        "config_name": arguments.config_name,
        "config_source": chosen.config_source,
        "dataset_source": chosen.dataset_source,
        "max_dataset_files": arguments.max_dataset_files,
        "arch": chosen.arch.id if chosen.arch else None,
        "arch_missing": chosen.arch_unknown or None,
        "past_runs": None if past is None else len(past),
        "past_runs_missing": past_missing,
    }
