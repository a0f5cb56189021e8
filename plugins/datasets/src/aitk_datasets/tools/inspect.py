"""inspect-dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.records.results import ToolResult
from aitk_datasets.target import find_target, resolve

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_datasets.arguments import InspectDataset


async def inspect_dataset(arguments: InspectDataset, context: ToolContext) -> ToolResult:
    """Look at a dataset and say what spoils it, and what that costs in training.

    Raises:
        InvalidArgumentsError: No folder is named, or it is none.
        PathOutsideRootsError: It lies in no root.
        FileMissingError: There is no such folder.
        JobNotFoundError: There is no such job.
        ConfigNotFoundError: There is no such saved config.
    """
    from aitk_datasets.inspection import inspect
    from aitk_datasets.report.blocks import links, pictures
    from aitk_datasets.report.inspection import summarize

    target = await find_target(
        context,
        dataset_path=arguments.dataset_path,
        job_id=arguments.job_id,
        config_name=arguments.config_name,
    )
    found = await inspect(
        context,
        target,
        max_files=arguments.max_dataset_files,
        max_seconds=arguments.max_seconds,
        against=[resolve(context, path) for path in arguments.compare_with],
    )
    blocks = (*await pictures(arguments.charts, found, context), *await links(found, context))
    return ToolResult(data=found.document, summary=summarize(found.document), blocks=blocks)
