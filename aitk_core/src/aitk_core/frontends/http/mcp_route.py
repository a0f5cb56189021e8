"""MCP over streamable HTTP, behind the same checks as the bridge."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from aitk_core.frontends.http.errors import McpAuthError
from aitk_core.frontends.http.sources import local_address, with_any_port
from aitk_core.frontends.mcp.server import build_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.server.streamable_http import EventStore
    from starlette.types import Receive, Scope, Send

    from aitk_core.application import Application
    from aitk_core.frontends.http.auth import TokenGuard
    from aitk_core.frontends.http.sources import Sources
    from aitk_core.settings import HttpSettings

_IDLE_S: Final = 1800.0
"""A session without a request this long is closed; the SDK's own default."""

_SESSIONS: Final = 1000
"""Sessions open at once; our own, one person's clients come nowhere near."""


class McpRoute:
    """The ASGI application at `/mcp`."""

    def __init__(
        self,
        application: Application,
        settings: HttpSettings,
        *,
        guard: TokenGuard,
        sources: Sources,
        event_store: EventStore | None,
        retry_interval_ms: int | None,
    ) -> None:
        """Build the MCP server; it serves while `run` is entered."""
        limits_s = (settings.tool_timeout_seconds, application.settings.tool_timeout_s)
        self.server = build_server(application, timeout_s=min(limits_s))
        self._guard = guard
        self._security = sources.for_sdk()
        self._event_store = event_store
        self._retry_interval_ms = retry_interval_ms
        self._max_body_bytes = settings.max_body_bytes
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Keep sessions while entered; may be entered again, unlike the SDK's manager."""
        manager = StreamableHTTPSessionManager(
            app=self.server,
            event_store=self._event_store,
            security_settings=self._security,
            retry_interval=self._retry_interval_ms,
            session_idle_timeout=_IDLE_S,
            max_request_body_size=self._max_body_bytes,
            max_sessions=_SESSIONS,
        )
        async with manager.run():
            self._manager = manager
            try:
                yield
            finally:
                self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._manager is None:
            raise RuntimeError("the application's lifespan is not running")
        self._guard.check(scope, McpAuthError)
        self._tell_sdk(local_address(scope))
        await self._manager.asgi_app(scope, receive, send)

    def _tell_sdk(self, address: str | None) -> None:
        """Add an address of this machine to the names that the SDK accepts.

        The edge has accepted it already; the SDK compares with a fixed list, which cannot
        name the addresses behind a wildcard.
        """
        if address is not None and address not in self._security.allowed_hosts:
            self._security.allowed_hosts += with_any_port([address])
            urls = (f"{scheme}://{address}" for scheme in ("http", "https"))
            self._security.allowed_origins += with_any_port(urls)
