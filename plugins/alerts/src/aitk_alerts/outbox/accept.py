"""Taking alerts in: what is new becomes a message, what is not is counted. One transaction."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final

from aitk_alerts.outbox.records import RESERVED_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from aitk_alerts.alerts import Alert
    from aitk_alerts.outbox.records import Limits, Target

GROUPED: Final = 20
"""Alerts in one message; ours."""


def accept_all(
    database: sqlite3.Connection,
    alerts: Sequence[Alert],
    targets: Sequence[Target],
    limits: Limits,
    now: float,
    *,
    context: Mapping[str, Any] | None = None,
    is_test: bool = False,
) -> tuple[dict[str, list[str]], list[str]]:
    """Take alerts in for each destination: outcomes by destination, and the messages' ids."""
    outcomes: dict[str, list[str]] = {}
    messages: list[str] = []
    for target in targets:
        said = [_accept(database, alert, target, limits, now, is_test=is_test) for alert in alerts]
        outcomes[target.name] = [outcome for outcome, _ in said]
        new = [
            (alert, count)
            for alert, (outcome, count) in zip(alerts, said, strict=True)
            if outcome == "accepted"
        ]
        messages += _put(database, new, target, now, context, is_test=is_test)
    return outcomes, messages


def _accept(
    database: sqlite3.Connection,
    alert: Alert,
    target: Target,
    limits: Limits,
    now: float,
    *,
    is_test: bool,
) -> tuple[str, int]:
    known = database.execute(
        "SELECT 1 FROM alerts WHERE alert_id = ? AND destination = ?",
        (alert.alert_id, target.name),
    ).fetchone()
    if known is not None:
        return "already_known", 0
    outcome, count = (
        ("accepted", 1) if is_test else _judge(database, alert, target.name, limits, now)
    )
    database.execute(
        "INSERT INTO alerts (alert_id, destination, episode, body, outcome, accepted_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            alert.alert_id,
            target.name,
            alert.episode,
            json.dumps(alert.to_json()),
            outcome,
            now,
        ),
    )
    return outcome, count


def _judge(
    database: sqlite3.Connection, alert: Alert, name: str, limits: Limits, now: float
) -> tuple[str, int]:
    row = database.execute(
        "SELECT is_open, told_at, unsaid, flips, flips_since FROM episodes "
        "WHERE destination = ? AND episode = ?",
        (name, alert.episode),
    ).fetchone()
    is_open, told_at, unsaid, flips, since = row or (0, None, 0, 0, now)
    if now - since >= limits.dedupe_window_s:
        flips, since = 0, now
    resolves = alert.state == "resolved"
    if resolves and not is_open:
        return "unknown_resolved", 0
    if not resolves and is_open and told_at is not None and now - told_at < limits.dedupe_window_s:
        # Duplicates are dropped before the rate limit counts (contract, SCORING.md section 12).
        database.execute(
            "UPDATE episodes SET unsaid = unsaid + 1 WHERE destination = ? AND episode = ?",
            (name, alert.episode),
        )
        return "duplicate", 0
    flapping = limits.dedupe_window_s > 0 and flips >= limits.flap_limit
    held = not flapping and not _within_rate(database, alert, name, limits, now)
    quiet = flapping or held
    database.execute(
        "INSERT INTO episodes (destination, episode, is_open, told_at, unsaid, flips, flips_since) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (destination, episode) DO UPDATE SET "
        "is_open = excluded.is_open, told_at = excluded.told_at, unsaid = excluded.unsaid, "
        "flips = excluded.flips, flips_since = excluded.flips_since",
        (
            name,
            alert.episode,
            int(not resolves),
            now,
            unsaid + 1 if quiet else 0,
            flips + 1,
            since,
        ),
    )
    if quiet:
        return "flapping" if flapping else "held_by_rate", 0
    return "accepted", unsaid + 1


def _within_rate(
    database: sqlite3.Connection, alert: Alert, name: str, limits: Limits, now: float
) -> bool:
    row = database.execute(
        "SELECT started_at, sent, held FROM windows WHERE destination = ?", (name,)
    ).fetchone()
    started, sent, held = row or (now, 0, "{}")
    kept: dict[str, int] = json.loads(held)
    if now - started >= limits.rate_window_s and not kept:
        started, sent = now, 0
    allowed = limits.max_per_window == 0 or sent < limits.max_per_window
    if allowed:
        sent += 1
    else:
        key = f"{alert.severity} {alert.code}"
        kept[key] = kept.get(key, 0) + 1
    database.execute(
        "INSERT INTO windows (destination, started_at, length_s, sent, held) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (destination) DO UPDATE SET "
        "started_at = excluded.started_at, length_s = excluded.length_s, "
        "sent = excluded.sent, held = excluded.held",
        (name, started, limits.rate_window_s, sent, json.dumps(kept)),
    )
    return allowed


def _put(
    database: sqlite3.Connection,
    new: Sequence[tuple[Alert, int]],
    target: Target,
    now: float,
    context: Mapping[str, Any] | None,
    *,
    is_test: bool,
) -> list[str]:
    """Put alerts into messages, those of one run together; returns the messages' ids."""
    by_job: dict[str, list[tuple[Alert, int]]] = {}
    for alert, count in new:
        by_job.setdefault(alert.job_id or "", []).append((alert, count))
    put = []
    for job_id, found in by_job.items():
        for begin in range(0, len(found), GROUPED):
            part = found[begin : begin + GROUPED]
            put.append(_insert(database, part, job_id, target, now, context, is_test=is_test))
    return put


def _insert(
    database: sqlite3.Connection,
    part: Sequence[tuple[Alert, int]],
    job_id: str,
    target: Target,
    now: float,
    context: Mapping[str, Any] | None,
    *,
    is_test: bool,
) -> str:
    bodies = [alert.to_json(count=count) for alert, count in part]
    # Joined to what waits for this run and was never tried: its id is not out yet.
    waiting = database.execute(
        "SELECT message_id, alerts FROM messages WHERE destination = ? AND job_id = ? "
        "AND state = 'pending' AND attempts = 0 AND is_test = ? AND context IS NULL "
        "AND owner IS NULL "
        "ORDER BY seq DESC LIMIT 1",
        (target.name, job_id, int(is_test)),
    ).fetchone()
    if waiting is not None and context is None:
        message_id, kept = waiting[0], json.loads(waiting[1])
        if len(kept) + len(bodies) <= GROUPED:
            database.execute(
                "UPDATE messages SET alerts = ? WHERE message_id = ?",
                (json.dumps(kept + bodies), message_id),
            )
            _mark(database, part, target, message_id)
            return str(message_id)
    message_id = secrets.token_hex(16)
    database.execute(
        "INSERT INTO messages (message_id, destination, kind, place, job_id, alerts, context, "
        "is_test, state, not_before, created_at, owner, lease_until) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?)",
        (
            message_id,
            target.name,
            target.kind,
            target.place,
            job_id,
            json.dumps(bodies),
            None if context is None else json.dumps(context),
            int(is_test),
            max(now, target.not_before),
            now,
            target.reserved_for,
            now + RESERVED_S if target.reserved_for else 0.0,
        ),
    )
    _mark(database, part, target, message_id)
    return message_id


def _mark(
    database: sqlite3.Connection,
    part: Sequence[tuple[Alert, int]],
    target: Target,
    message_id: str,
) -> None:
    database.executemany(
        "UPDATE alerts SET message_id = ? WHERE alert_id = ? AND destination = ?",
        [(message_id, alert.alert_id, target.name) for alert, _ in part],
    )


def sum_up(
    database: sqlite3.Connection, now: float, kinds: Mapping[str, tuple[str, str | None]]
) -> int:
    """Turn what the rate limit held back into one message where the window is over.

    Args:
        database: Of the outbox.
        now: Unix seconds.
        kinds: Sink and place of each destination, as of its newest message.
    """
    rows = database.execute(
        "SELECT destination, held FROM windows WHERE held != '{}' AND started_at + length_s <= ?",
        (now,),
    ).fetchall()
    for name, held in rows:
        kept: dict[str, int] = json.loads(held)
        database.execute(
            "UPDATE windows SET started_at = ?, sent = 1, held = '{}' WHERE destination = ?",
            (now, name),
        )
        kind, place = kinds.get(name, (None, None))
        if kind is None:
            continue
        alert_id = secrets.token_hex(16)
        total = sum(kept.values())
        shown = ", ".join(f"{count} x {key}" for key, count in sorted(kept.items())[:20])
        worst = "critical" if any(key.startswith("critical") for key in kept) else "warning"
        body = {
            "alert_id": alert_id,
            "severity": worst,
            "category": "alerts",
            "code": "ALERTS_HELD_BACK",
            "message": f"{total} alerts were held back by the rate limit: {shown}",
            "job_id": None,
            "job_name": None,
            "state": "open",
            "count": total,
            "raised_at": _moment(now),
        }
        database.execute(
            "INSERT INTO messages (message_id, destination, kind, place, job_id, alerts, state, "
            "not_before, created_at) VALUES (?, ?, ?, ?, '', ?, 'pending', ?, ?)",
            (secrets.token_hex(16), name, kind, place, json.dumps([body]), now, now),
        )
    return len(rows)


def _moment(at: float) -> str:
    from aitk_alerts.alerts import moment

    return moment(at)
