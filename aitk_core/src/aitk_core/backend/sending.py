"""Requests that may be cancelled at any moment without harm to those that follow.

A pool of httpcore 1.0.9 loses a connection for good where a request is cancelled at certain
moments: while it is handed a connection, and while its answer is being closed (its issues 658, 830
and 1093). So each request under way has a client with one connection to itself, and what a
cancelled one leaves is thrown away.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    import httpx


class Sender:
    """Sends a bounded number of requests at once; safe for concurrent use."""

    def __init__(self, make: Callable[[], httpx.AsyncClient], *, at_once: int) -> None:
        """Take what makes a client; nothing is connected.

        Args:
            make: Called for each client that is needed.
            at_once: Requests that may be under way; the others wait for their turn.
        """
        self._make = make
        self._turns = asyncio.Semaphore(at_once)
        self._idle: list[httpx.AsyncClient] = []
        self._open: set[httpx.AsyncClient] = set()
        """Those that are idle, and those in use."""
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def stream(self, method: str, url: str, **more: Any) -> AsyncGenerator[httpx.Response]:
        """Send a request as `httpx.AsyncClient.stream` does.

        Raises:
            httpx.TransportError: In its kinds.
        """
        async with self._turns:
            # The newest, so that calls one after the other share a connection.
            client = self._idle.pop() if self._idle else self._make()
            self._open.add(client)
            try:
                async with client.stream(method, url, **more) as response:
                    yield response
            except Exception:
                self._keep(client)
                raise
            except BaseException:
                self._leave(client)
                raise
            self._keep(client)

    def _keep(self, client: httpx.AsyncClient) -> None:
        # Not where everything was closed meanwhile.
        if client in self._open:
            self._idle.append(client)

    def _leave(self, client: httpx.AsyncClient) -> None:
        # Apart from the call: one that is cancelled again must not leave it half closed.
        self._open.discard(client)
        closing = asyncio.ensure_future(client.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close connections, those of requests under way as well; harmless to repeat."""
        self._idle.clear()
        for client in tuple(self._open):
            self._leave(client)
        await asyncio.gather(*self._closing)
