"""Services of plugins run beside a frontend, start again, and are missed when silent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from aitk_core import background
from aitk_core.frontends.http.app import build_app
from aitk_core.settings import HttpSettings
from aitk_core.specs import Lazy, ServiceSpec
from aitk_core.testing.plugins import declare, fake_points

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aitk_core.application import Application
    from aitk_core.protocols import ServiceContext

EVENTS: list[str] = []


class Away:
    """A backend that nobody asks."""


async def steady(service: ServiceContext) -> None:
    EVENTS.append(service.owner)
    try:
        await asyncio.Event().wait()
    finally:
        EVENTS.append("ended")


async def failing(_service: ServiceContext) -> None:
    EVENTS.append("begun")
    raise RuntimeError("no")


async def asking(service: ServiceContext) -> None:
    context = service.tools()
    EVENTS.append(f"read-only {context.read_only}, deadline {context.remaining_s()}")
    await asyncio.Event().wait()


async def until(reached: Callable[[], bool]) -> None:
    """Let the loop run on until it is so."""
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0)


@pytest.fixture
def serving(application_with: Callable[..., Application]) -> Callable[..., Any]:
    EVENTS.clear()

    @asynccontextmanager
    async def serve(
        *names: str, environment: dict[str, str] | None = None, **options: Any
    ) -> AsyncIterator[Application]:
        services = [
            ServiceSpec(name=name, run=Lazy(f"{__name__}:{name}"), **options) for name in names
        ]
        points = fake_points(acme=declare(aitk_services=services))
        application = application_with(cast("Any", Away()), environment, points=points)
        async with application, application.background.running(settle_s=0):
            yield application

    return serve


def test_a_service_runs_until_the_server_ends(serving: Callable[..., Any]) -> None:
    async def run() -> None:
        async with serving("steady") as application:
            await until(lambda: bool(EVENTS))
            assert [state.ok for state in application.background.states()] == [True]
        assert EVENTS[1:] == ["ended"]

    asyncio.run(run())


def test_each_run_of_a_server_has_an_owner_of_its_own(serving: Callable[..., Any]) -> None:
    async def run() -> str:
        EVENTS.clear()
        async with serving("steady"):
            await until(lambda: bool(EVENTS))
        return EVENTS[0]

    assert asyncio.run(run()) != asyncio.run(run())


def test_a_service_that_fails_is_started_again(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_PAUSES_S", (0.0, 0.0, 3600.0))

    async def run() -> None:
        async with serving("failing", "steady") as application:
            states = application.background.states
            await until(lambda: EVENTS.count("begun") == 3)
            await until(lambda: states()[0].failures == 3)
            assert states()[1].failures == 0

    asyncio.run(run())


def test_a_service_acts_under_the_servers_policy(serving: Callable[..., Any]) -> None:
    async def run() -> None:
        async with serving("asking", environment={"AITK_READ_ONLY": "1"}):
            await until(lambda: bool(EVENTS))

    asyncio.run(run())
    assert EVENTS == ["read-only True, deadline None"]


@pytest.mark.parametrize(("silent_s", "status"), [(9.9, 200), (10.1, 503)])
def test_a_server_whose_service_is_silent_for_two_intervals_is_not_healthy(
    application_with: Callable[..., Application],
    silent_s: float,
    status: int,
) -> None:
    spec = ServiceSpec(name="steady", run=Lazy(f"{__name__}:steady"), interval_s=5.0)
    application = application_with(
        cast("Any", Away()), points=fake_points(acme=declare(aitk_services=[spec]))
    )

    async def run() -> httpx.Response:
        app = build_app(application, HttpSettings(), with_mcp=False)
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with app.router.lifespan_context(app):
            await until(lambda: "ended" not in EVENTS and bool(EVENTS))
            (running,) = application.background._services.values()
            running.beaten = running.clock() - silent_s
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as web:
                return await web.get("/health")

    EVENTS.clear()
    answer = asyncio.run(run())
    assert answer.status_code == status
    body = answer.json()
    assert body["ok"] is (status == 200)
    assert body["services"]["steady"]["ok"] is (status == 200)
    if status == 503:
        assert body["error"]["code"] == "SERVICE_STUCK"
