"""The loss table `loss_log.db`: the trainer writes it, the loss route reads it.

Tables and flushing as in the AI Toolkit's `toolkit/logging_aitk.py`, the query as in its
route `ui/src/app/api/jobs/[jobID]/loss/route.ts`.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME: Final = "loss_log.db"

_FLUSH_VALUES: Final = 256
_FLUSH_AFTER_S: Final = 0.25

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS steps (
    step      INTEGER PRIMARY KEY,
    wall_time REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS metric_keys (
    key             TEXT PRIMARY KEY,
    first_seen_step INTEGER,
    last_seen_step  INTEGER
);
CREATE TABLE IF NOT EXISTS metrics (
    step       INTEGER NOT NULL,
    key        TEXT NOT NULL,
    value_real REAL,
    value_text TEXT,
    PRIMARY KEY (step, key),
    FOREIGN KEY (step) REFERENCES steps(step) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS idx_metrics_key_step ON metrics (key, step);
"""


class LossTable:
    """Writer of one run's metrics."""

    def __init__(self, path: Path) -> None:
        """Open the table, creating it where it is missing."""
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=10)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("PRAGMA foreign_keys=ON")
        self._connection.executescript(_TABLES)
        self._pending: dict[str, float] = {}
        self._rows: list[tuple[int, float, dict[str, float]]] = []
        self._flushed_s = time.monotonic()
        self._rewound = False

    def note(self, key: str, value: float) -> None:
        """Keep a value for the next committed step."""
        self._pending[key] = value

    def forget(self, *keys: str) -> None:
        """Drop values noted for a step that is not logged."""
        for key in keys:
            self._pending.pop(key, None)

    def commit(self, step: int) -> None:
        """Store what was noted under this step; the first commit drops rows of later steps."""
        if not self._rewound:
            self._connection.execute("DELETE FROM steps WHERE step > ?", (step,))
            self._connection.execute("DELETE FROM metrics WHERE step > ?", (step,))
            self._rewound = True
        self._rows.append((step, time.time(), self._pending))
        self._pending = {}
        waiting = sum(len(values) for _, _, values in self._rows)
        if waiting >= _FLUSH_VALUES or time.monotonic() - self._flushed_s >= _FLUSH_AFTER_S:
            self.flush()

    def flush(self) -> None:
        """Write everything committed so far."""
        self._connection.execute("BEGIN")
        for step, wall_time, values in self._rows:
            self._connection.execute(
                "INSERT OR REPLACE INTO steps VALUES (?, ?)", (step, wall_time)
            )
            for key, value in values.items():
                self._connection.execute(
                    "INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, NULL)", (step, key, value)
                )
                self._connection.execute(
                    "INSERT INTO metric_keys VALUES (?, ?, ?)"
                    " ON CONFLICT(key) DO UPDATE SET last_seen_step = excluded.last_seen_step",
                    (key, step, step),
                )
        self._connection.execute("COMMIT")
        self._rows = []
        self._flushed_s = time.monotonic()

    def close(self) -> None:
        """Write the rest and let go of the file."""
        self.flush()
        self._connection.close()


def read_points(
    path: Path, *, key: str, since_step: int | None, stride: int, limit: int
) -> Mapping[str, Any]:
    """Return the loss route's answer for one key.

    Args:
        path: The loss table.
        key: Metric to read.
        since_step: Only later steps, or None for all.
        stride: Only steps divisible by it, at least 1.
        limit: Most points to return, the oldest first; negative for no limit.

    Raises:
        sqlite3.Error: The file has no such tables.
    """
    if not path.exists():
        # The route forgets which key was asked for when there is no table.
        return {"keys": [], "key": "loss", "points": []}
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        keys = [row[0] for row in connection.execute("SELECT key FROM metric_keys ORDER BY key")]
        rows = connection.execute(
            "SELECT m.step, s.wall_time, m.value_real FROM metrics m"
            " JOIN steps s ON s.step = m.step"
            " WHERE m.key = ? AND m.step > ? AND m.step % ? = 0 ORDER BY m.step LIMIT ?",
            (key, -1 if since_step is None else since_step, stride, limit),
        ).fetchall()
    points = [{"step": step, "wall_time": seen, "value": value} for step, seen, value in rows]
    return {"key": key, "keys": keys, "points": points}
