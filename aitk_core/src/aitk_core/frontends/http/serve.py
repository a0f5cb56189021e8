"""Listens, and ends in order."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from typing_extensions import override

from aitk_core.errors import InvalidSettingError
from aitk_core.frontends.http.app import build_app
from aitk_core.frontends.http.listening import listen_on
from aitk_core.frontends.http.sources import is_loopback

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from types import FrameType

    from starlette.applications import Starlette

    from aitk_core.application import Application
    from aitk_core.settings import HttpSettings

logger = logging.getLogger(__name__)

_GRACE_S: Final = 3
"""Calls under way have this long when the server ends; our own."""

_SWITCH_S: Final = 0.0005
"""Python lets a computing thread keep the interpreter for 5 ms whenever the event loop has
touched a socket. A tenth of that keeps /health in single milliseconds beside a tool that
computes, at no measurable cost to the tool (benchmarks/bench_http.py)."""


@contextmanager
def prompt_switching() -> Iterator[None]:
    """Make threads that compute give way to the event loop sooner, while entered."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(min(before_s, _SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)


def check_listen(settings: HttpSettings) -> None:
    """Refuse an address that others can reach while no token is set.

    Raises:
        InvalidSettingError: The host is not loopback and there is no token.
    """
    if not settings.auth_token and not is_loopback(settings.host):
        raise InvalidSettingError(
            f"listening on {settings.host!r} without a token would let anybody in",
            remedy="set MCP_HTTP_AUTH_TOKEN, or listen on 127.0.0.1",
            setting="host",
        )


def listen(settings: HttpSettings) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InvalidSettingError: The address cannot be used.
    """
    try:
        listener = listen_on(settings.host.strip("[]"), settings.port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidSettingError(
            f"cannot listen on {settings.host!r} port {settings.port}: {reason}",
            remedy="choose another address with MCP_HTTP_HOST and MCP_HTTP_PORT",
            setting="port",
        ) from error
    return listener


class Server(uvicorn.Server):
    """Uvicorn's server, which ends MCP streams first and leaves the exit status to us."""

    def __init__(self, config: uvicorn.Config, before_exit: Callable[[], None]) -> None:
        """Take what is to be done when a signal asks us to end."""
        super().__init__(config)
        self._before_exit = before_exit

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end: open streams would otherwise hold the server until it gives up."""
        self._before_exit()
        super().handle_exit(sig, frame)

    @override
    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        await super()._serve(sockets)
        # Uvicorn would raise the signal again; ending was what it asked for.
        self._captured_signals.clear()


def server_for(app: Starlette, **options: Any) -> Server:
    """Return a server for an application whose lifespan somebody else runs.

    Args:
        app: Made by `build_app`.
        **options: Further options of uvicorn.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # The rate limit reads the forwarded header by its own rule.
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
        **options,
    )
    mcp = app.state.mcp
    return Server(config, mcp.server.listen.close if mcp is not None else lambda: None)


async def serve(application: Application, settings: HttpSettings) -> None:
    """Serve until a signal asks us to end.

    One line on stderr says where, which matters with port 0.

    Raises:
        InvalidSettingError: The address cannot be used, or not without a token.
    """
    check_listen(settings)
    _warn(settings)
    app = build_app(application, settings)
    server = server_for(app)
    with listen(settings) as listener, prompt_switching():
        async with app.router.lifespan_context(app):
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            sys.stderr.write(f"ai-toolkit-mcp: listening on http://{shown}:{port} (MCP at /mcp)\n")
            sys.stderr.flush()
            await server.serve(sockets=[listener])


def _warn(settings: HttpSettings) -> None:
    if not settings.auth_token and (settings.auth_for_health or settings.auth_for_tools):
        logger.warning(
            "MCP_HTTP_AUTH_FOR_HEALTH and MCP_HTTP_AUTH_FOR_TOOLS do nothing without "
            "MCP_HTTP_AUTH_TOKEN"
        )
