"""A watch, and what was decided in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from attrs import field, frozen

from aitk_guardrails.rules.memory import Memory
from aitk_guardrails.rules.settings import Guardrails

State = Literal["starting", "active", "ended"]

LEASE_S: Final = 6.0
"""Ours: a server that renews every second and is silent for that long is taken for gone, so that
another one has the watch within ten."""


@frozen(kw_only=True)
class Watch:
    """One row. `memory` is the reader's own copy."""

    id: str
    job_id: str | None
    """None until the run it begins with has a job."""
    job_name: str | None
    config_name: str | None
    guardrails: Guardrails
    memory: Memory
    state: State
    ended_as: str | None = None
    """How it ended: `job_completed`, `stopped_by_guardrail`, `ended_by_request` and so on."""
    created_at: float
    ended_at: float | None = None
    next_at: float
    """When the next look is due, Unix seconds."""
    looked_at: float | None = None
    owner: str | None = None
    lease_until: float = 0.0
    fence: int = 0
    """Rises with every change of owner: what a former owner writes is refused."""


@frozen(kw_only=True)
class Decision:
    """Something decided, written down before it was done."""

    at: float
    action: str
    """`begin`, `adopt`, `trigger`, `stop`, `ask`, `stop_answer`, `verify`, `escalate`, `end`."""
    code: str | None = None
    detail: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Announcement:
    """An alert that somebody has to be told of."""

    alert_id: str
    watch_id: str
    body: Mapping[str, Any]
    attempts: int = 0
