"""Arguments of the alert tools; names and bounds are the contract's, what is new is optional."""

from __future__ import annotations

from typing import Any, Literal

from attrs import frozen

from aitk_core.arguments import arg

Severity = Literal["info", "warning", "critical"]
_NAME = {"min_length": 1, "max_length": 61}
_PATTERN = {"max_length": 200}


@frozen(kw_only=True)
class AlertRouting:
    """Arguments of alert-routing."""

    job_id: str | None = arg(None, description="Its alerts.", min_length=1, max_length=128)
    alerts: tuple[Any, ...] | None = arg(None, description="Wins over job_id.", max_items=1000)
    sink: Literal["file", "webhook", "rules"] = arg(
        "file", description="rules: as alert-rules says."
    )
    destination: str | None = arg(
        None,
        description="x.jsonl, URL, or a configured name.",
        max_length=2048,
    )
    min_severity: Severity = arg("warning", description="Least severity.")
    lines: int = arg(500, description="Log lines to judge.", minimum=100, maximum=20000)
    include_context: bool = arg(True, description="Add the run's status.")
    state_path: str | None = arg(None, description="Unused.", max_length=1024)
    dedupe_window_seconds: int = arg(900, description="0: off.", minimum=0, maximum=604800)
    rate_limit_window_seconds: int = arg(900, description="Its length.", minimum=1, maximum=604800)
    max_alerts_per_window: int = arg(50, description="0: no limit.", minimum=0, maximum=100000)
    webhook_retry_attempts: int = arg(3, description="In this call.", minimum=1, maximum=10)
    webhook_backoff_ms: int = arg(500, description="Before a retry.", minimum=0, maximum=60000)
    webhook_backoff_multiplier: float = arg(2.0, description="Per retry.", minimum=1, maximum=10)
    webhook_timeout_seconds: int = arg(15, description="Per try.", minimum=1, maximum=300)
    webhook_retry_status_codes: tuple[int, ...] | None = arg(
        None, description="Unused.", max_items=100
    )
    config_name: str | None = arg(None, description="To judge by.", min_length=1, max_length=100)
    test: bool = arg(False, description="Send a trial message.")
    retry_message_ids: tuple[str, ...] = arg(
        (), description="Dead ones to try again.", max_items=100, items={"max_length": 64}
    )


@frozen(kw_only=True)
class AlertRules:
    """Arguments of alert-rules."""

    action: Literal["list", "set", "remove"] = arg("list", description="What to do.")
    name: str | None = arg(None, description="Of the rule.", **_NAME)
    destinations: tuple[str, ...] = arg(
        (), description="Names from the settings; none: all.", max_items=50, items=_PATTERN
    )
    min_severity: Severity = arg("warning", description="Least severity.")
    codes: tuple[str, ...] = arg(
        (), description="Patterns such as TRAINING_*.", max_items=100, items=_PATTERN
    )
    jobs: tuple[str, ...] = arg(
        (), description="Patterns of job names or ids.", max_items=100, items=_PATTERN
    )
    quiet_hours: str | None = arg(None, description="Such as 22:00-07:00; not for critical ones.")


@frozen(kw_only=True)
class ListAlerts:
    """Arguments of list-alerts."""

    state: Literal["all", "waiting", "delivered", "dead"] = arg("all", description="Only these.")
    limit: int = arg(50, description="Messages to return.", minimum=1, maximum=500)
    cursor: str | None = arg(
        None, description="next_cursor of the page before.", pattern="^[0-9]{1,9}$"
    )
