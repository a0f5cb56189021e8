"""Sockets that listen: for short answers at once, whatever the server."""

from __future__ import annotations

import asyncio
import socket

import pytest

from aitk_core.frontends.http.listening import listen_on


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_of_an_asyncio_server_sends_what_it_has_at_once(host: str) -> None:
    async def run() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found = writer.get_extra_info("socket")
            accepted.set_result(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        try:
            listener = listen_on(host, 0)
        except OSError:
            pytest.skip(f"{host} is not to be had here")
        async with await asyncio.start_server(handle, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
            found = await accepted
            writer.close()
        return found

    assert asyncio.run(run()) != 0


def test_a_port_that_is_taken_or_none_is_refused() -> None:
    with listen_on("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listen_on("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(OverflowError):
        listen_on("127.0.0.1", 70_000)
