"""An MCP client in memory, in both eras of the protocol.

def test_lists(application_with):
    listed = with_client(application_with(backend), lambda client: client.list_tools())
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mcp import Client

    from aitk_core.application import Application

T = TypeVar("T")

ERAS: Final = ("legacy", "auto")
"""`legacy` is revision 2025-11-25, `auto` is 2026-07-28."""


@asynccontextmanager
async def connected(
    application: Application, *, mode: str = "auto", **callbacks: Any
) -> AsyncIterator[Client]:
    """Open the application and give a client of it.

    Args:
        application: Not yet open.
        mode: One of `ERAS`.
        **callbacks: What else `mcp.Client` takes, such as `elicitation_callback`.
    """
    from mcp import Client

    from aitk_core.frontends.mcp.server import build_server

    server = build_server(application)
    async with application, Client(server, mode=cast("Any", mode), **callbacks) as client:
        yield client


def with_client(
    application: Application,
    use: Callable[[Client], Awaitable[T]],
    *,
    mode: str = "auto",
    **callbacks: Any,
) -> T:
    """Open the application, connect a client, and return what `use` gives, or raise its error."""

    async def scenario() -> T:
        async with connected(application, mode=mode, **callbacks) as client:
            # Awaited apart, since the client's task group would wrap an error in a group. `gather`
            # makes a task of it: in memory, a modern call runs in its caller's task, and up to
            # Python 3.12 a task group that fails leaves the cancellation count of its task raised.
            (outcome,) = await asyncio.gather(use(client), return_exceptions=True)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return asyncio.run(scenario())
