"""An alert as it is taken in: checked, bounded, and with an id that a repeat keeps."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import field, frozen

from aitk_core.convert import clean_text
from aitk_core.records.alerts import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

State = Literal["open", "resolved"]

MOST: Final = 1000
"""Alerts in one call; ours."""
_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_TEXT: Final = 2000
_WORD: Final = 200
_LATEST: Final = 1e11
"""Unix seconds of a far century; larger ones are milliseconds, or nonsense."""
_DETAILS: Final = 16_000
"""Characters of JSON that an alert brings beside its own fields; ours."""
_OWN: Final = frozenset(
    {
        "alert_id",
        "category",
        "code",
        "count",
        "job_id",
        "job_name",
        "message",
        "raised_at",
        "scope",
        "severity",
        "state",
    }
)


@frozen(kw_only=True)
class Alert:
    """Something that somebody should know."""

    alert_id: str
    """Given by who raised it, so that what is said twice is known to be the same."""
    severity: str
    category: str
    code: str
    message: str
    job_id: str | None = None
    job_name: str | None = None
    state: State = "open"
    scope: str | None = None
    """What beside the run its code is about, such as one watch: elsewhere it is no repeat."""
    raised_at: float
    """Unix seconds."""
    details: Mapping[str, Any] = field(factory=dict)
    """What else its raiser gave, bounded."""

    @property
    def episode(self) -> str:
        """Return what it is about: a repeat of the same is a duplicate (PITFALLS 85)."""
        return json.dumps([self.job_id or "", self.code, self.scope or ""])

    def to_json(self, *, count: int = 1) -> dict[str, Any]:
        """Return what a sink gets.

        Args:
            count: How often it was raised since the last message about it.
        """
        return {
            **self.details,
            "alert_id": self.alert_id,
            "severity": self.severity,
            "category": self.category,
            "code": self.code,
            "message": self.message,
            "job_id": self.job_id,
            "job_name": self.job_name,
            "state": self.state,
            "count": count,
            "raised_at": moment(self.raised_at),
        }


@frozen(kw_only=True)
class Fault:
    """An item that is no alert."""

    index: int
    reason: str


def moment(at: float) -> str:
    """Return Unix seconds as ISO 8601, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_alerts(items: Sequence[Any], *, now: float) -> tuple[list[Alert], list[Fault]]:
    """Return the alerts among items, and why others are none; nothing is dropped unsaid.

    Args:
        items: JSON values.
        now: Unix seconds, for alerts without a time.
    """
    alerts, faults = [], []
    for index, item in enumerate(items):
        reason = _fault(item)
        if reason is None:
            alerts.append(_alert(item, now))
        else:
            faults.append(Fault(index=index, reason=reason))
    return alerts, faults


def _fault(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return "is no object"
    severity = item.get("severity")
    if not isinstance(severity, str) or severity.strip().lower() not in SEVERITIES:
        return f"severity must be one of {', '.join(SEVERITIES)}"
    if not isinstance(item.get("message"), str) or not item["message"].strip():
        return "has no message"
    given = item.get("alert_id")
    if given is not None and not (isinstance(given, str) and _ID.fullmatch(given)):
        return "alert_id must be 1 to 128 printable ASCII characters without spaces"
    if item.get("state", "open") not in ("open", "resolved"):
        return "state must be open or resolved"
    return None


def _alert(item: Mapping[str, Any], now: float) -> Alert:
    raised = item.get("raised_at")
    is_time = isinstance(raised, int | float) and math.isfinite(raised) and 0 < raised < _LATEST
    code = item.get("code")
    return Alert(
        alert_id=item.get("alert_id") or secrets.token_hex(16),
        severity=item["severity"].strip().lower(),
        category=_word(item.get("category")) or "alert",
        code=code if isinstance(code, str) and _CODE.fullmatch(code) else _code_of(item),
        message=_text(item["message"], _TEXT),
        job_id=_word(item.get("job_id")),
        job_name=_word(item.get("job_name")),
        scope=_word(item.get("scope")),
        state=item.get("state", "open"),
        raised_at=float(raised) if is_time and raised is not None else now,
        details=_details(item),
    )


def _code_of(item: Mapping[str, Any]) -> str:
    """Return a stand-in for the code of an alert without one: what it says, in short."""
    words = f"{item.get('category') or 'alert'}_{item['message']}".upper()
    return re.sub(r"[^A-Z0-9]+", "_", words).strip("_")[:60] or "ALERT"


def _word(value: Any) -> str | None:
    return _text(value, _WORD) if isinstance(value, str) and value.strip() else None


def _text(value: str, limit: int) -> str:
    shown = "".join(c if c.isprintable() or c == "\n" else " " for c in clean_text(value))
    return shown.strip()[:limit]


def _details(item: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    room = _DETAILS
    for name, value in item.items():
        if name in _OWN or not isinstance(name, str):
            continue
        size = len(json.dumps([name, value]))
        if size > room:
            kept["details_cut"] = True
            continue
        room -= size
        kept[name[:_WORD]] = value
    return kept
