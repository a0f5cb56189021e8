"""The HTTP frontend over recorded runs: through a client of the test, or behind a socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from aitk_core.application import Application
from aitk_core.frontends.http.app import build_app
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from support.servers import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from starlette.applications import Starlette

    from aitk_core.proving.recorded import Recording


def recorded_site(
    home: Path,
    runs: Iterable[Recording] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Starlette:
    """Return the HTTP frontend with all recorded runs, or with those given."""
    environment = {"AITK_HOME": str(home), "AITK_PARALLEL": "threads", **(settings or {})}
    backend = recorded_backend(recorded_runs().values() if runs is None else runs)
    application = Application(source=SettingsSource(environment=environment), backend=backend)
    return build_app(application, application.http_settings(), with_mcp=False)


@asynccontextmanager
async def client_of(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Open an application and give a client of it, without a socket."""
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client,
    ):
        yield client


def with_client(
    home: Path,
    work: Callable[[httpx.AsyncClient], Awaitable[Any]],
    runs: Iterable[Recording] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Any:
    """Do something with a client of the HTTP frontend over recorded runs."""

    async def run() -> Any:
        async with client_of(recorded_site(home, runs, settings)) as client:
            return await work(client)

    return asyncio.run(run())


def fetched(
    home: Path, path: str, runs: Iterable[Recording] | None = None, **settings: str
) -> httpx.Response:
    """Return what the HTTP frontend over recorded runs answers."""
    answer: httpx.Response = with_client(home, lambda client: client.get(path), runs, settings)
    return answer


@asynccontextmanager
async def serving_recorded(
    home: Path, runs: Iterable[Recording] | None = None, **settings: str
) -> AsyncIterator[str]:
    """Serve the HTTP frontend over recorded runs on a free port, and give its address."""
    app = recorded_site(home, runs, settings)
    async with app.router.lifespan_context(app), served(app) as address:
        yield address
