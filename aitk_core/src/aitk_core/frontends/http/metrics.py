"""`GET /metrics`: the server's counts, as Prometheus reads them.

The counting is ours and the text is the library's, which is imported when somebody first asks:
most servers are never scraped.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from attrs import frozen
from starlette.responses import Response

from aitk_core import __version__
from aitk_core.background import ServiceState
from aitk_core.frontends.http.tally import BOUNDS_S, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.metrics_core import Metric
    from starlette.requests import Request

    from aitk_core.application import Application
    from aitk_core.frontends.http.auth import TokenGuard
    from aitk_core.frontends.http.tally import Tally
    from aitk_core.settings import HttpSettings

    Rows = Iterable[tuple[list[str], float]]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The text format that every Prometheus reads; nothing is negotiated, as the library's reading
of `Accept` raises on versions that are no numbers."""

_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class MetricsRoute:
    """What `/metrics` answers."""

    def __init__(
        self,
        application: Application,
        settings: HttpSettings,
        *,
        guard: TokenGuard,
        tally: Tally,
    ) -> None:
        """Take what is shown."""
        self._application = application
        self._settings = settings
        self._guard = guard
        self._tally = tally
        self._start_s = time.monotonic()

    async def serve(self, request: Request) -> Response:
        """Show the counts; asks neither the backend nor a plugin."""
        if self._settings.auth_for_health:
            self._guard.check(request.scope)
        problems = self._application.problems
        state = _State(
            counts=self._tally.snapshot(),
            services=self._application.background.states(),
            problems=Counter((problem.plugin, problem.severity) for problem in problems),
            uptime_s=time.monotonic() - self._start_s,
        )
        body = await asyncio.to_thread(_text, state)
        return Response(body, headers={**_HEADERS, "Content-Type": CONTENT_TYPE})


@frozen(kw_only=True, eq=False)  # the library keeps collectors by their hash
class _State:
    """What one answer shows, taken on the event loop and written beside it."""

    counts: Snapshot
    services: Sequence[ServiceState]
    problems: Counter[tuple[str, str]]
    uptime_s: float

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, for the library."""
        yield from _of_calls(self.counts)
        rows = [([route, str(n)], count) for (route, n), count in self.counts.requests.items()]
        yield _counter(
            "aitk_http_requests",
            "HTTP requests by template of the path and status; 499: the client went away.",
            ("route", "status"),
            rows,
        )
        yield from _of_services(self.services)
        yield _gauge(
            "aitk_plugin_problems",
            "What plugins declared that could not be used; /health names each.",
            ("plugin", "severity"),
            [([*key], count) for key, count in self.problems.items()],
        )
        yield _gauge("aitk_uptime_seconds", "Seconds since start.", (), [([], self.uptime_s)])
        yield _gauge("aitk_build_info", "The version.", ("version",), [([__version__], 1)])


def _text(state: _State) -> bytes:
    from prometheus_client import CollectorRegistry, generate_latest

    # Of its own: the library's global registry belongs to the process, not to this server.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(state)
    return generate_latest(registry)


def _of_calls(counts: Snapshot) -> Iterator[Metric]:
    from prometheus_client.core import HistogramMetricFamily

    yield _counter(
        "aitk_tool_calls",
        "Calls of tools over every frontend and by each other; the outcome is OK or a code.",
        ("tool", "outcome"),
        [([*key], count) for key, count in counts.calls.items()],
    )
    yield _gauge(
        "aitk_tool_calls_in_flight",
        "Calls under way.",
        ("tool",),
        [([tool], count) for tool, count in counts.running.items()],
    )
    took = HistogramMetricFamily(
        "aitk_tool_call_duration_seconds", "How long calls took.", labels=("tool",)
    )
    for tool, duration in sorted(counts.durations.items()):
        totals = accumulate(duration.counts)
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        took.add_metric([tool], list(zip(bounds, totals, strict=True)), duration.sum_s)
    yield took


def _of_services(services: Sequence[ServiceState]) -> Iterator[Metric]:
    yield _gauge(
        "aitk_service_last_beat_age_seconds",
        "Seconds since a service last gave a sign of life.",
        ("service",),
        [([service.name], service.last_beat_s) for service in services],
    )
    yield _gauge(
        "aitk_service_ok",
        "1 while a service is alive; at 0, /health is red.",
        ("service",),
        [([service.name], int(service.ok)) for service in services],
    )
    yield _counter(
        "aitk_service_failures",
        "How often a service raised.",
        ("service",),
        [([service.name], service.failures) for service in services],
    )


def _counter(name: str, told: str, labels: Sequence[str], rows: Rows) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, told, labels=labels)
    for values, count in sorted(rows):
        family.add_metric(values, count)
    return family


def _gauge(name: str, told: str, labels: Sequence[str], rows: Rows) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, told, labels=labels)
    for values, value in sorted(rows):
        family.add_metric(values, value)
    return family
