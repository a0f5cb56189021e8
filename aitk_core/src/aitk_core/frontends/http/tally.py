"""Counts of calls and requests, kept as plain numbers.

Every label value is one of a few that are known beforehand: a tool's name, an error's code, a
route's template, a status. What a caller makes up is counted under `(unknown)`.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.context import InputRequired
from aitk_core.errors import AitkError

if TYPE_CHECKING:
    from collections.abc import Iterable

UNKNOWN: Final = "(unknown)"
"""A tool that is not installed, a path that nobody serves; no tool or path is spelt so."""

BOUNDS_S: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
)  # fmt: skip
"""Upper bounds of the histogram, from a look at the store to the bridge's default limit."""

_OUTCOMES: Final = 64
"""Outcomes told apart; the core has half as many codes, a plugin's own come on top. Our own."""

CLIENT_GONE: Final = 499
"""The client went away before the answer: the number that nginx logs for it."""


@frozen(kw_only=True)
class Duration:
    """How long the calls of one tool took."""

    counts: tuple[int, ...]
    """Calls up to each bound of `BOUNDS_S` and above the last, each call counted once."""
    sum_s: float


@frozen(kw_only=True)
class Snapshot:
    """The counts at one moment."""

    calls: Mapping[tuple[str, str], int]
    """By tool and outcome."""
    running: Mapping[str, int]
    durations: Mapping[str, Duration]
    requests: Mapping[tuple[str, int], int]
    """By route template and status."""


class Tally:
    """Counts on the event loop, so nothing is locked; a `CallObserver`."""

    def __init__(self, tools: Iterable[str], routes: Mapping[Any, str]) -> None:
        """Start at zero.

        Args:
            tools: Shown before their first call, so that a rate sees it.
            routes: Templates of the paths by what serves them.
        """
        self._calls = Counter({(tool, "OK"): 0 for tool in tools})
        self._outcomes = {"OK"}
        self._running: Counter[str] = Counter()
        self._durations: dict[str, list[int]] = {}
        self._sums_s: dict[str, float] = {}
        self._requests: Counter[tuple[str, int]] = Counter()
        self._routes = routes

    def began(self, tool: str | None) -> None:
        """Count a call that goes on."""
        self._running[tool or UNKNOWN] += 1

    def ended(self, tool: str | None, seconds: float, error: BaseException | None) -> None:
        """Count a call that has ended."""
        name = tool or UNKNOWN
        self._running[name] -= 1
        self._calls[name, self._outcome(error)] += 1
        if name not in self._durations:
            self._durations[name] = [0] * (len(BOUNDS_S) + 1)
            self._sums_s[name] = 0.0
        self._durations[name][bisect_left(BOUNDS_S, seconds)] += 1
        self._sums_s[name] += seconds

    def _outcome(self, error: BaseException | None) -> str:
        outcome = _outcome(error)
        if outcome not in self._outcomes:
            if len(self._outcomes) >= _OUTCOMES:  # a plugin may make codes up as it goes
                return "OTHER"
            self._outcomes.add(outcome)
        return outcome

    def answered(self, scope: Mapping[str, Any], status: int) -> None:
        """Count a request, by the template of its path and never by the path itself."""
        endpoint = scope.get("endpoint")
        route = UNKNOWN if endpoint is None else self._routes.get(endpoint, UNKNOWN)
        self._requests[route, status] += 1

    def snapshot(self) -> Snapshot:
        """Return the counts as they are now."""
        return Snapshot(
            calls=dict(self._calls),
            running=dict(self._running),
            durations={
                tool: Duration(counts=tuple(counts), sum_s=self._sums_s[tool])
                for tool, counts in self._durations.items()
            },
            requests=dict(self._requests),
        )


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "OK"
    if isinstance(error, AitkError):
        return str(error.code)
    if isinstance(error, InputRequired):
        return "INPUT_REQUIRED"
    return "CANCELLED" if isinstance(error, asyncio.CancelledError) else AitkError.code
