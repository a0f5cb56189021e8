"""The first page: what needs attention, what runs, what waits, what has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aitk_dashboard.pages.asking import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext
    from aitk_dashboard.pages.asking import Answer

_JOBS: Final = 200
_ENDED: Final = 30


async def overview(context: ToolContext) -> dict[str, Any]:
    """Return what the page shows."""
    jobs, watches, alerts, system = await asyncio.gather(
        ask(context, "list-training-jobs", limit=_JOBS),
        ask(context, "list-watches"),
        ask(context, "list-alerts", limit=1),
        ask(context, "get-system-stats"),
    )
    rows = [dict(job) for job in jobs.data.get("jobs", ())]
    watched = {each["job_id"]: each for each in watches.data.get("watches", ())}
    for row in rows:
        row["watch"] = watched.get(row["id"])
    groups: dict[str, list[dict[str, Any]]] = {"running": [], "queued": [], "ended": []}
    for row in rows:
        groups[_group(row)].append(row)
    ended = groups["ended"]
    return {
        "problem": jobs.problem,
        "attention": _attention(rows, watches, alerts),
        "running": groups["running"],
        "queued": groups["queued"],
        "ended": ended[:_ENDED],
        "ended_left_out": max(0, len(ended) - _ENDED),
        "total": jobs.data.get("total", len(rows)),
        "system": system.data,
    }


def _group(row: Mapping[str, Any]) -> str:
    status = row.get("status")
    if status in ("running", "stopping"):
        return "running"
    return "queued" if status == "queued" else "ended"


def _attention(rows: list[dict[str, Any]], watches: Answer, alerts: Answer) -> list[dict[str, Any]]:
    """Return what somebody should look at, the worst first."""
    found: list[dict[str, Any]] = [
        {
            "severity": alert.get("severity", "warning"),
            "text": alert.get("message") or alert.get("code"),
            "run": watch.get("job_name"),
            "job_id": watch.get("job_id"),
        }
        for watch in watches.data.get("watches", ())
        for alert in watch.get("open_alerts") or ()
    ]
    for row in rows:
        if row.get("status") == "error":
            text = row.get("info") or "ended with an error"
            found.append(
                {"severity": "critical", "text": text, "run": row["name"], "job_id": row["id"]}
            )
    dead = (alerts.data.get("counts") or {}).get("dead", 0)
    if dead:
        text = f"{dead} messages were taken by nobody"
        found.append({"severity": "warning", "text": text, "run": None, "job_id": None})
    return sorted(found, key=lambda each: each["severity"] != "critical")
