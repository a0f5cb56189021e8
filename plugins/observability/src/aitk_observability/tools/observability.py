"""get-training-observability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.errors import InvalidArgumentsError, UnknownToolError
from aitk_core.evidence.collector import collect_run
from aitk_core.records.results import ToolResult

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.errors import AitkError
    from aitk_core.protocols import ToolContext
    from aitk_observability.arguments import GetTrainingObservability
    from aitk_observability.report.baseline import Baselines


async def get_training_observability(
    arguments: GetTrainingObservability, context: ToolContext
) -> ToolResult:
    """Collect a run's evidence, let the installed analyzers judge it, and report."""
    config = await _saved_config(arguments.config_name, context)
    await context.progress(0, 3, "collecting evidence")
    evidence = await collect_run(context, arguments.job_id, config=config)
    await context.progress(1, 3, "analyzing")
    outcomes = await context.analyze("run", evidence)
    baselines = await _baselines(arguments, context)
    await context.progress(2, 3, "reporting")
    from aitk_observability.report.assess import judge
    from aitk_observability.report.build import build
    from aitk_observability.report.summary import summarize

    source = (
        "saved_config" if config is not None else "job_payload" if evidence.job.config else None
    )
    config_context = {
        "requested_config_name": arguments.config_name,
        "resolved_config_name": arguments.config_name or evidence.config.name,
        "config_source": source,
    }

    def report() -> dict[str, Any]:
        judged = judge(evidence, outcomes, scoring_method=arguments.scoring_method)
        return build(arguments, judged, config_context=config_context, baselines=baselines)

    data = await context.run(report)
    if arguments.detail == "brief":
        from aitk_observability.report.brief import in_few_words

        # Its findings are the summary; a second text would only repeat them.
        return ToolResult(data=in_few_words(data))
    return ToolResult(data=data, summary=summarize(data))


async def _baselines(arguments: GetTrainingObservability, context: ToolContext) -> Baselines | None:
    """Return the runs to compare with; by default the newest others."""
    if not arguments.include_baseline_comparison:
        return None
    from aitk_observability.comparison.collect import CollectOptions, collect_runs, rows_of
    from aitk_observability.report.baseline import Baselines

    asked = list(dict.fromkeys(arguments.baseline_job_ids or ()))
    asked = [one for one in asked if one != arguments.job_id]
    if arguments.baseline_job_ids is None:
        listed = await context.backend.jobs(job_type="train")
        known = {row.id: row for row in listed.jobs if row.id != arguments.job_id}
        asked = list(known)[: arguments.baseline_limit]
        rows: dict[str, JobRow | AitkError] = {one: known[one] for one in asked}
        dropped: list[str] = []
    else:
        asked, dropped = asked[: arguments.baseline_limit], asked[arguments.baseline_limit :]
        rows = await rows_of(context, asked)
    options = CollectOptions(
        log_lines=arguments.lines,
        include_dataset=arguments.include_dataset,
        include_nlp=arguments.include_nlp,
        scoring_method=arguments.scoring_method,
    )
    return Baselines(
        candidates=asked,
        dropped=dropped,
        collected=await collect_runs(context, rows, options, stage="baselines:"),
        policy=context.band_policy(),
    )


async def _saved_config(name: str | None, context: ToolContext) -> dict[str, Any] | None:
    """Return the saved config; one that does not exist is an error, never ignored."""
    if name is None:
        return None
    try:
        answer = await context.call_tool("get-config", {"name": name})
    except UnknownToolError as error:
        raise InvalidArgumentsError(
            "config_name needs a tool that reads saved configs, and none is installed",
            remedy="leave config_name out to judge by the job's own config",
        ) from error
    config: dict[str, Any] = (answer.data or {})["config"]
    return config
