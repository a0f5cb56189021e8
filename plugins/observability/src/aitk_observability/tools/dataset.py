"""The dataset of a run, as the tool that inspects datasets sees it, where one is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.convert import structure
from aitk_core.errors import AitkError
from aitk_core.records.findings import Finding
from aitk_observability.report.dataset import NO_DATASET, Inspected

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence
    from aitk_core.protocols import ToolContext

_TOOL: Final = "inspect-dataset"
_SECONDS: Final = 8.0
"""Ours: of a report's call, for pictures that were never looked at; the next call goes on."""


async def inspect(
    context: ToolContext,
    evidence: RunEvidence,
    *,
    wanted: bool,
    dataset_path: str | None = None,
    config_name: str | None = None,
    max_files: int,
) -> Inspected:
    """Return what is known of the run's dataset; that it cannot be seen is an answer, too.

    Args:
        context: Of the call.
        evidence: About the run.
        wanted: Whether the dataset or its captions were asked about.
        dataset_path: A folder in place of the config's.
        config_name: A saved config in place of the job's own.
        max_files: Pictures that are looked at.
    """
    if not wanted:
        return NO_DATASET
    if not context.offers(_TOOL):
        return Inspected(reason=f"{_TOOL} is not installed or not offered here")
    if dataset_path is None and not evidence.config.dataset_paths:
        return Inspected(reason="the run's config names no dataset")
    arguments: dict[str, Any] = {"max_dataset_files": max_files, "max_seconds": _SECONDS}
    if dataset_path is not None:
        arguments["dataset_path"] = dataset_path
    if config_name is not None:
        arguments["config_name"] = config_name
    else:
        arguments["job_id"] = evidence.job.id
    try:
        answer = await context.call_tool(_TOOL, arguments)
    except AitkError as error:
        return Inspected(reason=f"{error.code}: {error}", code=error.code)
    data = answer.data or {}
    findings = tuple(
        structure(Finding, finding)
        for finding in data.get("findings", ())
        if finding["severity"] != "info"
    )
    return Inspected(data=data, findings=findings)
