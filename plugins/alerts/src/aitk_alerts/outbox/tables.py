"""The tables of the outbox; a namespace of its own in the core's store."""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "alerts"

MIGRATIONS: Final = (
    """
    CREATE TABLE alerts (
        alert_id TEXT NOT NULL,
        destination TEXT NOT NULL,
        episode TEXT NOT NULL,
        body TEXT NOT NULL,
        outcome TEXT NOT NULL,
        message_id TEXT,
        accepted_at REAL NOT NULL,
        PRIMARY KEY (alert_id, destination)
    );
    CREATE INDEX alerts_time ON alerts (accepted_at);
    CREATE TABLE episodes (
        destination TEXT NOT NULL,
        episode TEXT NOT NULL,
        is_open INTEGER NOT NULL,
        told_at REAL NOT NULL,
        unsaid INTEGER NOT NULL DEFAULT 0,
        flips INTEGER NOT NULL DEFAULT 0,
        flips_since REAL NOT NULL,
        PRIMARY KEY (destination, episode)
    );
    CREATE TABLE windows (
        destination TEXT PRIMARY KEY,
        started_at REAL NOT NULL,
        length_s REAL NOT NULL,
        sent INTEGER NOT NULL,
        held TEXT NOT NULL
    );
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL UNIQUE,
        destination TEXT NOT NULL,
        kind TEXT NOT NULL,
        place TEXT,
        job_id TEXT NOT NULL,
        alerts TEXT NOT NULL,
        context TEXT,
        is_test INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'dead')),
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before REAL NOT NULL,
        owner TEXT,
        lease_until REAL NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0,
        error TEXT,
        created_at REAL NOT NULL,
        done_at REAL
    );
    CREATE INDEX messages_open ON messages (state, not_before);
    CREATE INDEX messages_order ON messages (destination, job_id, seq);
    CREATE TABLE rules (
        name TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        changed_at REAL NOT NULL
    );
    """,
)
