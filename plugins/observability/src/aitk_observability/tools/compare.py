"""compare-training-runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.records.results import ToolResult
from aitk_observability.comparison.collect import (
    CollectOptions,
    collect_runs,
    newest_rows,
    rows_of,
)

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.errors import AitkError
    from aitk_core.protocols import ToolContext
    from aitk_observability.arguments import CompareTrainingRuns


async def compare_training_runs(arguments: CompareTrainingRuns, context: ToolContext) -> ToolResult:
    """Rank runs and say how sure the order is."""
    policy = context.band_policy(arguments.band_policy)
    rows = await _rows(arguments, context)
    collected = await collect_runs(
        context,
        rows,
        CollectOptions(
            log_lines=arguments.log_lines,
            include_dataset=arguments.include_dataset,
            include_nlp=arguments.include_nlp,
            scoring_method=arguments.scoring_method,
            only_terminal=arguments.only_terminal_runs,
            in_brief=arguments.detail == "brief",
        ),
    )
    from aitk_observability.report.compare import build, summarize

    def report() -> dict[str, Any]:
        return build(arguments, collected, requested=list(rows), policy=policy, now=context.now())

    data = await context.run(report)
    return ToolResult(data=data, summary=summarize(data))


async def _rows(
    arguments: CompareTrainingRuns, context: ToolContext
) -> dict[str, JobRow | AitkError]:
    if arguments.job_ids is not None:
        return await rows_of(context, list(dict.fromkeys(arguments.job_ids)))
    return await newest_rows(context, arguments.limit, only_terminal=arguments.only_terminal_runs)
