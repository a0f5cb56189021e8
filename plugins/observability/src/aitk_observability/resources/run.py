"""The log, the config, the report and the pictures of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.errors import NotFoundError
from aitk_core.records.results import Image, ResourceContent
from aitk_observability.resources.documents import json_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext

_LINES: Final = 20_000
"""The most that get-training-logs returns."""
_SHOWN_FAULTS: Final = 3
_LEFT_OUT: Final = "… [older lines left out]"


async def read_log(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return the end of the log as get-training-logs shows it, under that tool's bounds.

    Where older lines exist, the first line says so. A job without a log has no text.

    Raises:
        JobNotFoundError: There is no such job.
        InvalidArgumentsError: The id is malformed.
        NotPermittedError: The tool is not offered to this caller.
        BackendError: The log could not be read.
    """
    answer = await context.call_tool(
        "get-training-logs", {"job_id": parts["job_id"], "lines": _LINES}
    )
    data = answer.data or {}
    lines = [_LEFT_OUT, *data["lines"]] if data["truncated"] else data["lines"]
    return ResourceContent(text="".join(f"{line}\n" for line in lines))


async def read_config(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return the config that the job has stored, as JSON; secrets go as in every answer.

    Raises:
        JobNotFoundError: There is no such job.
        NotFoundError: The job has no config that can be read.
        InvalidArgumentsError: The id is malformed.
        TooLargeError: The config is longer than any real one.
        BackendError: The job could not be read.
    """
    job = await context.backend.job(parts["job_id"])
    if job.config is None:
        raise NotFoundError(
            f"job {job.id!r} has no config that can be read",
            remedy="see the job in the backend's own pages",
            job_id=job.id,
            faults=list(job.faults[:_SHOWN_FAULTS]),
        )
    return await json_content(context, job.config, what="the job's config")


async def read_report(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return the document of get-training-observability with its default arguments.

    Raises:
        JobNotFoundError: There is no such job.
        InvalidArgumentsError: The id is malformed.
        NotPermittedError: The tool is not offered to this caller.
        BackendError: The run could not be read.
    """
    answer = await context.call_tool("get-training-observability", {"job_id": parts["job_id"]})
    return await json_content(context, answer.data, what="the report")


async def read_chart(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return the overview chart of the run as PNG.

    Raises:
        JobNotFoundError: There is no such job.
        NotFoundError: The run has recorded nothing that could be drawn.
        InvalidArgumentsError: The id is malformed.
        NotPermittedError: The tool is not offered to this caller.
        BackendError: The run could not be read.
    """
    answer = await context.call_tool(
        "get-training-observability",
        {"job_id": parts["job_id"], "detail": "brief", "charts": "light"},
    )
    for block in answer.blocks:
        if isinstance(block, Image):
            return ResourceContent(mime_type=block.mime_type, data=block.data)
    raise NotFoundError(
        f"job {parts['job_id']!r} has nothing to draw yet",
        remedy="read its report, which says what is missing",
        job_id=parts["job_id"],
    )


async def read_samples(
    _uri: str, parts: Mapping[str, str], context: ToolContext
) -> ResourceContent:
    """Return the sample sheet of the run: images by step and prompt in one picture.

    Raises:
        JobNotFoundError: There is no such job.
        NotFoundError: The run has no sample image that could be read.
        InvalidArgumentsError: The id is malformed.
        BackendError: The samples could not be listed.
    """
    from aitk_observability.samples.look import look_at_samples

    job = await context.backend.job(parts["job_id"])
    samples = await look_at_samples(context, job)
    if isinstance(samples, str) or not samples.samples:
        raise NotFoundError(
            f"job {job.id!r} has no samples to show"
            + (f": {samples}" if isinstance(samples, str) else ""),
            remedy="samples are made every sample.sample_every steps, unless sampling is off",
            job_id=job.id,
        )

    def draw() -> ResourceContent:
        from aitk_observability.samples.sheet import sample_sheet

        sheet = sample_sheet(samples, redact=context.redacted)
        return ResourceContent(mime_type=sheet.mime_type, data=sheet.data)

    return await context.run(draw)
