"""The backend's state: jobs, queues and settings in the SQLite file `aitk_db.db`.

Columns as in the AI Toolkit's `ui/prisma/schema.prisma`. Server, worker and trainers each open
the file on their own, as there.
"""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE_NAME: Final = "aitk_db.db"

Row = dict[str, Any]

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS Job (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, gpu_ids TEXT NOT NULL,
    job_config TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'stopped', stop BOOLEAN NOT NULL DEFAULT 0,
    return_to_queue BOOLEAN NOT NULL DEFAULT 0, step INTEGER NOT NULL DEFAULT 0,
    total_steps INTEGER, info TEXT NOT NULL DEFAULT '', speed_string TEXT NOT NULL DEFAULT '',
    queue_position INTEGER NOT NULL DEFAULT 0, pid INTEGER,
    job_type TEXT NOT NULL DEFAULT 'train', job_ref TEXT,
    save_now BOOLEAN NOT NULL DEFAULT 0, sample_now BOOLEAN NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS Queue (
    id INTEGER PRIMARY KEY AUTOINCREMENT, gpu_ids TEXT NOT NULL UNIQUE,
    is_running BOOLEAN NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS Settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_FLAGS: Final = ("stop", "return_to_queue", "save_now", "sample_now", "is_running")
_POSITION_STEP: Final = 1000
_ACTIVE: Final = ("running", "queued", "stopping")


class State:
    """Reads and writes rows; every call is one transaction of its own."""

    def __init__(self, path: Path) -> None:
        """Open the file, creating tables where they are missing."""
        self.path = path
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_TABLES)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous=NORMAL")
            with connection:
                yield connection

    def _one(self, query: str, *values: object) -> Row | None:
        with self._open() as connection:
            row = connection.execute(query, values).fetchone()
        return None if row is None else _plain(row)

    def _all(self, query: str, *values: object) -> list[Row]:
        with self._open() as connection:
            return [_plain(row) for row in connection.execute(query, values)]

    def job(self, job_id: str) -> Row | None:
        """Return one job, or None."""
        return self._one("SELECT * FROM Job WHERE id = ?", job_id)

    def job_of_ref(self, job_ref: str) -> Row | None:
        """Return the job with that reference that was updated last, or None."""
        return self._one(
            "SELECT * FROM Job WHERE job_ref = ? ORDER BY updated_at DESC LIMIT 1", job_ref
        )

    def jobs(self, *, job_type: str | None = None, only_active: bool = False) -> list[Row]:
        """Return jobs, the newest first."""
        rows = self._all("SELECT * FROM Job ORDER BY created_at DESC, rowid DESC")
        return [
            row
            for row in rows
            if (job_type is None or row["job_type"] == job_type)
            and (not only_active or row["status"] in _ACTIVE)
        ]

    def create_job(self, values: Mapping[str, Any]) -> Row:
        """Add a stopped job at the end of the queue order.

        Raises:
            sqlite3.IntegrityError: The name is taken, or a column is missing.
        """
        now = timestamp()
        row = {
            "id": str(uuid.uuid4()),
            "created_at": now,
            "updated_at": now,
            "queue_position": self._next_position(),
            **values,
        }
        columns = ", ".join(row)
        marks = ", ".join("?" * len(row))
        with self._open() as connection:
            connection.execute(
                f"INSERT INTO Job ({columns}) VALUES ({marks})",  # noqa: S608 - our column names
                tuple(row.values()),
            )
        created = self.job(row["id"])
        if created is None:
            raise LookupError(row["id"])
        return created

    def update_job(self, job_id: str, *, touch: bool = True, **values: Any) -> Row | None:
        """Change columns of a job and return it, or None if there is none.

        Args:
            job_id: Which job.
            touch: Whether `updated_at` moves; it does not for what a trainer writes.
            values: New values by column.
        """
        if touch:
            values["updated_at"] = timestamp()
        changes = ", ".join(f"{column} = ?" for column in values)
        with self._open() as connection:
            connection.execute(
                f"UPDATE Job SET {changes} WHERE id = ?",  # noqa: S608 - our column names
                (*values.values(), job_id),
            )
        return self.job(job_id)

    def delete_job(self, job_id: str) -> None:
        """Remove a job's row."""
        with self._open() as connection:
            connection.execute("DELETE FROM Job WHERE id = ?", (job_id,))

    def queue_job(self, job_id: str, gpu_ids: str) -> None:
        """Put a job at the end of its queue, creating the queue switched off if needed."""
        with self._open() as connection:
            connection.execute("INSERT OR IGNORE INTO Queue (gpu_ids) VALUES (?)", (gpu_ids,))
        self.update_job(
            job_id,
            queue_position=self._next_position(),
            status="queued",
            stop=False,
            return_to_queue=False,
            info="Job queued",
        )

    def _next_position(self) -> int:
        row = self._one("SELECT MAX(queue_position) AS last FROM Job")
        return int((row or {}).get("last") or 0) + _POSITION_STEP

    def queues(self) -> list[Row]:
        """Return all queues, ordered by their devices."""
        return self._all("SELECT * FROM Queue ORDER BY gpu_ids")

    def queue(self, gpu_ids: str) -> Row | None:
        """Return the queue of these devices, or None."""
        return self._one("SELECT * FROM Queue WHERE gpu_ids = ?", gpu_ids)

    def switch_queue(self, gpu_ids: str, *, running: bool) -> Row:
        """Switch a queue, creating it if needed, and return it."""
        with self._open() as connection:
            connection.execute(
                "INSERT INTO Queue (gpu_ids, is_running) VALUES (?, ?)"
                " ON CONFLICT(gpu_ids) DO UPDATE SET is_running = excluded.is_running",
                (gpu_ids, running),
            )
        queue = self.queue(gpu_ids)
        if queue is None:
            raise LookupError(gpu_ids)
        return queue

    def settings(self) -> dict[str, str]:
        """Return every stored setting."""
        return {row["key"]: row["value"] for row in self._all("SELECT * FROM Settings")}

    def store_setting(self, key: str, value: str) -> None:
        """Store one setting."""
        with self._open() as connection:
            connection.execute("INSERT OR REPLACE INTO Settings VALUES (?, ?)", (key, value))


def timestamp() -> str:
    """Return the present as the backend writes it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(row: sqlite3.Row) -> Row:
    return {key: bool(row[key]) if key in _FLAGS else row[key] for key in row.keys()}  # noqa: SIM118 - iterating a Row gives values
