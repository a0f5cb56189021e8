"""The outbox: every method is one transaction, blocking, so through `context.run`."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from aitk_alerts.outbox.accept import accept_all, sum_up
from aitk_alerts.outbox.records import RESERVED_S, Accepted, Message, Retry
from aitk_alerts.outbox.tables import MIGRATIONS, NAMESPACE

if TYPE_CHECKING:
    import random
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from aitk_alerts.alerts import Alert
    from aitk_alerts.outbox.records import Limits, Target
    from aitk_core.protocols import Store

_COLUMNS: Final = (
    "message_id, destination, kind, place, job_id, alerts, context, is_test, state, attempts, "
    "not_before, fence, error, created_at, done_at"
)
_DELIVERED_S: Final = 30 * 86400.0
_DEAD_S: Final = 90 * 86400.0
"""Ours: how long what was delivered, and what was given up, is shown."""
_ERROR: Final = 500


class Outbox:
    """Alerts and messages in the store."""

    def __init__(self, store: Store) -> None:
        """Take the core's store."""
        self._store = store

    @contextmanager
    def _session(self) -> Iterator[sqlite3.Connection]:
        with self._store.session(NAMESPACE, MIGRATIONS) as database:
            yield database

    def accept(
        self,
        alerts: Sequence[Alert],
        targets: Sequence[Target],
        limits: Limits,
        now: float,
        *,
        context: Mapping[str, Any] | None = None,
        is_test: bool = False,
    ) -> Accepted:
        """Take alerts in charge: once this has returned they are kept until they are delivered.

        An alert whose id is known at a destination is not taken again there, so that whoever
        does not know whether it was taken may say it again.

        Raises:
            StoreError: Nothing was taken.
        """
        with self._session() as database:
            outcomes, messages = accept_all(
                database, alerts, targets, limits, now, context=context, is_test=is_test
            )
        return Accepted(outcomes=outcomes, message_ids=messages)

    def claim(
        self,
        owner: str,
        now: float,
        *,
        lease_s: float,
        limit: int = 32,
        only: Sequence[str] | None = None,
        without: Sequence[str] = (),
    ) -> list[Message]:
        """Take messages that are due, in order: none overtakes one of its run and destination.

        A message whose sender was silent past its lease is taken again, under the same id.

        Args:
            owner: Whoever sends.
            now: Unix seconds.
            lease_s: Until then nobody else sends them.
            limit: At most so many.
            only: These destinations only.
            without: Not these.
        """
        names = json.dumps(list(only)) if only is not None else None
        with self._session() as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM messages AS m WHERE "  # noqa: S608 - constants
                "((state = 'pending' AND not_before <= ?1 "
                "AND (owner IS NULL OR owner = ?5 OR lease_until < ?1)) "
                "OR (state = 'sending' AND lease_until < ?1)) "
                "AND (?2 IS NULL OR destination IN (SELECT value FROM json_each(?2))) "
                "AND destination NOT IN (SELECT value FROM json_each(?4)) "
                "AND NOT EXISTS (SELECT 1 FROM messages AS e WHERE e.destination = m.destination "
                "AND e.job_id = m.job_id AND e.seq < m.seq "
                "AND e.state IN ('pending', 'sending')) "
                "ORDER BY seq LIMIT ?3",
                (now, names, limit, json.dumps(list(without)), owner),
            ).fetchall()
            database.executemany(
                "UPDATE messages SET state = 'sending', owner = ?, lease_until = ?, "
                "fence = fence + 1, attempts = attempts + 1 WHERE message_id = ?",
                [(owner, now + lease_s, row[0]) for row in rows],
            )
        return [_message(row, claimed=True) for row in rows]

    def delivered(self, message: Message, now: float) -> bool:
        """Mark a message as delivered; False where somebody else sends it by now."""
        return self._done(message, "delivered", None, now)

    def refused(self, message: Message, error: str, now: float) -> bool:
        """Give a message up: it will never be taken there."""
        return self._done(message, "dead", error, now)

    def failed(
        self,
        message: Message,
        error: str,
        now: float,
        *,
        random: random.Random,
        retry: Retry | None = None,
        not_before: float | None = None,
        reserved_for: str | None = None,
    ) -> bool:
        """Put a message back for later, or give it up after too many tries.

        Args:
            message: As claimed.
            error: Why, without secrets.
            now: Unix seconds.
            random: For the jitter, so that many do not come back at one moment.
            retry: The schedule.
            not_before: When the other side said to come back, Unix seconds.
            reserved_for: Who alone may send it for now.
        """
        retry = retry or Retry()
        too_old = now - message.created_at > retry.oldest_s
        if message.attempts >= retry.attempts or too_old:
            return self._done(message, "dead", error, now)
        longest = min(retry.longest_s, retry.first_s * retry.factor ** (message.attempts - 1))
        # Full jitter, but never at once.
        due = max(now + max(0.5, random.uniform(0, longest)), not_before or 0.0)
        with self._session() as database:
            changed = database.execute(
                "UPDATE messages SET state = 'pending', owner = ?, lease_until = ?, "
                "not_before = ?, error = ? WHERE message_id = ? AND fence = ? "
                "AND state = 'sending'",
                (
                    reserved_for,
                    now + RESERVED_S if reserved_for else 0.0,
                    due,
                    error[:_ERROR],
                    message.message_id,
                    message.fence,
                ),
            ).rowcount
        return changed == 1

    def _done(self, message: Message, state: str, error: str | None, now: float) -> bool:
        with self._session() as database:
            changed = database.execute(
                "UPDATE messages SET state = ?, owner = NULL, lease_until = 0, done_at = ?, "
                "error = ? WHERE message_id = ? AND fence = ? AND state = 'sending'",
                (
                    state,
                    now,
                    None if error is None else error[:_ERROR],
                    message.message_id,
                    message.fence,
                ),
            ).rowcount
        return changed == 1

    def give_up(self, message_ids: Sequence[str], error: str, now: float) -> None:
        """Give up messages that cannot be tried again, whoever has them."""
        with self._session() as database:
            database.executemany(
                "UPDATE messages SET state = 'dead', done_at = ?, error = ?, owner = NULL, "
                "fence = fence + 1 WHERE message_id = ? AND state != 'delivered'",
                [(now, error[:_ERROR], each) for each in message_ids],
            )

    def held_back(self, now: float) -> int:
        """Make messages of what the rate limit held back and whose window is over."""
        with self._session() as database:
            waiting = database.execute(
                "SELECT 1 FROM windows WHERE held != '{}' AND started_at + length_s <= ?", (now,)
            ).fetchone()
            if waiting is None:
                return 0
            kinds = {
                name: (kind, place)
                for name, kind, place in database.execute(
                    "SELECT destination, kind, place FROM messages ORDER BY seq"
                )
            }
            return sum_up(database, now, kinds)

    def release(self, owner: str) -> None:
        """Give back what was claimed and not sent, so that others need not wait."""
        with self._session() as database:
            database.execute(
                "UPDATE messages SET lease_until = 0 WHERE owner = ? AND state = 'sending'",
                (owner,),
            )

    def next_due(self, now: float) -> float | None:
        """Return when the next message is due, None where nothing waits."""
        with self._session() as database:
            (due,) = database.execute(
                "SELECT min(CASE WHEN state = 'pending' THEN not_before ELSE lease_until END) "
                "FROM messages WHERE state IN ('pending', 'sending')"
            ).fetchone()
        return None if due is None else max(float(due), now)

    def get(self, message_id: str) -> Message | None:
        """Return a message."""
        with self._session() as database:
            row = database.execute(
                f"SELECT {_COLUMNS} FROM messages WHERE message_id = ?",  # noqa: S608 - constants
                (message_id,),
            ).fetchone()
        return None if row is None else _message(row)

    def listed(
        self, *, states: Sequence[str], limit: int, offset: int
    ) -> tuple[list[Message], int]:
        """Return messages in these states, newest first, and how many there are."""
        wanted = json.dumps(list(states))
        where = "state IN (SELECT value FROM json_each(?))"
        with self._session() as database:
            (count,) = database.execute(
                f"SELECT count(*) FROM messages WHERE {where}",  # noqa: S608 - constants
                (wanted,),
            ).fetchone()
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM messages WHERE {where} "  # noqa: S608 - constants
                "ORDER BY seq DESC LIMIT ? OFFSET ?",
                (wanted, limit, offset),
            ).fetchall()
        return [_message(row) for row in rows], count

    def counts(self) -> dict[str, int]:
        """Return how many messages there are, by state."""
        with self._session() as database:
            rows = database.execute("SELECT state, count(*) FROM messages GROUP BY state")
            found = dict(rows.fetchall())
        return {state: found.get(state, 0) for state in ("pending", "sending", "delivered", "dead")}

    def revive(self, message_ids: Sequence[str], now: float) -> int:
        """Try messages again that were given up; returns how many."""
        with self._session() as database:
            return database.executemany(
                "UPDATE messages SET state = 'pending', attempts = 0, not_before = ?, "
                "created_at = ?, done_at = NULL WHERE message_id = ? AND state = 'dead'",
                [(now, now, each) for each in message_ids],
            ).rowcount

    def prune(self, now: float) -> None:
        """Forget what was delivered or given up long ago."""
        with self._session() as database:
            database.execute(
                "DELETE FROM messages WHERE (state = 'delivered' AND done_at < ?) "
                "OR (state = 'dead' AND done_at < ?)",
                (now - _DELIVERED_S, now - _DEAD_S),
            )
            database.execute("DELETE FROM alerts WHERE accepted_at < ?", (now - _DEAD_S,))
            database.execute("DELETE FROM episodes WHERE told_at < ?", (now - _DEAD_S,))

    def rules(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the routing rules, by name."""
        with self._session() as database:
            rows = database.execute("SELECT name, body FROM rules ORDER BY name").fetchall()
        return [(name, json.loads(body)) for name, body in rows]

    def keep_rule(self, name: str, body: Mapping[str, Any], now: float) -> None:
        """Keep a rule, in place of one of that name."""
        with self._session() as database:
            database.execute(
                "INSERT INTO rules (name, body, changed_at) VALUES (?, ?, ?) ON CONFLICT (name) "
                "DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at",
                (name, json.dumps(body), now),
            )

    def drop_rule(self, name: str) -> bool:
        """Drop a rule; False where there is none of that name."""
        with self._session() as database:
            return database.execute("DELETE FROM rules WHERE name = ?", (name,)).rowcount == 1


def _message(row: Sequence[Any], *, claimed: bool = False) -> Message:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values |= {
        "job_id": values["job_id"] or None,
        "alerts": tuple(json.loads(values["alerts"])),
        "context": None if values["context"] is None else json.loads(values["context"]),
        "is_test": bool(values["is_test"]),
    }
    if claimed:
        # As the same transaction left it.
        values |= {
            "state": "sending",
            "attempts": values["attempts"] + 1,
            "fence": values["fence"] + 1,
        }
    return Message(**values)
