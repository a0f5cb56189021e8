"""Watches in the store: every function is one transaction, blocking, so through `context.run`."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from aitk_guardrails.rules.memory import Memory
from aitk_guardrails.rules.settings import Guardrails
from aitk_guardrails.watch.records import LEASE_S, Announcement, Decision, Watch
from aitk_guardrails.watch.tables import MIGRATIONS, NAMESPACE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from aitk_core.protocols import Store

_COLUMNS: Final = (
    "id, job_id, job_name, config_name, guardrails, memory, state, ended_as, created_at, "
    "ended_at, next_at, looked_at, owner, lease_until, fence"
)
_KEPT_S: Final = 30 * 86400.0
"""Ours: ended watches are shown for so long."""
_SERVERS_S: Final = 3600.0


class LostLeaseError(Exception):
    """Another server owns the watch, or it has ended: nothing may be done in its name."""


class WatchStore:
    """What is kept of watches."""

    def __init__(self, store: Store) -> None:
        """Take the core's store."""
        self._store = store

    @contextmanager
    def _session(self) -> Iterator[sqlite3.Connection]:
        with self._store.session(NAMESPACE, MIGRATIONS) as database:
            yield database

    def add(self, watch: Watch, decision: Decision) -> Watch | None:
        """Keep a new watch; returns the one that watches the same job already, or None.

        Raises:
            StoreError: It cannot be kept; nothing is watched.
        """
        with self._session() as database:
            if watch.job_id is not None:
                other = _active_of(database, watch.job_id)
                if other is not None:
                    return other
            database.execute(
                f"INSERT INTO watches ({_COLUMNS}) VALUES ({', '.join('?' * 15)})",  # noqa: S608 - constants
                (
                    watch.id,
                    watch.job_id,
                    watch.job_name,
                    watch.config_name,
                    json.dumps(watch.guardrails.to_json()),
                    json.dumps(watch.memory.to_json()),
                    watch.state,
                    watch.ended_as,
                    watch.created_at,
                    watch.ended_at,
                    watch.next_at,
                    watch.looked_at,
                    watch.owner,
                    watch.lease_until,
                    watch.fence,
                ),
            )
            _note(database, watch.id, watch.fence, [decision])
        return None

    def claim(
        self, owner: str, now: float, *, only: str | None = None, limit: int = 1000
    ) -> list[Watch]:
        """Take watches that nobody owns, or whose owner was silent for too long.

        Args:
            owner: This run of this server.
            now: Unix seconds.
            only: A single watch.
            limit: At most so many.
        """
        with self._session() as database:
            found = database.execute(
                f"SELECT {_COLUMNS} FROM watches WHERE state != 'ended' "  # noqa: S608 - constants
                "AND (owner IS NULL OR lease_until < ?) AND (? IS NULL OR id = ?) "
                "ORDER BY next_at LIMIT ?",
                (now, only, only, limit),
            ).fetchall()
            watches = []
            for row in found:
                watch = _watch(row)
                database.execute(
                    "UPDATE watches SET owner = ?, lease_until = ?, fence = fence + 1 WHERE id = ?",
                    (owner, now + LEASE_S, watch.id),
                )
                if watch.owner is not None:
                    adopt = Decision(at=now, action="adopt", detail={"from": watch.owner})
                    _note(database, watch.id, watch.fence + 1, [adopt])
                watches.append(_owned(watch, owner, now + LEASE_S))
        return watches

    def renew(self, owner: str, fences: Mapping[str, int], now: float) -> set[str]:
        """Keep one's watches for longer; returns the ids that are still one's own."""
        with self._session() as database:
            database.executemany(
                "UPDATE watches SET lease_until = ? "
                "WHERE id = ? AND owner = ? AND fence = ? AND state != 'ended'",
                [(now + LEASE_S, id_, owner, fence) for id_, fence in fences.items()],
            )
            mine = database.execute(
                "SELECT id, fence FROM watches WHERE owner = ? AND state != 'ended'", (owner,)
            ).fetchall()
        return {id_ for id_, fence in mine if fences.get(id_) == fence}

    def release(self, owner: str) -> None:
        """Let go of all of one's watches, so that another server need not wait."""
        with self._session() as database:
            database.execute(
                "UPDATE watches SET owner = NULL, lease_until = 0 WHERE owner = ?", (owner,)
            )
            database.execute("DELETE FROM servers WHERE owner = ?", (owner,))

    def save(
        self,
        watch: Watch,
        *,
        next_at: float,
        looked_at: float | None = None,
        job_id: str | None = None,
        decisions: Sequence[Decision] = (),
        alerts: Sequence[Mapping[str, Any]] = (),
        ended_as: str | None = None,
        now: float,
    ) -> None:
        """Keep what a look changed, what was decided and what is to be told, all or nothing.

        Args:
            watch: As claimed; its memory is what is kept.
            next_at: When the next look is due.
            looked_at: When this one was.
            job_id: Of the run, where it has one by now.
            decisions: Written down before anything is done.
            alerts: JSON with `alert_id`; one that is known is not added again.
            ended_as: Ends the watch.
            now: Unix seconds.

        Raises:
            LostLeaseError: It is not the owner's any more; nothing was kept.
        """
        with self._session() as database:
            changed = database.execute(
                "UPDATE watches SET memory = ?, next_at = ?, "
                "looked_at = COALESCE(?, looked_at), job_id = COALESCE(?, job_id), "
                "state = CASE WHEN ? IS NOT NULL THEN 'ended' "
                "WHEN COALESCE(?, job_id) IS NOT NULL THEN 'active' ELSE state END, "
                "ended_as = ?, ended_at = CASE WHEN ? IS NOT NULL THEN ? END "
                "WHERE id = ? AND owner = ? AND fence = ? AND state != 'ended'",
                (
                    json.dumps(watch.memory.to_json()),
                    next_at,
                    looked_at,
                    job_id,
                    ended_as,
                    job_id,
                    ended_as,
                    ended_as,
                    now,
                    watch.id,
                    watch.owner,
                    watch.fence,
                ),
            ).rowcount
            if not changed:
                raise LostLeaseError(watch.id)
            _note(database, watch.id, watch.fence, decisions)
            _announce(database, watch.id, alerts, now)

    def note(self, watch: Watch, decision: Decision) -> None:
        """Write down what is about to be done; the owner's fence is checked in the same breath.

        Raises:
            LostLeaseError: It is not the owner's any more; it must not be done.
        """
        with self._session() as database:
            mine = database.execute(
                "SELECT 1 FROM watches WHERE id = ? AND owner = ? AND fence = ? "
                "AND state != 'ended' AND lease_until >= ?",
                (watch.id, watch.owner, watch.fence, decision.at),
            ).fetchone()
            if mine is None:
                raise LostLeaseError(watch.id)
            _note(database, watch.id, watch.fence, [decision])

    def end(self, watch_id: str, ended_as: str, now: float) -> Watch | None:
        """End a watch by request, whoever owns it; None where there is none that goes on."""
        with self._session() as database:
            row = database.execute(
                f"SELECT {_COLUMNS} FROM watches WHERE id = ? AND state != 'ended'",  # noqa: S608 - constants
                (watch_id,),
            ).fetchone()
            if row is None:
                return None
            database.execute(
                "UPDATE watches SET state = 'ended', ended_as = ?, ended_at = ?, owner = NULL, "
                "lease_until = 0, fence = fence + 1 WHERE id = ?",
                (ended_as, now, watch_id),
            )
            watch = _watch(row)
            _note(database, watch_id, watch.fence + 1, [Decision(at=now, action="end")])
        return watch

    def get(self, watch_id: str) -> Watch | None:
        """Return a watch."""
        with self._session() as database:
            row = database.execute(
                f"SELECT {_COLUMNS} FROM watches WHERE id = ?",  # noqa: S608 - constants
                (watch_id,),
            ).fetchone()
        return None if row is None else _watch(row)

    def of_job(self, job_id: str) -> Watch | None:
        """Return the watch that goes on over a job."""
        with self._session() as database:
            return _active_of(database, job_id)

    def listed(self, *, ended: bool, limit: int, offset: int) -> tuple[list[Watch], int]:
        """Return watches, those that go on first, each group newest first, and how many there are.

        Args:
            ended: Also those that have ended.
            limit: Of one page.
            offset: Watches before it.
        """
        with self._session() as database:
            where = "" if ended else "WHERE state != 'ended'"
            (count,) = database.execute(f"SELECT count(*) FROM watches {where}").fetchone()  # noqa: S608 - constants
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM watches {where} "  # noqa: S608 - constants
                "ORDER BY state = 'ended', created_at DESC, id LIMIT ? OFFSET ?",
                (limit, offset),
            ).fetchall()
        return [_watch(row) for row in rows], count

    def decisions(self, watch_id: str, limit: int) -> list[Decision]:
        """Return a watch's newest decisions, oldest of them first."""
        with self._session() as database:
            rows = database.execute(
                "SELECT at, action, code, detail FROM decisions WHERE watch_id = ? "
                "ORDER BY id DESC LIMIT ?",
                (watch_id, limit),
            ).fetchall()
        return [
            Decision(at=at, action=action, code=code, detail=json.loads(detail))
            for at, action, code, detail in reversed(rows)
        ]

    def untold(self, now: float, limit: int = 100) -> list[Announcement]:
        """Return alerts that nobody has taken yet and that are due, oldest first."""
        with self._session() as database:
            rows = database.execute(
                "SELECT alert_id, watch_id, body, attempts FROM announcements "
                "WHERE taken_at IS NULL AND not_before <= ? ORDER BY rowid LIMIT ?",
                (now, limit),
            ).fetchall()
        return [
            Announcement(alert_id=id_, watch_id=watch, body=json.loads(body), attempts=attempts)
            for id_, watch, body, attempts in rows
        ]

    def told(self, alert_ids: Sequence[str], now: float) -> None:
        """Mark alerts as taken in charge."""
        with self._session() as database:
            database.executemany(
                "UPDATE announcements SET taken_at = ?, reason = NULL WHERE alert_id = ?",
                [(now, each) for each in alert_ids],
            )

    def not_told(self, alert_ids: Sequence[str], reason: str, not_before: float) -> None:
        """Note why alerts were not taken, and when to try again."""
        with self._session() as database:
            database.executemany(
                "UPDATE announcements SET attempts = attempts + 1, reason = ?, not_before = ? "
                "WHERE alert_id = ?",
                [(reason[:300], not_before, each) for each in alert_ids],
            )

    def alerts(self, watch_id: str) -> list[dict[str, Any]]:
        """Return a watch's alerts, oldest first, with whether somebody took them in charge."""
        with self._session() as database:
            rows = database.execute(
                "SELECT body, taken_at, reason FROM announcements WHERE watch_id = ? "
                "ORDER BY rowid",
                (watch_id,),
            ).fetchall()
        return [
            {**json.loads(body), "taken_at": taken, "not_taken_because": reason}
            for body, taken, reason in rows
        ]

    def beat(self, owner: str, frontend: str, now: float) -> None:
        """Say that a server is there to watch."""
        with self._session() as database:
            database.execute(
                "INSERT INTO servers (owner, frontend, beat_at) VALUES (?, ?, ?) "
                "ON CONFLICT (owner) DO UPDATE SET beat_at = excluded.beat_at",
                (owner, frontend, now),
            )

    def servers(self, now: float) -> dict[str, int]:
        """Return how many servers beat lately, by frontend."""
        with self._session() as database:
            rows = database.execute(
                "SELECT frontend, count(*) FROM servers WHERE beat_at > ? GROUP BY frontend",
                (now - 2 * LEASE_S,),
            ).fetchall()
        return dict(rows)

    def peaks(self) -> dict[str, float]:
        """Return the most GPU memory that watched runs were seen to use, MiB, by job."""
        with self._session() as database:
            rows = database.execute(
                "SELECT job_id, max(json_extract(memory, '$.peak_vram_mib')) FROM watches "
                "WHERE job_id IS NOT NULL GROUP BY job_id"
            ).fetchall()
        return {job_id: peak for job_id, peak in rows if peak is not None}

    def prune(self, now: float) -> None:
        """Forget what ended long ago."""
        old = "SELECT id FROM watches WHERE state = 'ended' AND ended_at < ?"
        with self._session() as database:
            for table in ("decisions", "announcements"):
                database.execute(
                    f"DELETE FROM {table} WHERE watch_id IN ({old})",  # noqa: S608 - constants
                    (now - _KEPT_S,),
                )
            database.execute(
                "DELETE FROM watches WHERE state = 'ended' AND ended_at < ?", (now - _KEPT_S,)
            )
            database.execute("DELETE FROM servers WHERE beat_at < ?", (now - _SERVERS_S,))


def _active_of(database: sqlite3.Connection, job_id: str) -> Watch | None:
    row = database.execute(
        f"SELECT {_COLUMNS} FROM watches WHERE job_id = ? AND state = 'active'",  # noqa: S608 - constants
        (job_id,),
    ).fetchone()
    return None if row is None else _watch(row)


def _note(
    database: sqlite3.Connection, watch_id: str, fence: int, decisions: Sequence[Decision]
) -> None:
    database.executemany(
        "INSERT INTO decisions (watch_id, at, fence, action, code, detail) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [
            (watch_id, each.at, fence, each.action, each.code, json.dumps(each.detail))
            for each in decisions
        ],
    )


def _announce(
    database: sqlite3.Connection,
    watch_id: str,
    alerts: Sequence[Mapping[str, Any]],
    now: float,
) -> None:
    database.executemany(
        "INSERT OR IGNORE INTO announcements (alert_id, watch_id, at, body) VALUES (?, ?, ?, ?)",
        [(each["alert_id"], watch_id, now, json.dumps(each)) for each in alerts],
    )


def _watch(row: Sequence[Any]) -> Watch:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Watch(
        **values
        | {
            "guardrails": Guardrails.from_json(json.loads(values["guardrails"])),
            "memory": Memory.from_json(json.loads(values["memory"])),
        }
    )


def _owned(watch: Watch, owner: str, lease_until: float) -> Watch:
    from attrs import evolve

    return evolve(watch, owner=owner, lease_until=lease_until, fence=watch.fence + 1)
