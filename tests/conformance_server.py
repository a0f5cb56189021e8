"""Serves the conformance suite's fixtures over HTTP, on a free port of this machine.

Run by `.ci/conformance`. Writes the address to stdout once it answers, and serves until a
signal. Only the test plugin is loaded, without settings and without a training backend.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from mcp.server.streamable_http import EventMessage, EventStore
from typing_extensions import override

from aitk_core.application import Application
from aitk_core.frontends.http.app import build_app
from aitk_core.settings import SettingsSource

if TYPE_CHECKING:
    from mcp.server.streamable_http import EventCallback
    from mcp_types import JSONRPCMessage

PLUGIN = EntryPoint(name="mcp-everything", value="mcp_everything.plugin", group="aitk.plugins")
SOURCE = Path(__file__).parent / "distributions" / "mcp_everything" / "src"


class MemoryEvents(EventStore):
    """Keeps every event, so that a stream can be taken up again."""

    def __init__(self) -> None:
        """Begin with none."""
        self._events: list[tuple[str, JSONRPCMessage | None]] = []

    @override
    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep one event and return its id."""
        self._events.append((stream_id, message))
        return str(len(self._events))

    @override
    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """Send the later events of the same stream and return the stream's id."""
        if not last_event_id.isdigit() or not 0 < int(last_event_id) <= len(self._events):
            return None
        last = int(last_event_id)
        stream = self._events[last - 1][0]
        for number, (owner, message) in enumerate(self._events[last:], start=last + 1):
            if owner == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


class AnnouncingServer(uvicorn.Server):
    """Says where it listens, once it does."""

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then write the address."""
        await super().startup(sockets)
        for listening in sockets or ():
            sys.stdout.write(f"http://localhost:{listening.getsockname()[1]}/mcp\n")
            sys.stdout.flush()


def main() -> None:
    """Serve until a signal."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    sys.path.insert(0, str(SOURCE))
    application = Application(
        source=SettingsSource(environment={}),
        points=[PLUGIN],
        backend=cast("Any", object()),  # no fixture asks it anything
    )
    faults = [p for p in application.registry.problems if p.severity == "error"]
    if faults:
        raise SystemExit(f"the fixtures do not load: {faults}")
    app = build_app(
        application,
        application.http_settings(),
        event_store=MemoryEvents(),
        retry_interval_ms=100,
    )
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
    with socket.create_server(("127.0.0.1", 0)) as listening, suppress(KeyboardInterrupt):
        asyncio.run(AnnouncingServer(config).serve(sockets=[listening]))


if __name__ == "__main__":
    main()
