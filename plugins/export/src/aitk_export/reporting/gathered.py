"""What a report is made of, collected once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from aitk_core.configkeys.differences import config_diff
from aitk_core.errors import AitkError, InvalidArgumentsError
from aitk_core.evidence.checkpoints import artifacts_of
from aitk_core.records.results import Image
from aitk_export.exporting.about import named_by, without_secrets

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import ToolResult
    from aitk_export.arguments import ExportObservabilityReport

EXCERPT_LINES: Final = 120
"""The contract's number of log lines (TOOLS.md section 10)."""
_DIFFERENCES: Final = 200


@frozen(kw_only=True)
class Gathered:
    """Everything the files say, free of secrets."""

    job_id: str
    job_name: str | None
    base_model: str | None
    trigger_word: str | None
    snapshot: dict[str, Any]
    """The answer of get-training-observability."""
    evaluation: dict[str, Any] | None
    samples_seen: bool
    sample_findings: list[dict[str, Any]]
    baseline: dict[str, Any] | None
    """`job_id`, `job_name`, `differences` of the configs, `left_out` of them."""
    files: list[dict[str, Any]]
    """Weights that the run left."""
    notes: list[str] = field(factory=list)
    charts: tuple[tuple[str, bytes], ...] = ()
    """Words and PNG of each."""
    samples: tuple[str, bytes, str] | None = None
    """Words, picture and media type of the sheet."""


async def gather(arguments: ExportObservabilityReport, context: ToolContext) -> Gathered:
    """Collect a report.

    Raises:
        JobNotFoundError: There is no such job, or no such baseline.
        InvalidArgumentsError: No plugin that reports on runs is installed.
        BackendError: In its kinds.
    """
    if not context.offers("get-training-observability"):
        raise InvalidArgumentsError(
            "no tool that reports on runs is offered",
            remedy="install or enable the plugin observability",
        )
    job = await context.backend.job(arguments.job_id)
    notes: list[str] = []
    await context.progress(0, 4, "collecting evidence")
    report = await context.call_tool("get-training-observability", _asked(arguments))
    await context.progress(1, 4, "looking at the samples")
    sheet, findings = await _samples(arguments, context, notes)
    await context.progress(2, 4, "comparing configs")
    baseline = await _baseline(arguments, context, job)
    base_model, trigger_word = named_by(job)
    data = dict(report.data or {})
    return Gathered(
        job_id=job.id,
        job_name=job.name,
        base_model=base_model,
        trigger_word=trigger_word,
        snapshot=data,
        evaluation=data.get("evaluation") if arguments.include_evaluation else None,
        samples_seen=sheet is not None,
        sample_findings=findings,
        baseline=without_secrets(context, baseline),
        files=await _files(context, job, notes),
        notes=notes,
        charts=_pictures(report),
        samples=sheet,
    )


def _asked(arguments: ExportObservabilityReport) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "job_id": arguments.job_id,
        "lines": arguments.lines,
        "max_dataset_files": arguments.max_dataset_files,
        "include_dataset": arguments.include_dataset,
        "include_nlp": arguments.include_nlp,
        "include_evaluation": arguments.include_evaluation,
        "include_raw_log_excerpt": arguments.include_raw_log_excerpt,
        "excerpt_lines": EXCERPT_LINES,
        "charts": "light",
    }
    for name in ("config_name", "dataset_path"):
        if (value := getattr(arguments, name)) is not None:
            asked[name] = value
    if arguments.baseline_job_id is not None:
        asked |= {
            "include_baseline_comparison": True,
            "baseline_job_ids": [arguments.baseline_job_id],
        }
    return asked


def _pictures(result: ToolResult) -> tuple[tuple[str, bytes], ...]:
    found, words = [], ""
    for block in result.blocks:
        if isinstance(block, Image):
            found.append((words, block.data))
        words = getattr(block, "text", "")
    return tuple(found)


async def _samples(
    arguments: ExportObservabilityReport, context: ToolContext, notes: list[str]
) -> tuple[tuple[str, bytes, str] | None, list[dict[str, Any]]]:
    if not arguments.include_samples or not context.offers("evaluate-lora"):
        return None, []
    asked = {
        "job_id": arguments.job_id,
        "include_dataset": False,
        "include_nlp": False,
        "charts": "light",
    }
    try:
        result = await context.call_tool("evaluate-lora", asked)
    except AitkError as error:
        notes.append(f"The samples were not looked at: {error.code}.")
        return None, []
    words = ""
    sheet: tuple[str, bytes, str] | None = None
    for block in result.blocks:
        if isinstance(block, Image) and sheet is None:
            sheet = (words, block.data, block.mime_type)
        words = getattr(block, "text", "")
    found = ((result.data or {}).get("run_report") or {}).get("findings") or []
    return sheet, [dict(each) for each in found if each.get("category") == "samples"]


async def _baseline(
    arguments: ExportObservabilityReport, context: ToolContext, job: JobRow
) -> dict[str, Any] | None:
    if arguments.baseline_job_id is None:
        return None
    other = await context.backend.job(arguments.baseline_job_id)
    differences = config_diff(dict(other.config or {}), dict(job.config or {}))
    return {
        "job_id": other.id,
        "job_name": other.name,
        "differences": [
            {"path": each.path, "baseline": each.a, "run": each.b, "kind": each.kind}
            for each in differences[:_DIFFERENCES]
        ],
        "left_out": max(0, len(differences) - _DIFFERENCES),
    }


async def _files(context: ToolContext, job: JobRow, notes: list[str]) -> list[dict[str, Any]]:
    try:
        files = await context.backend.files(job.id)
    except AitkError as error:
        notes.append(f"The files of the run could not be listed: {error.code}.")
        return []
    return [
        {
            "name": each.name,
            "kind": each.kind,
            "step": each.step,
            "size_bytes": each.size_bytes,
        }
        for each in artifacts_of(files, job.name)
    ]
