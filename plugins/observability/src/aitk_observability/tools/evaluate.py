"""evaluate-lora."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.evidence.collector import collect_run
from aitk_core.records.results import ToolResult

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_observability.arguments import EvaluateLora


async def evaluate_lora(arguments: EvaluateLora, context: ToolContext) -> ToolResult:
    """Score one run against the rubric."""
    from aitk_observability.report.evaluate import build, summarize
    from aitk_observability.report.evaluation import weights_of

    weights = weights_of(arguments.rubric_weights)
    await context.progress(0, 2, "collecting evidence")
    evidence = await collect_run(context, arguments.job_id)
    await context.progress(1, 2, "analyzing")
    outcomes = await context.analyze("run", evidence)

    def report() -> dict[str, Any]:
        return build(arguments, evidence, outcomes, weights=weights)

    data = await context.run(report)
    return ToolResult(data=data, summary=summarize(data))
