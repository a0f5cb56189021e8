"""Connections over loopback: shared, slow, broken off, cancelled."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from aitk_core import errors
from aitk_core.backend.client import AiToolkitBackend
from aitk_core.backend.streaming import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@asynccontextmanager
async def loopback(
    serve: Callable[[bytes, asyncio.StreamWriter], Awaitable[bool]],
) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve connections on loopback; `serve` tells whether to keep one open."""
    connections: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(0)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                connections[-1] += 1
                if not await serve(head, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", connections
    finally:
        server.close()


def over_loopback(
    serve: Callable[[bytes, asyncio.StreamWriter], Awaitable[bool]],
    use: Callable[[AiToolkitBackend, list[int]], Awaitable[None]],
    **more: Any,
) -> None:
    async def run() -> None:
        async with (
            loopback(serve) as (url, connections),
            AiToolkitBackend(url, backoff_s=(0.0, 0.0), **more) as backend,
        ):
            await use(backend, connections)

    asyncio.run(run())


def plain(body: bytes, *, announced: int | None = None) -> bytes:
    length = len(body) if announced is None else announced
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode() + body


async def list_no_jobs(_head: bytes, writer: asyncio.StreamWriter) -> bool:
    writer.write(plain(b'{"jobs": []}'))
    await writer.drain()
    return True


def test_calls_one_after_the_other_share_a_connection_and_many_at_once_two() -> None:
    async def use(backend: AiToolkitBackend, connections: list[int]) -> None:
        for _ in range(5):
            await backend.jobs()
        assert connections == [5]
        await asyncio.gather(*(backend.jobs() for _ in range(20)))
        assert len(connections) == 2
        assert sum(connections) == 25

    over_loopback(list_no_jobs, use)


def test_a_slow_server_is_left_at_the_deadline_and_the_next_call_works() -> None:
    stalls = [True]

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> bool:
        if stalls:
            stalls.clear()
            await asyncio.Event().wait()
        return await list_no_jobs(head, writer)

    async def use(backend: AiToolkitBackend, _connections: list[int]) -> None:
        with pytest.raises(errors.BackendTimeoutError) as caught:
            await backend.jobs()
        assert caught.value.details["timeout_s"] == 0.1
        await backend.jobs()

    over_loopback(serve, use, timeout_s=0.1)


def test_a_server_that_drips_is_left_at_the_deadline_of_the_whole_answer() -> None:
    async def serve(_head: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(plain(b"", announced=1000))
        for _ in range(30):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)
        return False

    async def use(backend: AiToolkitBackend, _connections: list[int]) -> None:
        for call in (backend.jobs(), backend.log_tail("one")):
            with pytest.raises(errors.BackendTimeoutError):
                await call

    over_loopback(serve, use, timeout_s=0.1)


def test_an_answer_that_breaks_off_is_a_protocol_error() -> None:
    async def serve(_head: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(plain(b'{"jobs": [', announced=1000))
        await writer.drain()
        return False

    async def use(backend: AiToolkitBackend, connections: list[int]) -> None:
        for call in (backend.jobs(), backend.log_tail("one"), backend.start_job("one")):
            with pytest.raises(errors.BackendProtocolError):
                await call
        assert sum(connections) == 3

    over_loopback(serve, use)


def test_a_server_that_hangs_up_is_tried_again_for_reads_only() -> None:
    async def serve(_head: bytes, _writer: asyncio.StreamWriter) -> bool:
        return False

    async def use(backend: AiToolkitBackend, connections: list[int]) -> None:
        with pytest.raises(errors.BackendUnreachableError):
            await backend.jobs()
        assert sum(connections) == 3
        with pytest.raises(errors.BackendUnreachableError):
            await backend.start_job("one")
        assert sum(connections) == 4

    over_loopback(serve, use)


def test_something_that_speaks_no_http_is_a_protocol_error() -> None:
    async def serve(_head: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await writer.drain()
        return False

    async def use(backend: AiToolkitBackend, _connections: list[int]) -> None:
        with pytest.raises(errors.BackendProtocolError):
            await backend.jobs()

    over_loopback(serve, use)


def test_a_closed_port_is_unreachable_with_the_address() -> None:
    async def run() -> None:
        async with loopback(list_no_jobs) as (url, _connections):
            pass
        async with AiToolkitBackend(url, backoff_s=(0.0,)) as backend:
            with pytest.raises(errors.BackendUnreachableError) as caught:
                await backend.probe()
        assert caught.value.details == {"url": url, "attempts": 2}

    asyncio.run(run())


def test_a_cancelled_call_leaves_a_client_that_works() -> None:
    waiting = asyncio.Event()

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> bool:
        if b"/log" in head:
            writer.write(plain(b'{"log": "' + b"x" * PIECE_BYTES, announced=10**9))
            await writer.drain()
            waiting.set()
            await asyncio.Event().wait()
        return await list_no_jobs(head, writer)

    async def use(backend: AiToolkitBackend, _connections: list[int]) -> None:
        for _ in range(3):  # more often than there are connections
            waiting.clear()
            task = asyncio.create_task(backend.log_tail("one"))
            await waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await backend.jobs()

    over_loopback(serve, use, timeout_s=5.0)


def test_however_many_calls_are_cancelled_at_whatever_moment_the_next_one_works() -> None:
    # A pool of httpcore 1.0.9 loses a connection for good where a call is cancelled at certain
    # moments; two of these, and every later call waits in vain.
    moments = random.Random(20)  # noqa: S311 - not for secrets

    async def use(backend: AiToolkitBackend, _connections: list[int]) -> None:
        async def left(turns: int) -> None:
            call = asyncio.ensure_future(backend.jobs())
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

        for _ in range(60):
            await asyncio.gather(*(left(moments.randint(0, 60)) for _ in range(8)))
            assert (await backend.jobs()).jobs == ()

    over_loopback(list_no_jobs, use, timeout_s=5.0)


def test_a_cancelled_call_is_given_up_at_once_and_the_backend_is_not_asked_again() -> None:
    answered = asyncio.Event()

    async def silent_once(_head: bytes, writer: asyncio.StreamWriter) -> bool:
        if not answered.is_set():
            answered.set()
            await asyncio.sleep(20)
        return await list_no_jobs(_head, writer)

    async def use(backend: AiToolkitBackend, connections: list[int]) -> None:
        call = asyncio.ensure_future(backend.jobs())
        await answered.wait()
        begun = asyncio.get_running_loop().time()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()
        await backend.jobs()
        assert asyncio.get_running_loop().time() - begun < 5
        assert connections == [1, 1]

    over_loopback(silent_once, use, timeout_s=30.0)


def test_closing_ends_what_is_under_way_and_leaves_no_connection() -> None:
    asked = asyncio.Event()
    ended = asyncio.Event()

    async def silent(_head: bytes, _writer: asyncio.StreamWriter) -> bool:
        asked.set()
        await asyncio.sleep(30)
        return False

    async def run() -> None:
        async with loopback(silent) as (url, _):
            backend = AiToolkitBackend(url, backoff_s=(), timeout_s=20.0)
            call = asyncio.ensure_future(backend.jobs())
            call.add_done_callback(lambda _: ended.set())
            await asked.wait()
            await backend.aclose()
            async with asyncio.timeout(5):
                await ended.wait()
            assert call.exception() is not None
            with pytest.raises(RuntimeError, match="closed"):
                await backend.jobs()

    asyncio.run(run())


def test_a_deadline_of_the_caller_is_not_taken_for_ours() -> None:
    async def serve(_head: bytes, _writer: asyncio.StreamWriter) -> bool:
        await asyncio.Event().wait()
        return False

    async def use(backend: AiToolkitBackend, _connections: list[int]) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await backend.jobs()

    over_loopback(serve, use, timeout_s=5.0)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def use(backend: AiToolkitBackend, _connections: list[int]) -> None:
        await backend.jobs()

    over_loopback(list_no_jobs, use)


def test_a_closed_client_says_so_and_closing_twice_is_harmless() -> None:
    async def run() -> None:
        transport = httpx.MockTransport(lambda _request: httpx.Response(200, json={"jobs": []}))
        backend = AiToolkitBackend("http://backend.test", transport=transport)
        await backend.jobs()
        await backend.aclose()
        await backend.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await backend.jobs()

    asyncio.run(run())


def test_an_address_below_a_path_is_kept() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json={"jobs": []})

    backend = AiToolkitBackend("https://host/aitk/", transport=httpx.MockTransport(answer))
    assert backend.url == "https://host/aitk"
    asyncio.run(backend.jobs())
    assert paths == ["/aitk/api/jobs"]


def test_httpx_is_not_imported_before_the_first_request() -> None:
    program = (
        "import sys\n"
        "from aitk_core.backend.client import AiToolkitBackend\n"
        "import aitk_core.backend.protocol\n"
        "AiToolkitBackend('http://127.0.0.1:1', token='x')\n"
        "heavy = {'httpx', 'httpcore', 'numpy', 'mcp', 'jsonschema', 'cattrs'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
