"""The newest runs: listed with the URIs of their resources, and completed by id or name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aitk_core.backend.ids import checked_job_id
from aitk_core.errors import AitkError, InvalidArgumentsError
from aitk_observability.resources.documents import json_content
from aitk_observability.resources.uris import uris_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import ResourceContent

_LISTED: Final = 50
"""Ours: the default page of the job list in the contract."""
_NAME_CHARS: Final = 200
"""The backend takes names of up to 200 bytes from us; whoever else writes rows may not."""
_COMPLETED: Final = 100
"""Values that a completion may have (MCP, utilities/completion)."""
_PATIENCE_S: Final = 3.0
"""Ours: a person is typing, and a backend that hangs would hold a call for its own timeout."""


async def read_runs(_uri: str, _parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return the newest 50 training jobs as JSON, each with the URIs of its resources.

    Raises:
        BackendError: The backend does not answer.
    """
    rows = await _usable(context)
    listed = [_entry(row) for row in rows[:_LISTED]]
    document = {"runs": listed, "returned": len(listed), "total": len(rows)}
    return await json_content(context, document, what="the list of runs")


def _entry(row: JobRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": None if row.name is None else row.name[:_NAME_CHARS],
        "status": row.shown_status,
        "step": row.step,
        "total_steps": row.planned_steps,
        "created_at": row.created_at,
        "resources": uris_of(row.id),
    }


async def complete(argument: str, typed: str, context: ToolContext) -> list[str]:
    """Return ids of training jobs, newest first, for what was typed so far; at most 100.

    Args:
        argument: `job_id`, or `job_ids` for a list with commas, of which the last is completed.
            Any other has no values.
        typed: The beginning of an id, or of a job's name in any case.
        context: Its backend is asked; one that fails or takes longer than 3 s has no jobs.
    """
    if argument not in ("job_id", "job_ids"):
        return []
    before, comma, last = typed.rpartition(",") if argument == "job_ids" else ("", "", typed)
    kept = f"{before}{comma}"
    taken = {one.strip() for one in before.split(",")}
    begin = last.strip()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            rows = await _usable(context)
    except (AitkError, TimeoutError):
        return []
    found = [row.id for row in rows if row.id not in taken and _begins(row, begin)]
    return [f"{kept}{job_id}" for job_id in found[:_COMPLETED]]


def _begins(row: JobRow, typed: str) -> bool:
    return row.id.startswith(typed) or (row.name or "").casefold().startswith(typed.casefold())


async def _usable(context: ToolContext) -> list[JobRow]:
    """Return the training jobs whose id can stand in a URI, newest first."""
    listed = await context.backend.jobs(job_type="train")
    return [row for row in listed.jobs if _is_plain(row.id)]


def _is_plain(job_id: str) -> bool:
    try:
        checked_job_id(job_id)
    except InvalidArgumentsError:
        return False
    return True
