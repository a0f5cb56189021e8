"""Which alerts go where: rules that a person set, and the one that holds without any."""

from __future__ import annotations

import fnmatch
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, field, fields, frozen

from aitk_alerts.alerts import Alert
from aitk_alerts.outbox.records import Target
from aitk_core.errors import InvalidArgumentsError
from aitk_core.records.alerts import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_alerts.destinations import Destination

_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
FILE: Final = "file"
"""Kind and name of the destination that is always there."""


@frozen(kw_only=True)
class Rule:
    """One rule; an alert goes to the destinations of every rule that it fits."""

    name: str
    destinations: tuple[str, ...] = ()
    """Names from the settings; empty: all of them."""
    min_severity: str = "warning"
    codes: tuple[str, ...] = ()
    """Patterns such as `TRAINING_*`; empty: all."""
    jobs: tuple[str, ...] = ()
    """Patterns of job names or ids; empty: all."""
    quiet_hours: str | None = None
    """Such as `22:00-07:00`, in the server's time: all but critical alerts wait until its end."""

    def fits(self, alert: Alert) -> bool:
        """Tell whether an alert is meant."""
        light = SEVERITIES.index(alert.severity) < SEVERITIES.index(self.min_severity)
        # That something is over is told to whoever was told of it.
        if light and alert.state != "resolved":
            return False
        names = [name for name in (alert.job_name, alert.job_id) if name]
        return (not self.codes or any(fnmatch.fnmatchcase(alert.code, p) for p in self.codes)) and (
            not self.jobs or any(fnmatch.fnmatchcase(n, p) for n in names for p in self.jobs)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the rule, JSON-ready."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rule:
        """Return the rule that `to_json` wrote."""
        known = {each.name for each in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in data.items()
            if name in known
        }
        return cls(**values)


DEFAULT: Final = Rule(name="default", min_severity="info")
"""Where nobody set a rule: everything that a watch says to every destination; it says little."""


@frozen(kw_only=True)
class Routed:
    """Alerts that go to one destination."""

    target: Target
    alerts: tuple[Alert, ...] = field(factory=tuple)


def check_hours(text: str | None) -> None:
    """Refuse quiet hours that are none.

    Raises:
        InvalidArgumentsError: They are not HH:MM-HH:MM.
    """
    if text is not None and not _HOURS.fullmatch(text):
        message = "must be HH:MM-HH:MM, such as 22:00-07:00"
        raise InvalidArgumentsError(
            f"quiet_hours {text[:40]!r} {message}",
            remedy="give two times of the server's clock",
            faults=[{"path": "/quiet_hours", "message": message}],
        )


def quiet_until(text: str | None, now: float) -> float:
    """Return when quiet hours that hold now are over, Unix seconds; 0 where none hold."""
    match = _HOURS.fullmatch(text or "")
    if match is None:
        return 0.0
    moment = datetime.fromtimestamp(now).astimezone()
    begin = int(match[1]) * 60 + int(match[2])
    end = int(match[3]) * 60 + int(match[4])
    minute = moment.hour * 60 + moment.minute
    over_midnight = begin > end
    holds = minute >= begin or minute < end if over_midnight else begin <= minute < end
    if not holds:
        return 0.0
    over = moment.replace(hour=end // 60, minute=end % 60, second=0, microsecond=0)
    if over <= moment:
        over += timedelta(days=1)
    return over.timestamp()


def route(
    alerts: Sequence[Alert],
    rules: Sequence[Rule],
    destinations: Mapping[str, Destination],
    now: float,
) -> list[Routed]:
    """Return which alerts go where, each alert once to each destination.

    Without a configured destination the day's file below the outputs folder gets them.
    """
    found: dict[tuple[str, float], list[Alert]] = {}
    told: set[tuple[str, str]] = set()
    names = list(destinations) or [FILE]
    for alert in alerts:
        for rule in rules or (DEFAULT,):
            if not rule.fits(alert):
                continue
            waits = 0.0 if alert.severity == "critical" else quiet_until(rule.quiet_hours, now)
            for name in rule.destinations or names:
                known = name in destinations or name == FILE
                if known and (alert.alert_id, name) not in told:
                    told.add((alert.alert_id, name))
                    found.setdefault((name, waits), []).append(alert)
    return [
        Routed(
            target=Target(
                name=name,
                kind=destinations[name].kind if name in destinations else FILE,
                place=None if name in destinations else "",
                not_before=waits,
            ),
            alerts=tuple(group),
        )
        for (name, waits), group in found.items()
    ]
