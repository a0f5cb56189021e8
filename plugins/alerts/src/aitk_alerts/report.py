"""The answer of alert-routing, in the contract's shape (TOOLS.md section 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_alerts.alerts import Alert, Fault, moment
from aitk_alerts.routing import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_alerts.arguments import AlertRouting
    from aitk_alerts.delivery import Sender
    from aitk_alerts.outbox.records import Accepted, Message
    from aitk_alerts.routing import Routed

_RETRY_CODES: Final = (408, 409, 425, 429, 500, 502, 503, 504)


@frozen(kw_only=True)
class Taken:
    """What came in."""

    count: int
    """Items, also those that are no alert."""
    faults: Sequence[Fault]
    grave: Sequence[Alert]
    """Those that are grave enough."""


def document(
    arguments: AlertRouting,
    taken: Taken,
    routed: Sequence[Routed],
    accepted: Accepted,
    sent: Sequence[Message],
    sender: Sender,
    now: float,
) -> dict[str, Any]:
    """Return the document, JSON-ready."""
    delivered = [each for each in sent if each.state == "delivered"]
    success = len(delivered) == len(sent)
    passed = accepted.count("accepted")
    controls = {
        "dedupe_window_seconds": arguments.dedupe_window_seconds,
        "rate_limit_window_seconds": arguments.rate_limit_window_seconds,
        "max_alerts_per_window": arguments.max_alerts_per_window,
        "state_path": None,
        "webhook_retry_attempts": arguments.webhook_retry_attempts,
        "webhook_backoff_ms": arguments.webhook_backoff_ms,
        "webhook_backoff_multiplier": arguments.webhook_backoff_multiplier,
        "webhook_timeout_seconds": arguments.webhook_timeout_seconds,
        "webhook_retry_status_codes": list(_RETRY_CODES),
        "delivery_success": success,
    }
    return {
        "generated_at": moment(now),
        "min_severity": arguments.min_severity,
        "alerts_in": taken.count,
        "alerts_after_severity_filter": len(taken.grave),
        "alerts_after_dedupe_rate_limit": passed,
        "alerts_routed": sum(len(each.alerts) for each in delivered),
        "invalid_alerts": [{"index": each.index, "reason": each.reason} for each in taken.faults],
        "routing_controls": controls,
        "filter_stats": {
            "input_alerts": sum(len(each.alerts) for each in routed),
            "routed_alerts": passed,
            "dropped_duplicate": accepted.count("duplicate") + accepted.count("already_known"),
            "dropped_rate_limit": 0,
            "held_by_rate_limit": accepted.count("held_by_rate"),
            "unknown_resolved": accepted.count("unknown_resolved"),
            "flapping": accepted.count("flapping"),
        },
        "route_result": _route_result(arguments, routed, sent, sender, now, success=success),
        "messages": [
            {
                "message_id": each.message_id,
                "destination": each.destination,
                "state": each.state,
                "alerts": len(each.alerts),
                "attempts": each.attempts,
                "not_before": moment(each.not_before) if each.state == "pending" else None,
                "error": each.error,
            }
            for each in sent
        ],
    }


def _route_result(
    arguments: AlertRouting,
    routed: Sequence[Routed],
    sent: Sequence[Message],
    sender: Sender,
    now: float,
    *,
    success: bool,
) -> dict[str, Any]:
    names = [_shown(each.target.name, now) for each in routed]
    result: dict[str, Any] = {
        "routed": bool(sent) and success,
        "sink": arguments.sink,
        "destination": ", ".join(names),
    }
    history = [row for each in sent for row in sender.results.get(each.message_id, ())]
    if arguments.sink == "webhook" and history:
        status = next((row["status"] for row in reversed(history) if "status" in row), None)
        error = next((each.error for each in sent if each.error), None)
        result |= {
            "webhook_status": status,
            "webhook_error": error,
            "webhook_attempts": len(history),
            "webhook_retries": max(0, len(history) - len(sent)),
            "webhook_history": history,
        }
    return result


def _shown(name: str, now: float) -> str:
    """Return a destination for people: of a file its name, also of the day's."""
    if not name.startswith("file:") and name != FILE:
        return name
    return name.partition(":")[2] or f"alerts-{moment(now)[:10].replace('-', '')}.jsonl"


def summarize(data: Mapping[str, Any]) -> str:
    """Return a few lines for a person."""
    stats = data["filter_stats"]
    lines = [
        (
            f"{data['alerts_routed']} of {data['alerts_in']} alerts delivered to "
            f"{data['route_result']['destination'] or 'nobody'}."
        )
    ]
    if stats["dropped_duplicate"]:
        lines.append(f"{stats['dropped_duplicate']} were told before.")
    if stats["held_by_rate_limit"]:
        lines.append(f"{stats['held_by_rate_limit']} are held back and will be summed up.")
    lines += [
        f"{each['destination']}: {each['state']}: {each['error'] or 'waits'}"
        for each in data["messages"]
        if each["state"] != "delivered"
    ]
    lines += [f"Alert {each['index']} {each['reason']}." for each in data["invalid_alerts"][:5]]
    return "\n".join(lines)
