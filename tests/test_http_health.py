"""Liveness and readiness are two answers: one about this process, one about the backend."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from aitk_core.application import Application
from aitk_core.errors import BackendUnreachableError
from aitk_core.frontends.http.app import build_app
from aitk_core.hookspecs import GROUP, hookimpl
from aitk_core.settings import HttpSettings, SettingsSource

if TYPE_CHECKING:
    from aitk_core.specs import ToolSpec

MODULE = "throw_away_health_plugin"
GUARDED = HttpSettings(auth_token="s3cret")


class Broken:
    @hookimpl
    def aitk_tools(self) -> list[ToolSpec]:
        raise RuntimeError("boom")


class Probed:
    """A backend that only tells whether it is there."""

    def __init__(self, fault: Exception | None = None, *, answers: bool = True) -> None:
        self.fault = fault
        self.answers = answers
        self.probes = 0

    async def probe(self) -> None:
        self.probes += 1
        if not self.answers:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault


def opened(backend: Probed | None = None, *, broken: bool = False) -> Application:
    return Application(
        points=[EntryPoint("broken", f"{MODULE}:broken", GROUP)] if broken else [],
        source=SettingsSource(environment={}),
        backend=cast("Any", backend or Probed()),
    )


def get(
    application: Application,
    *paths: str,
    settings: HttpSettings | None = None,
    headers: dict[str, str] | None = None,
) -> list[httpx.Response]:
    """Ask for all paths at once."""

    async def run() -> list[httpx.Response]:
        app = build_app(application, settings or HttpSettings(), with_mcp=False)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost:8080", headers=headers
        )
        async with app.router.lifespan_context(app), client:
            return await asyncio.gather(*(client.get(path) for path in paths))

    return asyncio.run(run())


@pytest.fixture
def with_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType(MODULE)
    vars(module).update(broken=Broken())
    monkeypatch.setitem(sys.modules, MODULE, module)


def error_of(found: httpx.Response) -> tuple[int, str]:
    assert found.json()["ok"] is False
    return found.status_code, found.json()["error"]["code"]


def test_health_says_who_answers_and_whether_a_token_is_set() -> None:
    (public,) = get(opened(), "/health")
    body = public.json()
    assert body.pop("request_id") == public.headers["x-request-id"]
    assert body.pop("version")
    assert body == {
        "ok": True,
        "status": "healthy",
        "service": "ai-toolkit-mcp-http",
        "auth_enabled": False,
    }
    (guarded,) = get(opened(), "/health", settings=GUARDED)
    assert guarded.json()["auth_enabled"] is True


@pytest.mark.usefixtures("with_broken")
def test_health_names_broken_plugins_and_stays_alive() -> None:
    (found,) = get(opened(broken=True), "/health")
    body = found.json()
    assert (body["status"], body["degraded"]) == ("healthy", True)
    assert body["problems"] == [
        {
            "plugin": "broken",
            "distribution": "?",
            "stage": "aitk_tools",
            "severity": "error",
            "reason": "RuntimeError: boom",
        }
    ]


@pytest.mark.usefixtures("with_broken")
def test_reasons_are_for_those_who_hold_the_token() -> None:
    (public,) = get(opened(broken=True), "/health", settings=GUARDED)
    assert "reason" not in public.json()["problems"][0]
    asks = HttpSettings(auth_token="s3cret", auth_for_health=True)
    token = {"X-API-Key": "s3cret"}
    (private,) = get(opened(broken=True), "/health", settings=asks, headers=token)
    assert private.json()["problems"][0]["reason"] == "RuntimeError: boom"


def test_pitfall_80_health_is_liveness_and_ready_asks_the_backend() -> None:
    away = Probed(BackendUnreachableError("no connection", remedy="start it", url="http://b"))
    alive, ready = get(opened(away), "/health", "/ready")
    assert alive.json()["status"] == "healthy"
    assert error_of(ready) == (503, "BACKEND_UNREACHABLE")
    assert ready.json()["error"]["remedy"] == "start it"
    (ready,) = get(opened(), "/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_health_never_asks_the_backend() -> None:
    backend = Probed(answers=False)
    (found,) = get(opened(backend), "/health")
    assert (found.status_code, backend.probes) == (200, 0)


def test_a_backend_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aitk_core.frontends.http.readiness._PROBE_S", 0.01)
    (found,) = get(opened(Probed(answers=False)), "/ready")
    assert error_of(found) == (503, "BACKEND_TIMEOUT")


def test_many_who_ask_bother_the_backend_once_and_learn_nothing_of_its_bugs() -> None:
    backend = Probed(RuntimeError("secret inside"))
    answers = get(opened(backend), *["/ready"] * 20)
    assert {error_of(found) for found in answers} == {(503, "BACKEND_ERROR")}
    assert "secret" not in answers[0].text
    assert backend.probes == 1


def test_ready_asks_for_the_token_where_health_does() -> None:
    asks = HttpSettings(auth_token="s3cret", auth_for_health=True)
    refused = get(opened(), "/ready", "/health", settings=asks)
    assert {error_of(found) for found in refused} == {(401, "AUTH_REQUIRED")}
