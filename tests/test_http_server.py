"""The HTTP frontend on real sockets: under load, when clients leave, and until it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import threading
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from aitk_core.application import Application
from aitk_core.errors import InvalidSettingError
from aitk_core.frontends.http.app import build_app
from aitk_core.frontends.http.serve import listen, prompt_switching, serve, server_for
from aitk_core.hookspecs import GROUP, hookimpl
from aitk_core.records.results import ToolResult
from aitk_core.settings import HttpSettings, SettingsSource
from aitk_core.specs import Lazy, ToolSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aitk_core.protocols import ToolContext

MODULE = "throw_away_server_plugin"
TOKEN = "s3cret"
PATIENCE_S = 20.0
"""Ends a test that hangs; nothing takes a fraction of it."""


class Signals:
    """What the tools and the tests tell each other."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.release = threading.Event()


SIGNALS: Signals


def spin(release: threading.Event) -> int:
    rounds = 0
    while not release.is_set():
        rounds += sum(range(1000))
    return rounds


async def busy(_arguments: Any, context: ToolContext) -> ToolResult:
    SIGNALS.started.set()
    await context.run(spin, SIGNALS.release)
    return ToolResult(summary="done")


async def hang(_arguments: Any, _context: ToolContext) -> ToolResult:
    SIGNALS.started.set()
    try:
        await asyncio.Event().wait()
    finally:
        SIGNALS.cancelled.set()
    raise AssertionError


async def quick(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(data={"n": 1}, summary="one")


async def ping(_arguments: Any, context: ToolContext) -> ToolResult:
    return ToolResult(data={"read_only": context.read_only}, summary="pong")


class Plugin:
    @hookimpl
    def aitk_tools(self) -> list[ToolSpec]:
        return [
            ToolSpec(name=name, description="For tests.", handler=Lazy(f"{MODULE}:{name}"))
            for name in ("busy", "hang", "quick", "ping")
        ]


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Application:
    module = ModuleType(MODULE)
    vars(module).update(plugin=Plugin(), busy=busy, hang=hang, quick=quick, ping=ping)
    monkeypatch.setitem(sys.modules, MODULE, module)
    return Application(
        points=[EntryPoint("test", f"{MODULE}:plugin", GROUP)],
        source=SettingsSource(environment={}),
        backend=cast("Any", object()),
    )


@asynccontextmanager
async def running(
    application: Application, settings: HttpSettings | None = None
) -> AsyncIterator[int]:
    """Serve on a free port and yield it."""
    global SIGNALS  # noqa: PLW0603 - the handlers are loaded by name, and take only this
    SIGNALS = Signals()
    app = build_app(application, settings or HttpSettings())
    server = server_for(app)
    with listen(HttpSettings(port=0)) as listener, prompt_switching():
        async with app.router.lifespan_context(app):
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                async with asyncio.timeout(PATIENCE_S):
                    yield listener.getsockname()[1]
            finally:
                SIGNALS.release.set()
                server.should_exit = True
                await serving


def connected(port: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=100)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=PATIENCE_S)


async def until_tasks(count: int) -> None:
    """Wait until so many tasks are left; the patience of `running` bounds it."""
    while len(asyncio.all_tasks()) != count:
        await asyncio.sleep(0.005)


async def say(port: int, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send raw bytes and return status, headers and body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    writer.close()
    return int(head[0].split()[1]), headers, body


def test_pitfall_81_health_answers_64_clients_while_a_tool_computes(
    application: Application,
) -> None:
    async def run() -> None:
        async with running(application) as port, connected(port) as client:
            slow = asyncio.create_task(client.post("/mcp/tool", json={"name": "busy"}))
            await SIGNALS.started.wait()
            answers = await asyncio.gather(*(client.get("/health") for _ in range(64)))
            assert {found.status_code for found in answers} == {200}
            assert len({found.json()["request_id"] for found in answers}) == 64
            assert not slow.done()
            SIGNALS.release.set()
            assert (await slow).json()["data"] == {"message": "done"}

    asyncio.run(run())


def test_64_clients_at_once_are_each_answered_and_leave_nothing_behind(
    application: Application,
) -> None:
    async def run() -> None:
        async with running(application) as port:
            baseline = len(asyncio.all_tasks())
            async with connected(port) as client:
                names = ["quick", "ping", "nope", "quick"] * 16
                calls = (client.post("/mcp/tool", json={"name": name}) for name in names)
                answers = await asyncio.gather(*calls)
            codes = [found.status_code for found in answers]
            assert codes == [404 if name == "nope" else 200 for name in names]
            await until_tasks(baseline)

    asyncio.run(run())


def test_a_client_that_leaves_cancels_its_tool_and_leaks_nothing(application: Application) -> None:
    async def run() -> None:
        async with running(application) as port:
            baseline = len(asyncio.all_tasks())
            for _ in range(5):
                SIGNALS.started.clear()
                SIGNALS.cancelled.clear()
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(
                    b"POST /mcp/tool HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n"
                    b'{"name":"hang"}'
                )
                await SIGNALS.started.wait()
                assert not SIGNALS.cancelled.is_set()
                writer.close()
                await SIGNALS.cancelled.wait()
            await until_tasks(baseline)

    asyncio.run(run())


def test_a_tool_that_runs_into_the_limit_is_cancelled(application: Application) -> None:
    async def run() -> None:
        settings = HttpSettings(tool_timeout_seconds=0.02)
        async with running(application, settings) as port, connected(port) as client:
            found = await client.post("/mcp/tool", json={"name": "hang"})
            assert found.status_code == 504
            assert SIGNALS.cancelled.is_set()
            found = await client.post("/mcp/tool", json={"name": "busy"})
            assert found.json()["error"]["code"] == "TOOL_TIMEOUT"
            assert not SIGNALS.release.is_set()

    asyncio.run(run())


def test_pitfall_61_odd_bytes_in_a_credential_are_answered_in_the_envelope(
    application: Application,
) -> None:
    async def run() -> None:
        async with running(application, HttpSettings(auth_token=TOKEN)) as port:
            status, headers, body = await say(
                port,
                b"POST /mcp/tool HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: r1\r\n"
                b"Authorization: Bearer \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
            )
            assert (status, headers["x-request-id"]) == (403, "r1")
            assert json.loads(body)["error"]["code"] == "AUTH_INVALID"

    asyncio.run(run())


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_above_the_limit_is_answered_while_it_is_still_sent(
    application: Application,
    chunked: bool,
) -> None:
    async def run() -> None:
        settings = HttpSettings(max_body_bytes=1000)
        async with running(application, settings) as port, connected(port) as client:

            async def chunks() -> AsyncIterator[bytes]:
                for _ in range(32):
                    yield b" " * 65536

            content: Any = chunks() if chunked else b" " * 2_000_000
            found = await client.post("/mcp/tool", content=content)
            assert found.status_code == 413
            assert found.json()["error"]["details"] == {"max_body_bytes": 1000}

    asyncio.run(run())


def test_a_client_that_asks_first_is_told_before_it_sends(application: Application) -> None:
    async def run() -> None:
        async with running(application) as port:
            status, headers, _ = await say(
                port,
                b"POST /mcp/tool HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                b"Content-Length: 99999999999\r\n\r\n",
            )
            assert (status, headers["connection"]) == (413, "close")

    asyncio.run(run())


def test_a_body_that_never_comes_is_408(application: Application) -> None:
    async def run() -> None:
        async with running(application, HttpSettings(tool_timeout_seconds=0.02)) as port:
            head = b"POST /mcp/tool HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n"
            status, _, body = await say(port, head, b"{")
            assert (status, json.loads(body)["error"]["code"]) == (408, "REQUEST_TIMEOUT")

    asyncio.run(run())


def test_head_sends_no_body_and_the_server_does_not_name_itself(application: Application) -> None:
    async def run() -> None:
        async with running(application) as port, connected(port) as client:
            found = await client.head("/health")
            assert (found.status_code, found.content) == (200, b"")
            assert "server" not in found.headers

    asyncio.run(run())


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_mcp_lists_and_runs_what_the_bridge_does(application: Application, mode: Any) -> None:
    async def run() -> None:
        settings = HttpSettings(auth_token=TOKEN)
        async with running(application, settings) as port, connected(port) as bridge:
            headers = {"Authorization": f"Bearer {TOKEN}", "X-MCP-Readonly": "1"}
            listed = (await bridge.get("/tools", headers=headers)).json()["tools"]
            async with httpx2.AsyncClient(headers=headers) as web:
                transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=web)
                async with Client(transport, mode=mode) as client:
                    found = await client.list_tools()
                    assert [tool.name for tool in found.tools] == [tool["name"] for tool in listed]
                    answer = await client.call_tool("ping", {})
                    assert answer.structured_content == {"read_only": True}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "code", "challenge"),
    [
        ({}, "AUTH_REQUIRED", "Bearer"),
        ({"Authorization": "Bearer x"}, "AUTH_INVALID", 'Bearer error="invalid_token"'),
    ],
)
def test_mcp_is_behind_the_same_token(
    application: Application, headers: dict[str, str], code: str, challenge: str
) -> None:
    async def run() -> None:
        settings = HttpSettings(auth_token=TOKEN)
        async with running(application, settings) as port, connected(port) as client:
            found = await client.post("/mcp", json={}, headers=headers)
            assert (found.status_code, found.json()["error"]["code"]) == (401, code)
            assert found.headers["www-authenticate"] == challenge
            assert found.headers["x-request-id"]

    asyncio.run(run())


PROGRAM = """
import asyncio, sys
from aitk_core.application import Application
from aitk_core.frontends.http.serve import serve
from aitk_core.settings import HttpSettings, SettingsSource

application = Application(
    points=[], source=SettingsSource(environment={}), backend=object()
)
asyncio.run(serve(application, HttpSettings(port=0)))
print("ended in order")
"""

CLIENT = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_the_server_says_where_it_listens_and_ends_in_order_with_a_stream_open() -> None:
    async def run() -> tuple[int | None, bytes, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "error", "-c", PROGRAM),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = (await process.stderr.readline()).decode()
                assert line.startswith("ai-toolkit-mcp: listening on http://127.0.0.1:")
                port = int(line.split("127.0.0.1:")[1].split()[0])
                async with connected(port) as client:
                    accept = {"Accept": "application/json, text/event-stream"}
                    first = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": CLIENT}
                    opened = await client.post("/mcp", json=first, headers=accept)
                    session = {**accept, "Mcp-Session-Id": opened.headers["mcp-session-id"]}
                    async with client.stream("GET", "/mcp", headers=session) as stream:
                        assert stream.status_code == 200
                        process.send_signal(signal.SIGTERM)
                        output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode, output, errors

    assert asyncio.run(run()) == (0, b"ended in order\n", b"")


def test_a_port_that_is_taken_is_a_usage_error(application: Application) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = HttpSettings(port=other.getsockname()[1])
        with pytest.raises(InvalidSettingError, match="cannot listen"):
            asyncio.run(serve(application, settings))


@pytest.mark.parametrize(
    "settings",
    [
        HttpSettings(host="no.such.name.invalid", auth_token=TOKEN),
        HttpSettings(port=70_000),
        HttpSettings(host="0.0.0.0"),  # noqa: S104 - to be refused
    ],
)
def test_an_address_that_cannot_be_used_is_a_usage_error(
    application: Application, settings: HttpSettings
) -> None:
    with pytest.raises(InvalidSettingError):
        asyncio.run(serve(application, settings))
