"""Runs side by side: who is ahead, by how much, whether that is more than noise, what differs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aitk_core.backend.ids import checked_job_id
from aitk_core.configkeys.differences import config_diff
from aitk_core.errors import AitkError
from aitk_core.evidence.records import LOSS, VALIDATION_LOSS
from aitk_dashboard.pages.asking import ask
from aitk_dashboard.pages.curves import columns_of
from aitk_dashboard.pages.samples import last_samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext

MOST: Final = 8
"""Runs at once: more curves than that nobody tells apart."""
_DIFFERENCES: Final = 60
_PROMPTS: Final = 12


def asked(chosen: Sequence[str]) -> list[str]:
    """Return the runs to compare, each once, at most eight.

    Raises:
        InvalidArgumentsError: An id is malformed.
    """
    return list(dict.fromkeys(checked_job_id(each) for each in chosen))[:MOST]


async def choices(context: ToolContext) -> dict[str, Any]:
    """Return the runs to choose from."""
    jobs = await ask(context, "list-training-jobs", limit=200)
    return {"jobs": jobs.data.get("jobs") or [], "problem": jobs.problem}


async def compared(context: ToolContext, ids: Sequence[str]) -> dict[str, Any]:
    """Return who is ahead, what differs, and the newest samples.

    Args:
        context: Of the request.
        ids: At least two.
    """
    answer, rows = await asyncio.gather(
        ask(context, "compare-training-runs", job_ids=list(ids)), _rows(context, ids)
    )
    pictures = await asyncio.gather(*(last_samples(context, row) for row in rows))
    ranking = answer.data.get("ranking") or {}
    names = {row.id: row.name or row.id for row in rows}
    return {
        "problem": answer.problem,
        "ranking": ranking.get("ranking") or [],
        "skipped": [
            {"name": names.get(each["job_id"], each["job_id"]), "reason": each["reason"]}
            for each in answer.data.get("skipped_runs") or ()
        ],
        "differences": _differences(rows),
        "names": list(names.values()),
        "samples": _side_by_side(pictures),
    }


async def curves(context: ToolContext, chosen: Sequence[str]) -> list[dict[str, Any]]:
    """Return loss and validation loss of each run.

    Raises:
        InvalidArgumentsError: An id is malformed.
    """
    rows = await _rows(context, asked(chosen))

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


def _side_by_side(pictures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each prompt that at least two runs were sampled with, a cell for each run.

    The same prompt may have another number in another run, so its words tell.
    """
    prompts = dict.fromkeys(prompt for each in pictures for prompt in each)
    return [
        {"prompt": prompt, "cells": [each.get(prompt) for each in pictures]}
        for prompt in prompts
        if sum(prompt in each for each in pictures) > 1
    ][:_PROMPTS]


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
