"""What is accepted, under which limits, and what is to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from attrs import field, frozen

MessageState = Literal["pending", "sending", "delivered", "dead"]
Outcome = Literal["accepted", "duplicate", "held_by_rate", "unknown_resolved", "flapping"]


@frozen(kw_only=True)
class Limits:
    """How often somebody is told; the defaults are the contract's (TOOLS.md section 11)."""

    dedupe_window_s: float = 900.0
    """0: repeats are not dropped."""
    rate_window_s: float = 900.0
    max_per_window: int = 50
    """0: without limit."""
    flap_limit: int = 3
    """Ours: messages about one thing that comes and goes, in one dedupe window."""


@frozen(kw_only=True)
class Retry:
    """When a message that was not taken is sent again; ours."""

    first_s: float = 2.0
    factor: float = 2.0
    longest_s: float = 3600.0
    attempts: int = 12
    """Tries in all; about half a day."""
    oldest_s: float = 3 * 86400.0
    """Older ones are given up."""


RESERVED_S: Final = 60.0
"""Ours: longer than a call tries; who reserved a message and is gone by then lost it."""


@frozen(kw_only=True)
class Target:
    """A destination of one call."""

    name: str
    kind: str
    """Of the sink."""
    place: str | None = field(default=None, repr=False)
    """What the sink is opened with where no setting knows it; never a secret."""
    not_before: float = 0.0
    """Unix seconds; the end of quiet hours."""
    reserved_for: str | None = None
    """The only one who knows where it leads, and so the only one who may send for now."""


@frozen(kw_only=True)
class Accepted:
    """What became of the alerts of one call."""

    outcomes: Mapping[str, Sequence[str]]
    """By destination: one outcome for each alert, `already_known` for one that was taken before."""
    message_ids: Sequence[str]

    def count(self, outcome: str) -> int:
        """Return how often there was an outcome."""
        return sum(list(each).count(outcome) for each in self.outcomes.values())


@frozen(kw_only=True)
class Message:
    """One message to one destination."""

    message_id: str
    destination: str
    kind: str
    place: str | None = field(repr=False)
    job_id: str | None
    alerts: tuple[Mapping[str, Any], ...]
    context: Mapping[str, Any] | None
    is_test: bool
    state: MessageState
    attempts: int
    not_before: float
    fence: int
    error: str | None
    created_at: float
    done_at: float | None
