"""suggest-next-experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import AitkError
from aitk_core.records.results import ToolResult
from aitk_observability.comparison.collect import (
    CollectOptions,
    collect_runs,
    newest_rows,
    rows_of,
)

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext
    from aitk_observability.arguments import SuggestNextExperiment

_NEWEST: Final = 5
"""contract/TOOLS.md section 8."""


async def suggest_next_experiment(
    arguments: SuggestNextExperiment, context: ToolContext
) -> ToolResult:
    """Propose what to change next, starting from the best of the candidate runs."""
    rows = await _rows(arguments, context)
    collected = await collect_runs(
        context,
        rows,
        CollectOptions(
            log_lines=arguments.log_lines,
            include_dataset=arguments.include_dataset,
            include_nlp=arguments.include_nlp,
            scoring_method=arguments.scoring_method,
            keep_series=True,
        ),
    )
    from aitk_observability.report.suggest import build, summarize

    def report() -> dict[str, Any]:
        return build(arguments, collected, requested=list(rows), now=context.now())

    data = await context.run(report)
    return ToolResult(data=data, summary=summarize(data))


async def _rows(
    arguments: SuggestNextExperiment, context: ToolContext
) -> dict[str, JobRow | AitkError]:
    asked = [arguments.job_id] if arguments.job_id is not None else []
    asked += arguments.job_ids or ()
    if asked:
        rows = await rows_of(context, list(dict.fromkeys(asked)))
        only = rows[asked[0]]
        if arguments.job_ids is None and isinstance(only, AitkError):
            # One run was asked about: that it cannot be read is the answer.
            raise only
        return rows
    return await newest_rows(context, _NEWEST)
