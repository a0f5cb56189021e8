"""The tables of watches; a namespace of its own in the core's store."""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "watches"

MIGRATIONS: Final = (
    """
    CREATE TABLE watches (
        id TEXT PRIMARY KEY,
        job_id TEXT,
        job_name TEXT,
        config_name TEXT,
        guardrails TEXT NOT NULL,
        memory TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('starting', 'active', 'ended')),
        ended_as TEXT,
        created_at REAL NOT NULL,
        ended_at REAL,
        next_at REAL NOT NULL,
        looked_at REAL,
        owner TEXT,
        lease_until REAL NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX watches_open ON watches (state, lease_until);
    CREATE UNIQUE INDEX watches_job ON watches (job_id) WHERE state = 'active';
    CREATE TABLE decisions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        watch_id TEXT NOT NULL REFERENCES watches (id),
        at REAL NOT NULL,
        fence INTEGER NOT NULL,
        action TEXT NOT NULL,
        code TEXT,
        detail TEXT NOT NULL
    );
    CREATE INDEX decisions_watch ON decisions (watch_id, id);
    CREATE TABLE announcements (
        alert_id TEXT PRIMARY KEY,
        watch_id TEXT NOT NULL REFERENCES watches (id),
        at REAL NOT NULL,
        body TEXT NOT NULL,
        taken_at REAL,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before REAL NOT NULL DEFAULT 0,
        reason TEXT
    );
    CREATE INDEX announcements_open ON announcements (taken_at, not_before);
    CREATE TABLE servers (
        owner TEXT PRIMARY KEY,
        frontend TEXT NOT NULL,
        beat_at REAL NOT NULL
    );
    """,
)
