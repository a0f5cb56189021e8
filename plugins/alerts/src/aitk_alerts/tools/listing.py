"""list-alerts: what was told, what waits, and what nobody took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_alerts.alerts import moment
from aitk_alerts.outbox.box import Outbox
from aitk_core.records.results import ToolResult

if TYPE_CHECKING:
    from aitk_alerts.arguments import ListAlerts
    from aitk_core.protocols import ToolContext

_STATES: Final = {
    "all": ("pending", "sending", "delivered", "dead"),
    "waiting": ("pending", "sending"),
    "delivered": ("delivered",),
    "dead": ("dead",),
}
_TEXT: Final = 300


async def list_alerts(arguments: ListAlerts, context: ToolContext) -> ToolResult:
    """List messages, newest first."""
    box, offset = Outbox(context.store), int(arguments.cursor or 0)
    found, count = await context.run(
        lambda: box.listed(states=_STATES[arguments.state], limit=arguments.limit, offset=offset)
    )
    counts = await context.run(box.counts)
    more = offset + len(found) < count
    data = {
        "counts": counts,
        "messages": [
            {
                "message_id": each.message_id,
                "destination": each.destination,
                "sink": each.kind,
                "state": each.state,
                "test": each.is_test,
                "attempts": each.attempts,
                "error": each.error,
                "created_at": moment(each.created_at),
                "done_at": None if each.done_at is None else moment(each.done_at),
                "not_before": moment(each.not_before) if each.state == "pending" else None,
                "alerts": [
                    {
                        "alert_id": alert["alert_id"],
                        "code": alert["code"],
                        "severity": alert["severity"],
                        "state": alert["state"],
                        "job_id": alert["job_id"],
                        "job_name": alert["job_name"],
                        "count": alert["count"],
                        "raised_at": alert["raised_at"],
                        "message": alert["message"][:_TEXT],
                    }
                    for alert in each.alerts
                ],
            }
            for each in found
        ],
        "count": count,
        "next_cursor": str(offset + len(found)) if more else None,
    }
    lines = [
        (
            f"{counts['delivered']} delivered, {counts['pending'] + counts['sending']} waiting, "
            f"{counts['dead']} dead."
        )
    ]
    lines += [
        f"- {each.state} to {each.destination}: "
        + ", ".join(str(alert["code"]) for alert in each.alerts[:4])
        + (f" ({each.error})" if each.error else "")
        for each in found[:10]
    ]
    return ToolResult(data=data, summary="\n".join(lines))
