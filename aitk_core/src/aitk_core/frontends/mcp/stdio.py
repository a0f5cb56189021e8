"""MCP over stdin and stdout."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from mcp.server.stdio import stdio_server

from aitk_core.frontends.mcp.lines import AnsweredLines
from aitk_core.frontends.mcp.server import build_server

if TYPE_CHECKING:
    from aitk_core.application import Application


async def serve(application: Application) -> None:
    """Serve until the client closes stdin, or a signal asks us to end.

    The reader of stdin is a thread blocked in a read, so after a signal the process leaves
    without waiting for it; what was opened is closed before.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if os.name == "posix":
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    async with application, AsyncExitStack() as services:
        await services.enter_async_context(application.background.running("stdio"))
        server = build_server(application)
        async with stdio_server() as (read, write):
            serving = asyncio.ensure_future(
                server.run(
                    AnsweredLines(read, write), write, server.create_initialization_options()
                )
            )
            waiting = asyncio.ensure_future(stop.wait())
            await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if not stop.is_set():
                await serving
                return
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await services.aclose()
            await application.__aexit__(None, None, None)
            sys.stderr.flush()
            os._exit(0)
