"""The first page: what needs attention, what runs, what waits, what has ended."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import JobNotFoundError
from aitk_dashboard.pages.asking import ask
from aitk_dashboard.pages.glances import Glances, is_due, judge, mark_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_core.protocols import ToolContext
    from aitk_dashboard.pages.asking import Answer
    from aitk_dashboard.pages.glances import Kept

_JOBS: Final = 200
_ENDED: Final = 30
_RECENT_S: Final = 14 * 86_400.0
"""Ours: of runs that ended badly, those made in the last two weeks are what one still asks of."""
_SEVERITIES: Final = {"critical": 0, "warning": 1}


async def overview(context: ToolContext) -> dict[str, Any]:
    """Return what the page shows; judges nothing itself, see `judge_some`."""
    jobs, watches, alerts, system = await asyncio.gather(
        ask(context, "list-training-jobs", limit=_JOBS),
        ask(context, "list-watches"),
        ask(context, "list-alerts", limit=1),
        ask(context, "get-system-stats"),
    )
    groups = _groups(jobs.data.get("jobs") or ())
    ended = groups["ended"]
    shown = [*groups["running"], *groups["queued"], *ended[:_ENDED]]
    known = await context.run(Glances(context.store).known, [row["id"] for row in shown])
    watched = {each["job_id"]: each for each in watches.data.get("watches") or ()}
    for row in shown:
        row["watch"] = watched.get(row["id"])
        row["kept"] = known.get(row["id"])
    return {
        "problem": jobs.problem,
        "attention": _attention(shown, watches, alerts, context.now()),
        "running": groups["running"],
        "queued": groups["queued"],
        "ended": ended[:_ENDED],
        "ended_left_out": max(0, len(ended) - _ENDED),
        "total": jobs.data.get("total", len(shown)),
        "system": system.data,
    }


async def judge_some(context: ToolContext, seconds: float | None) -> int:
    """Judge runs of the first page that have moved since they were judged, those that train first.

    Args:
        context: Of the request.
        seconds: After which no further run is begun; None: all of them are judged.

    Returns:
        How many are left.
    """
    jobs = await ask(context, "list-training-jobs", limit=_JOBS)
    groups = _groups(jobs.data.get("jobs") or ())
    rows = [*groups["running"], *groups["ended"][:_ENDED]]
    known = await context.run(Glances(context.store).known, [row["id"] for row in rows])
    now = context.now()
    due = [row for row in rows if is_due(row, known.get(row["id"]), mark_of(context, row), now)]
    end = None if seconds is None else time.monotonic() + seconds
    for place, row in enumerate(due):
        if end is not None and place and time.monotonic() >= end:
            return len(due) - place
        try:
            await judge(context, row)
        except JobNotFoundError:
            continue
    return 0


def _groups(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {"running": [], "queued": [], "ended": []}
    for row in rows:
        status = row.get("status")
        if status in ("running", "stopping"):
            groups["running"].append(dict(row))
        else:
            groups["queued" if status == "queued" else "ended"].append(dict(row))
    return groups


def _attention(
    rows: Sequence[Mapping[str, Any]], watches: Answer, alerts: Answer, now: float
) -> list[dict[str, Any]]:
    """Return what somebody should look at, the worst first; each run once."""
    found: list[dict[str, Any]] = []
    for row in rows:
        said = [*_alerts_of(row["id"], watches), *_said_of(row, now)]
        if said:
            severity, text = min(said, key=lambda each: _SEVERITIES.get(each[0], 2))
            further = len({text for _, text in said}) - 1
            found.append(
                {
                    "severity": severity,
                    "text": text,
                    "further": further,
                    "run": row["name"],
                    "job_id": row["id"],
                }
            )
    dead = (alerts.data.get("counts") or {}).get("dead", 0)
    if dead:
        text = f"{dead} messages were taken by nobody"
        found.append(
            {"severity": "warning", "text": text, "further": 0, "run": None, "job_id": None}
        )
    # Rows come with those that train first, which stay first among equals.
    return sorted(found, key=lambda each: _SEVERITIES.get(each["severity"], 2))


def _alerts_of(job_id: str, watches: Answer) -> list[tuple[str, str]]:
    return [
        (alert.get("severity") or "warning", alert.get("message") or alert.get("code") or "")
        for watch in watches.data.get("watches") or ()
        if watch.get("job_id") == job_id
        for alert in watch.get("open_alerts") or ()
    ]


def _said_of(row: Mapping[str, Any], now: float) -> list[tuple[str, str]]:
    """Return what a run's row and what was found in it say, gravest first."""
    is_over = row.get("status") not in ("running", "stopping", "queued")
    if is_over and now - _made_at(row) > _RECENT_S:
        return []
    kept: Kept | None = row["kept"]
    found = () if kept is None else kept.glance.findings
    said = [
        (severity, message)
        for severity, _, message in found
        # A run that is over can no longer be saved: only what ended or spoiled it counts.
        if severity == "critical" or (severity == "warning" and not is_over)
    ]
    if row.get("status") == "error" and not said:
        said = [("critical", row.get("info") or "ended with an error")]
    return said


def _made_at(row: Mapping[str, Any]) -> float:
    """Return Unix seconds; a run of unknown age is a new one."""
    try:
        made = datetime.fromisoformat(row.get("created_at") or "")
    except ValueError:
        return float("inf")
    return (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()
