"""Servers for tests: the `aitk` command as a process, an application behind a socket."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from aitk_core.frontends.http.listening import listen_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def environment(url: str, home: Path, **settings: str) -> dict[str, str]:
    """Give the environment of a command that knows one backend and keeps its data in `home`.

    Further settings are named as in the environment.

    Variables of this process that begin with `AITK` or `MCP_HTTP` are left out.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AITK", "MCP_HTTP"))}
    ours = {"AITK_HOME": str(home), "LOG_LEVEL": "WARNING", "AI_TOOLKIT_SERVER_URL": url}
    return {**kept, **ours, **settings}


@asynccontextmanager
async def serving(url: str, home: Path, **settings: str) -> AsyncIterator[str]:
    """Run `aitk serve` on a free port, and give its address once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "aitk_core", "serve", "--port", str(port),
        env=environment(url, home, **settings), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while True:
                try:
                    await client.get(f"{address}/health")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield address
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application on a free port of this process, and give its address."""
    import uvicorn

    listener = listen_on("127.0.0.1", 0)
    config = uvicorn.Config(app, log_level="critical", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
