"""The Starlette application: its routes, and what each of them answers.

    GET  /health     liveness; never asks the backend
    GET  /ready      readiness: 503 while the backend does not answer
    GET  /metrics    counts for Prometheus
    GET  /tools      the tools as MCP lists them
    GET  /openapi.json  all of this and the tools' schemas, in OpenAPI 3.1
    POST /mcp/tool   {"name", "arguments"?, "include_result"?}: runs a tool
    *    /mcp        MCP over streamable HTTP
    and the paths that plugins declare

A call is checked in this order: Host and Origin, token, rate limit, body, shape, tool.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from aitk_core import __version__
from aitk_core.context import Session
from aitk_core.frontends.http import answers
from aitk_core.frontends.http.auth import TokenGuard
from aitk_core.frontends.http.edge import Edge, id_of
from aitk_core.frontends.http.errors import ClientGoneError
from aitk_core.frontends.http.limits import ClientAddress, RateLimiter
from aitk_core.frontends.http.mcp_route import McpRoute
from aitk_core.frontends.http.metrics import MetricsRoute
from aitk_core.frontends.http.openapi.route import OpenApiRoute
from aitk_core.frontends.http.readiness import Readiness
from aitk_core.frontends.http.requests import parse_json, read_body, tool_request
from aitk_core.frontends.http.sessions import session_routes
from aitk_core.frontends.http.sources import Sources
from aitk_core.frontends.http.tally import Tally
from aitk_core.frontends.http.warming import warming
from aitk_core.frontends.http.web import plugin_routes
from aitk_core.frontends.mcp import wire
from aitk_core.policy import narrowed_by_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from mcp.server.streamable_http import EventStore
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive

    from aitk_core.application import Application
    from aitk_core.settings import HttpSettings

T = TypeVar("T")

_SERVICE: Final = "ai-toolkit-mcp-http"
"""The contract's name of the service (OUTPUTS.md section 3)."""


class Bridge:
    """The routes of the bridge on one application."""

    def __init__(
        self,
        application: Application,
        settings: HttpSettings,
        *,
        guard: TokenGuard,
        limiter: RateLimiter | None,
    ) -> None:
        """Take what requests are served with."""
        self._application = application
        self._settings = settings
        self._guard = guard
        self._limiter = limiter
        self._entries: dict[str, dict[str, Any]] | None = None
        self.readiness = Readiness(application)

    def _state_of_plugins(self) -> dict[str, Any]:
        # Reasons can name files, so they are for those who hold the token.
        open_to_all = self._guard.enabled and not self._settings.auth_for_health
        problems = [
            {
                "plugin": problem.plugin,
                "distribution": problem.distribution,
                "stage": problem.stage,
                "severity": problem.severity,
            }
            | ({} if open_to_all else {"reason": problem.reason})
            for problem in self._application.problems
        ]
        state: dict[str, Any] = {
            "status": "healthy",
            "service": _SERVICE,
            "version": __version__,
            "auth_enabled": self._guard.enabled,
        }
        if problems:
            state |= {
                "degraded": any(problem["severity"] == "error" for problem in problems),
                "problems": problems,
            }
        return state

    async def health(self, request: Request) -> Response:
        """Answer that the process serves, and that the plugins' services are alive."""
        if self._settings.auth_for_health:
            self._guard.check(request.scope)
        state = {"request_id": id_of(request.scope), **self._state_of_plugins()}
        services = self._application.background.states()
        if services:
            state["services"] = {
                s.name: {"ok": s.ok, "last_beat_s": s.last_beat_s, "failures": s.failures}
                for s in services
            }
        stuck = [service.name for service in services if not service.ok]
        if not stuck:
            return answers.reply({"ok": True, **state})
        # Red, so that whoever watches over this process starts it again.
        error = {
            "code": "SERVICE_STUCK",
            "message": f"no sign of life from {', '.join(stuck)}",
            "remedy": "the server's log has the details; start the server again",
        }
        body = {"ok": False, **state, "status": "unhealthy", "error": error}
        return answers.reply(body, status=HTTPStatus.SERVICE_UNAVAILABLE)

    async def ready(self, request: Request) -> Response:
        """Answer whether the backend can be used."""
        if self._settings.auth_for_health:
            self._guard.check(request.scope)
        own = id_of(request.scope)
        fault = await self.readiness.fault()
        if fault is None:
            return answers.reply({"ok": True, "request_id": own, "status": "ready"})
        error = {"code": fault.code, "message": str(fault)}
        if fault.remedy:
            error["remedy"] = fault.remedy
        return answers.failure(error, own, status=HTTPStatus.SERVICE_UNAVAILABLE)

    async def tools(self, request: Request) -> Response:
        """List the tools that the caller may use."""
        if self._settings.auth_for_tools:
            self._guard.check(request.scope)
        if self._entries is None:
            # The first list reads every schema.
            self._entries = await asyncio.to_thread(self._list)
        policy = narrowed_by_headers(self._application.policy, request.headers)
        offered = self._application.dispatcher.offered(policy)
        tools = [self._entries[owned.spec.name] for owned in offered]
        return answers.reply(
            {"ok": True, "request_id": id_of(request.scope), "count": len(tools), "tools": tools}
        )

    def _list(self) -> dict[str, dict[str, Any]]:
        registry = self._application.registry
        return {
            name: answers.tool_entry(wire.tool(owned.spec, registry.contracts))
            for name, owned in registry.tools.items()
        }

    async def call(self, request: Request) -> Response:
        """Run a tool."""
        scope = request.scope
        self._guard.check(scope)
        if self._limiter is not None:
            self._limiter.charge(scope)
        timeout_s = self._settings.tool_timeout_seconds
        body = await read_body(
            scope,
            request.receive,
            limit_bytes=self._settings.max_body_bytes,
            timeout_s=timeout_s,
        )
        asked = tool_request(parse_json(body))
        session = Session(
            request_id=id_of(scope),
            policy=narrowed_by_headers(self._application.policy, request.headers),
            timeout_s=timeout_s,
        )
        dispatcher = self._application.dispatcher
        answer = await _while_connected(
            request.receive, dispatcher.call(asked.name, asked.arguments, session)
        )
        return await answers.tool_reply(
            self._application.registry.tools[asked.name].spec,
            answer,
            id_of(scope),
            include_result=asked.include_result,
        )


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns, or cancel it when the client goes away.

    Raises:
        ClientGoneError: It went away first.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        # Whatever the work still does to end is awaited, so that nothing outlives its request.
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _routing_refusal(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: an unknown path, a wrong method."""
    if not isinstance(error, HTTPException):
        raise TypeError(f"{error!r} is no refusal of the router")
    status = HTTPStatus(error.status_code)
    return answers.failure(
        {"code": f"HTTP_{status.value}", "message": status.phrase.lower()},
        id_of(request.scope),
        status=status,
        headers=error.headers,
    )


def build_app(
    application: Application,
    settings: HttpSettings,
    *,
    event_store: EventStore | None = None,
    retry_interval_ms: int | None = None,
    with_mcp: bool = True,
) -> Starlette:
    """Return the HTTP application; its lifespan opens and closes what it was given.

    Args:
        application: Not open yet.
        settings: Of the HTTP frontend.
        event_store: Keeps events of MCP sessions, so that a stream can be resumed.
        retry_interval_ms: Told to MCP clients for their reconnect.
        with_mcp: Whether to serve MCP at `/mcp`.

    Returns:
        The application; `state.mcp` is the MCP route, or None.

    Raises:
        InvalidSettingError: A network of trusted proxies is missing or cannot be read.
    """
    clients = ClientAddress(settings)
    limited = settings.rate_limit_enabled
    limiter = RateLimiter(settings, clients=clients) if limited else None
    failures = RateLimiter(settings, clients=clients) if limited else None
    guard = TokenGuard(settings, failures)
    sources = Sources(settings)
    bridge = Bridge(application, settings, guard=guard, limiter=limiter)
    templates: dict[Any, str] = {}
    offered = [
        n for n, o in application.registry.tools.items() if not application.policy.refusal(o)
    ]
    tally = Tally(offered, templates)
    metrics = MetricsRoute(application, settings, guard=guard, tally=tally)
    routes = [
        Route("/health", bridge.health),
        Route("/ready", bridge.ready),
        Route("/metrics", metrics.serve),
        Route("/tools", bridge.tools),
        Route("/openapi.json", OpenApiRoute(application, settings, guard=guard).serve),
        Route("/mcp/tool", bridge.call, methods=["POST"]),
        *session_routes(guard),
        *plugin_routes(
            application,
            guard=guard,
            timeout_s=settings.tool_timeout_seconds,
        ),
    ]
    mcp = None
    if with_mcp:
        mcp = McpRoute(
            application,
            settings,
            guard=guard,
            sources=sources,
            event_store=event_store,
            retry_interval_ms=retry_interval_ms,
        )
        routes.append(Route("/mcp", mcp))
    templates |= {route.endpoint: route.path for route in routes}

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(application)
            application.dispatcher.observers.add(tally)
            stack.push_async_callback(bridge.readiness.close)
            if mcp is not None:
                await stack.enter_async_context(mcp.run())
            await stack.enter_async_context(application.background.running())
            await stack.enter_async_context(warming(application))
            yield

    app = Starlette(
        routes=routes,
        middleware=[Middleware(Edge, sources=sources, tally=tally)],
        exception_handlers={HTTPException: _routing_refusal},
        lifespan=lifespan,
    )
    # A redirect to the path without the slash would be an answer outside the envelope.
    app.router.redirect_slashes = False
    app.state.mcp = mcp
    return app
