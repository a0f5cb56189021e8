"""What a sink is handed."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from aitk_core.records.results import JsonObject

SEVERITIES: Final = ("info", "warning", "critical")
"""Of alerts, the least first (contract/TOOLS.md section 11)."""


@frozen(kw_only=True)
class AlertMessage:
    """One or several alerts that go to one destination together.

    An alert is JSON: `alert_id`, `severity`, `category`, `code`, `message`, `job_id`, `job_name`,
    `state` (`open` or `resolved`), `count` (how often it was raised since the last message),
    `raised_at` (ISO 8601, UTC), and what else its raiser gave. Its text may quote a run's log:
    a sink escapes it as its destination needs.
    """

    message_id: str
    """The same at every try, so that a receiver can drop a second copy."""
    alerts: tuple[JsonObject, ...]
    context: JsonObject | None = None
    """`job_id`, `status_snapshot`, `overall_health` of the one run that the alerts are of."""
    test: bool = False
    """A trial: the sink marks it as one, so that nobody is alarmed."""
    chart: bytes | None = field(default=None, repr=False)
    """PNG of the run, where the sink shows charts and there is one."""

    @property
    def severity(self) -> str:
        """Return the gravest of its alerts."""
        ranks = [SEVERITIES.index(str(alert.get("severity"))) for alert in self.alerts]
        return SEVERITIES[max(ranks, default=0)]
