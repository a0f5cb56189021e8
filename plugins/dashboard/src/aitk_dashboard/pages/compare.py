"""Runs side by side: who is ahead, by how much, whether that is more than noise, what differs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aitk_core.backend.ids import checked_job_id
from aitk_core.configkeys.differences import config_diff
from aitk_core.errors import AitkError
from aitk_core.evidence.records import LOSS, VALIDATION_LOSS
from aitk_dashboard.pages.asking import ask
from aitk_dashboard.pages.run import columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext

MOST: Final = 8
"""Runs at once: more curves than that nobody tells apart."""
_DIFFERENCES: Final = 60


async def compare(context: ToolContext, chosen: Sequence[str]) -> dict[str, Any]:
    """Return what the page shows.

    Args:
        context: Of the request.
        chosen: Ids of runs; fewer than two give the list to choose from alone.

    Raises:
        InvalidArgumentsError: An id is malformed.
    """
    ids = list(dict.fromkeys(checked_job_id(each) for each in chosen))[:MOST]
    jobs = await ask(context, "list-training-jobs", limit=200)
    shown: dict[str, Any] = {
        "jobs": jobs.data.get("jobs") or [],
        "chosen": ids,
        "problem": jobs.problem,
        "ranking": [],
        "skipped": [],
        "differences": [],
        "most": MOST,
    }
    if len(ids) < len(("one", "other")):
        return shown
    answer, rows = await asyncio.gather(
        ask(context, "compare-training-runs", job_ids=ids), _rows(context, ids)
    )
    ranking = answer.data.get("ranking") or {}
    return shown | {
        "problem": answer.problem,
        "ranking": ranking.get("ranking") or [],
        "skipped": answer.data.get("skipped_runs") or [],
        "differences": _differences(rows),
        "names": [row.name or row.id for row in rows],
    }


async def curves(context: ToolContext, chosen: Sequence[str]) -> list[dict[str, Any]]:
    """Return loss and validation loss of each run.

    Raises:
        InvalidArgumentsError: An id is malformed.
    """
    ids = list(dict.fromkeys(checked_job_id(each) for each in chosen))[:MOST]
    rows = await _rows(context, ids)

    async def of(row: JobRow) -> dict[str, Any]:
        pages = await asyncio.gather(
            *(context.backend.metric_series(row.id, key) for key in (LOSS, VALIDATION_LOSS))
        )
        found = await context.run(lambda: {p.key: columns_of(p) for p in pages if len(p)})
        return {"job_id": row.id, "name": row.name or row.id, "series": found}

    return list(await asyncio.gather(*(of(row) for row in rows)))


async def _rows(context: ToolContext, ids: Sequence[str]) -> list[JobRow]:
    async def row(job_id: str) -> JobRow | None:
        try:
            return await context.backend.job(job_id)
        except AitkError:
            return None

    return [found for found in await asyncio.gather(*map(row, ids)) if found is not None]


def _differences(rows: Sequence[JobRow]) -> list[dict[str, Any]]:
    """Return the values that the configs do not share, a column for each run."""
    if not rows:
        return []
    first = dict(rows[0].config or {})
    table: dict[str, list[Any]] = {}
    for place, row in enumerate(rows[1:], start=1):
        for each in config_diff(first, dict(row.config or {})):
            values = table.setdefault(each.path, [each.a] * len(rows))
            values[place] = each.b
    return [{"path": path, "values": values} for path, values in list(table.items())[:_DIFFERENCES]]
