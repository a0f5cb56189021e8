"""The sandbox as a running server, on the loopback interface only."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sqlite3
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import uvicorn

from aitk_core.errors import InvalidSettingError
from aitk_core.frontends.http.listening import listen_on
from aitk_sandbox.app import create_app, open_backend

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Sequence

    from aitk_sandbox.web import Backend

HOST: Final = "127.0.0.1"


@attrs.frozen(kw_only=True)
class Sandbox:
    """A running sandbox."""

    url: str
    data_dir: Path
    training_folder: Path
    datasets_folder: Path


@asynccontextmanager
async def running(
    data_dir: Path, port: int = 0, token: str | None = None, worker_interval_s: float = 1.0
) -> AsyncIterator[Sandbox]:
    """Run a sandbox: server and worker in this event loop, trainers as processes of their own.

    Trainers that still run at the end are interrupted and waited for.

    Args:
        data_dir: Folder of everything the sandbox keeps; created if missing.
        port: Port on loopback, 0 for any free one.
        token: Bearer token to ask for, or None.
        worker_interval_s: Seconds between looks at the queues, more than 0.

    Raises:
        InvalidSettingError: The port cannot be had, or the folder cannot be used.
    """
    listener = _listen(port)
    try:
        backend = await asyncio.to_thread(_prepare, data_dir)
    except BaseException:
        listener.close()
        raise
    folders = backend.folders
    config = uvicorn.Config(
        create_app(backend, token=token),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    # Not `serve`, which takes the signals of the process away from whoever runs the sandbox.
    # The socket listens already, so nobody has to wait until the server has started.
    serving = asyncio.create_task(server._serve(sockets=[listener]))  # noqa: SLF001 - see above
    working = asyncio.create_task(backend.worker.run(worker_interval_s))
    try:
        yield Sandbox(
            url=f"http://{HOST}:{listener.getsockname()[1]}",
            data_dir=folders.data,
            training_folder=folders.training,
            datasets_folder=folders.datasets,
        )
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await backend.worker.close()
        server.should_exit = True
        await serving
        listener.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sandbox alone until it is interrupted; prints its URL."""
    parser = argparse.ArgumentParser(prog="aitk_sandbox", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the sandbox")
    parser.add_argument("--port", type=int, default=8675, help="port on loopback, 0 for any")
    parser.add_argument("--token", default=None, help="bearer token to ask for")
    options = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    try:
        asyncio.run(_serve(options.data, options.port, options.token))
    except InvalidSettingError as error:
        sys.stderr.write(f"{error}; {error.remedy}\n")
        return 2
    return 0


async def _serve(data_dir: Path, port: int, token: str | None) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers; there KeyboardInterrupt ends the loop.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, ended.set)
    async with running(data_dir, port, token) as sandbox:
        sys.stdout.write(f"{sandbox.url}\n")
        sys.stdout.flush()
        await ended.wait()


def _listen(port: int) -> socket.socket:
    try:
        return listen_on(HOST, port)
    except (OSError, OverflowError) as error:
        raise InvalidSettingError(
            f"cannot listen on port {port!r}: {error}",
            remedy="choose another port, or 0 for any free one",
            setting="port",
            source="sandbox",
        ) from error


def _prepare(data_dir: Path) -> Backend:
    # Here, so that importing this module does not import numpy and Pillow.
    from aitk_sandbox.pictures import ensure_demo_pictures

    try:
        backend = open_backend(data_dir.absolute())
        backend.folders.training.mkdir(parents=True, exist_ok=True)
        ensure_demo_pictures(backend.folders.datasets)
    except (OSError, sqlite3.Error) as error:
        raise InvalidSettingError(
            f"cannot use data folder {str(data_dir)!r}: {error}",
            remedy="name a folder that can be written",
            setting="data_dir",
            source="sandbox",
        ) from error
    return backend
