"""get-training-observability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import evolve

from aitk_core.evidence.collector import collect_run
from aitk_core.records.results import Image, Link, Text, ToolResult
from aitk_observability.report.sections import cut
from aitk_observability.resources.uris import uris_of
from aitk_observability.samples.look import sampled_steps
from aitk_observability.tools.dataset import inspect
from aitk_observability.tools.saved import config_context, saved_config

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence
    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import Block
    from aitk_observability.arguments import GetTrainingObservability
    from aitk_observability.report.assess import Judged
    from aitk_observability.report.baseline import Baselines

_ALT_CHARS: Final = 400
"""About 100 tokens beside the picture; the report holds every figure."""


async def get_training_observability(
    arguments: GetTrainingObservability, context: ToolContext
) -> ToolResult:
    """Collect a run's evidence, let the installed analyzers judge it, and report."""
    config = await saved_config(arguments.config_name, context)
    await context.progress(0, 3, "collecting evidence")
    evidence = await collect_run(context, arguments.job_id, config=config)
    await context.progress(1, 3, "analyzing")
    outcomes = await context.analyze("run", evidence)
    inspected = await inspect(
        context,
        evidence,
        wanted=arguments.include_dataset or arguments.include_nlp,
        dataset_path=arguments.dataset_path,
        config_name=arguments.config_name,
        max_files=arguments.max_dataset_files,
    )
    baselines = await _baselines(arguments, context)
    await context.progress(2, 3, "reporting")
    from aitk_observability.report.assess import judge
    from aitk_observability.report.build import build
    from aitk_observability.report.summary import summarize

    counts = config_context(arguments.config_name, config, evidence)

    def report() -> tuple[Judged, dict[str, Any]]:
        method = arguments.scoring_method
        judged = judge(evidence, outcomes, scoring_method=method, inspected=inspected)
        return judged, build(arguments, judged, config_context=counts, baselines=baselines)

    judged, data = await context.run(report)
    blocks = (*await _charts(arguments, judged, context), *_links(evidence))
    if arguments.detail == "brief":
        from aitk_observability.report.brief import in_few_words

        # Its findings are the summary; a second text would only repeat them.
        return ToolResult(data=in_few_words(data), blocks=blocks)
    return ToolResult(data=data, summary=summarize(data), blocks=blocks)


async def _charts(
    arguments: GetTrainingObservability, judged: Judged, context: ToolContext
) -> tuple[Block, ...]:
    """Return the overview of the run as a picture, where it is wanted and there is one."""
    wanted = arguments.charts
    if wanted == "auto":
        wanted = "light" if context.shows_images and arguments.detail == "full" else "none"
    if wanted == "none":
        return ()
    theme: Literal["light", "dark"] = "dark" if wanted == "dark" else "light"
    evidence = judged.evidence
    if evidence.series and evidence.sampled_steps is None:
        steps = await sampled_steps(context, evidence.job.id)
        evidence = evolve(evidence, sampled_steps=steps)

    def draw() -> tuple[Block, ...]:
        from aitk_observability.charts.run import run_charts

        return tuple(
            block
            for chart in run_charts(evidence, judged.findings, theme=theme, redact=context.redacted)
            for block in (Text(cut(chart.alt, _ALT_CHARS)), Image(data=chart.png))
        )

    return await context.run(draw)


def _links(evidence: RunEvidence) -> tuple[Block, ...]:
    """Return where the complete data are, of which the report shows figures only."""
    is_cut = evidence.log is not None and evidence.log.truncated
    if evidence.loss is None or (evidence.loss.source == "log" and is_cut):
        return ()
    return (
        Link(
            uri=uris_of(evidence.job.id)["loss"],
            name="loss.csv",
            description="Every logged step of every metric.",
            mime_type="text/csv",
        ),
    )


async def _baselines(arguments: GetTrainingObservability, context: ToolContext) -> Baselines | None:
    """Return the runs to compare with; by default the newest others."""
    if not arguments.include_baseline_comparison:
        return None
    from aitk_observability.comparison.collect import (
        CollectOptions,
        collect_runs,
        newest_rows,
        rows_of,
    )
    from aitk_observability.report.baseline import Baselines

    limit, dropped = arguments.baseline_limit, list[str]()
    if arguments.baseline_job_ids is None:
        rows = await newest_rows(context, limit, leave_out=arguments.job_id)
    else:
        named = dict.fromkeys(arguments.baseline_job_ids)
        asked = [one for one in named if one != arguments.job_id]
        dropped = asked[limit:]
        rows = await rows_of(context, asked[:limit])
    options = CollectOptions(
        log_lines=arguments.lines,
        include_dataset=arguments.include_dataset,
        include_nlp=arguments.include_nlp,
        scoring_method=arguments.scoring_method,
    )
    return Baselines(
        candidates=list(rows),
        dropped=dropped,
        collected=await collect_runs(context, rows, options, stage="baselines:"),
        policy=context.band_policy(),
    )
