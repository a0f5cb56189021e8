"""The HTTP frontend against a bare Starlette handler, in the same run.

    uv run python benchmarks/bench_http.py [--seconds 3] [--clients 64]

Each server is a process of its own; the load comes from this one, over keep-alive sockets.
Printed are requests per second, latency in ms, CPU of the server per request, and ratios:
ours over bare, and with a thread that computes without end over without it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MODULE = "bench_http_plugin"


def spin() -> None:
    """Compute in Python until the process ends."""
    while True:
        sum(range(1000))


def bare_app() -> Any:
    """Return what every figure is compared with: a framework answering a constant."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def health(_request: Any) -> Any:
        return JSONResponse({"ok": True, "status": "healthy"})

    async def tool(request: Any) -> Any:
        body = json.loads(await request.body())
        if body["name"] == "spin":
            threading.Thread(target=spin, daemon=True).start()
        return JSONResponse({"ok": True, "data": {"cpu_s": time.process_time()}})

    return Starlette(routes=[Route("/health", health), Route("/mcp/tool", tool, methods=["POST"])])


def our_application() -> Any:
    """Return an application with three tools of this script."""
    from aitk_core.application import Application
    from aitk_core.hookspecs import GROUP, hookimpl
    from aitk_core.records.results import ToolResult
    from aitk_core.settings import SettingsSource
    from aitk_core.specs import Lazy, ToolSpec

    async def cpu(_arguments: Any, _context: Any) -> Any:
        return ToolResult(data={"cpu_s": time.process_time()})

    async def start(_arguments: Any, context: Any) -> Any:
        # Kept: the loop itself holds a task only weakly.
        vars(module)["task"] = asyncio.create_task(context.run(spin))
        return ToolResult(data={"cpu_s": time.process_time()})

    class Plugin:
        @hookimpl
        def aitk_tools(self) -> Iterator[ToolSpec]:
            """Declare the tools."""
            for name in ("cpu", "spin"):
                yield ToolSpec(name=name, description="Bench.", handler=Lazy(f"{MODULE}:{name}"))

    module = ModuleType(MODULE)
    vars(module).update(plugin=Plugin(), cpu=cpu, spin=start)
    sys.modules[MODULE] = module
    points = [EntryPoint("bench", f"{MODULE}:plugin", GROUP)]
    source = SettingsSource(environment={"LOG_LEVEL": "WARNING"})
    backend: Any = object()
    return Application(points=points, source=source, backend=backend)


def serve_one(kind: str) -> None:
    """Serve until killed, and print the port on stderr."""
    if kind == "ours":
        from aitk_core.frontends.http.serve import serve
        from aitk_core.settings import HttpSettings

        asyncio.run(serve(our_application(), HttpSettings(port=0)))
        return
    import uvicorn

    # With the protocol named asyncio switches Nagle's algorithm off, as in our own server.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    sys.stderr.write(f"http://127.0.0.1:{listener.getsockname()[1]} \n")
    sys.stderr.flush()
    config = uvicorn.Config(bare_app(), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


@asynccontextmanager
async def server(kind: str) -> AsyncIterator[int]:
    """Run a server in a process of its own and yield its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", kind, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        line = (await process.stderr.readline()).decode()
        yield int(line.split("127.0.0.1:")[1].split()[0])
    finally:
        process.kill()
        await process.wait()


def request(path: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def exchange(streams: Any, message: bytes) -> bytes:
    """Send one request and return the body of its answer."""
    reader, writer = streams
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head[:16]:
        raise RuntimeError(head.decode("latin-1"))
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return bytes(await reader.readexactly(length))


async def cpu_s(port: int, tool: str = "cpu") -> float:
    """Return the server's CPU time so far, in seconds."""
    streams = await asyncio.open_connection("127.0.0.1", port)
    answer = json.loads(
        await exchange(streams, request("/mcp/tool", json.dumps({"name": tool}).encode()))
    )
    streams[1].close()
    return float(answer["data"]["cpu_s"])


async def load(port: int, message: bytes, *, clients: int, seconds: float) -> dict[str, float]:
    """Return rate, latencies and CPU per request of a load."""
    delays: list[float] = []
    before = await cpu_s(port)
    begin = time.perf_counter()

    async def client() -> None:
        streams = await asyncio.open_connection("127.0.0.1", port)
        while (now := time.perf_counter()) - begin < seconds:
            await exchange(streams, message)
            delays.append(time.perf_counter() - now)
        streams[1].close()

    await asyncio.gather(*(client() for _ in range(clients)))
    elapsed_s = time.perf_counter() - begin
    used_s = await cpu_s(port) - before
    delays.sort()
    return {
        "per_s": len(delays) / elapsed_s,
        "p50_ms": 1000 * delays[len(delays) // 2],
        "p99_ms": 1000 * delays[int(len(delays) * 0.99)],
        "cpu_us": 1e6 * used_s / len(delays),
    }


async def measure(kind: str, clients: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return all figures of one server."""
    call = request("/mcp/tool", b'{"name": "cpu"}')
    health = request("/health")
    found = {}
    async with server(kind) as port:
        await load(port, call, clients=4, seconds=0.3)  # imports and caches
        found["/health, 1 client"] = await load(port, health, clients=1, seconds=seconds)
        found["/health"] = await load(port, health, clients=clients, seconds=seconds)
        found["trivial tool"] = await load(port, call, clients=clients, seconds=seconds)
        await cpu_s(port, "spin")
        name = "/health, 1 client, computing"
        found[name] = await load(port, health, clients=1, seconds=seconds)
        found["/health, computing"] = await load(port, health, clients=clients, seconds=seconds)
    return found


def show(ours: dict[str, dict[str, float]], bare: dict[str, dict[str, float]]) -> None:
    """Print figures and ratios."""
    print(f"{'':30} {'':>6} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8}")
    for case, figures in ours.items():
        for name, row in (("ours", figures), ("bare", bare[case])):
            cells = " ".join(f"{value:8.2f}" for value in row.values())
            print(f"{case:30} {name:>6} {cells}")
        ratios = " ".join(f"{figures[key] / bare[case][key]:8.2f}" for key in figures)
        print(f"{case:30} {'ratio':>6} {ratios}")
    for case in ("/health, 1 client", "/health"):
        grown = ours[f"{case}, computing"]["p99_ms"] / ours[case]["p99_ms"]
        print(f"{case}: p99 while a tool computes over p99 idle: {grown:.1f}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each load")
    parser.add_argument("--clients", type=int, default=64, help="clients at once")
    parser.add_argument("--serve", choices=("ours", "bare"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_one(options.serve)
        return
    bare = asyncio.run(measure("bare", options.clients, options.seconds))
    ours = asyncio.run(measure("ours", options.clients, options.seconds))
    show(ours, bare)


if __name__ == "__main__":
    main()
