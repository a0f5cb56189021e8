"""evaluate-lora."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.evidence.collector import collect_run
from aitk_core.records.results import Image, Text, ToolResult
from aitk_core.services.analysis import AnalysisOutcomes
from aitk_observability.report.sections import cut
from aitk_observability.samples.look import look_at_samples
from aitk_observability.tools.dataset import inspect

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.evidence.samples import SamplesEvidence
    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import Block
    from aitk_observability.arguments import EvaluateLora

_ALT_CHARS: Final = 400
"""About 100 tokens beside the picture."""


async def evaluate_lora(arguments: EvaluateLora, context: ToolContext) -> ToolResult:
    """Score one run against the rubric, its samples looked at."""
    from aitk_observability.report.evaluate import build, summarize
    from aitk_observability.report.evaluation import weights_of

    weights = weights_of(arguments.rubric_weights)
    await context.progress(0, 3, "collecting evidence")
    evidence = await collect_run(context, arguments.job_id)
    await context.progress(1, 3, "analyzing")
    outcomes = await context.analyze("run", evidence)
    samples: SamplesEvidence | str = "include_samples is false"
    if arguments.include_samples:
        await context.progress(2, 3, "looking at the samples")
        samples = await look_at_samples(context, evidence.job)
    if not isinstance(samples, str):
        seen = await context.analyze("samples", samples)
        outcomes = AnalysisOutcomes(
            analyses={**outcomes.analyses, **seen.analyses}, notes=(*outcomes.notes, *seen.notes)
        )

    inspected = await inspect(
        context,
        evidence,
        wanted=arguments.include_dataset or arguments.include_nlp,
        max_files=arguments.max_dataset_files,
    )

    def report() -> dict[str, Any]:
        return build(
            arguments, evidence, outcomes, weights=weights, samples=samples, inspected=inspected
        )

    data = await context.run(report)
    blocks: tuple[Block, ...] = ()
    shown = arguments.charts == "light" or (arguments.charts == "auto" and context.shows_images)
    if shown and not isinstance(samples, str) and samples.samples:
        blocks = await context.run(_sheet, samples, context.redacted)
    return ToolResult(data=data, summary=summarize(data), blocks=blocks)


def _sheet(samples: SamplesEvidence, redact: Callable[[str], str]) -> tuple[Block, ...]:
    from aitk_observability.samples.sheet import sample_sheet

    sheet = sample_sheet(samples, redact=redact)
    text = Text(f"Samples: {cut(sheet.alt, _ALT_CHARS)}")
    return text, Image(data=sheet.data, mime_type=sheet.mime_type)
