"""Paths that plugins declare: guarded as the bridge's own, isolated from each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from aitk_core.application import Application
from aitk_core.errors import ConflictError, InvalidSpecError
from aitk_core.frontends.http.app import build_app
from aitk_core.settings import SettingsSource
from aitk_core.specs import WebRouteSpec
from aitk_core.testing.plugins import declare, fake_points, lazy
from aitk_core.testing.recorded import recorded_backend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.requests import Request

    from aitk_core.protocols import ToolContext


async def hello(request: Request, context: ToolContext) -> PlainTextResponse:
    name = request.path_params.get("name", "")
    return PlainTextResponse(f"hello {name}, read only {context.read_only}")


async def fail(_request: Request, _context: ToolContext) -> PlainTextResponse:
    raise ConflictError("not now", remedy="later")


async def crash(_request: Request, _context: ToolContext) -> PlainTextResponse:
    raise ZeroDivisionError("s3cret")


ROUTES = [
    WebRouteSpec(path="/acme/{name}", handler=lazy(hello)),
    WebRouteSpec(path="/acme-open", handler=lazy(hello), needs_token=False),
    WebRouteSpec(path="/acme-post", handler=lazy(hello), method="POST"),
    WebRouteSpec(path="/acme-fails", handler=lazy(fail)),
    WebRouteSpec(path="/acme-crashes", handler=lazy(crash)),
]


def with_client(
    home: Path,
    work: Callable[[httpx.AsyncClient], Awaitable[Any]],
    **settings: str,
) -> Any:
    async def run() -> Any:
        points = fake_points(acme=declare(aitk_web_routes=ROUTES))
        source = SettingsSource(environment={"AITK_HOME": str(home), **settings})
        application = Application(source=source, backend=recorded_backend(()), points=points)
        app = build_app(application, application.http_settings(), with_mcp=False)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            return await work(client)

    return asyncio.run(run())


def test_a_path_of_a_plugin_answers_get_and_head(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        answer = await client.get("/acme/you")
        assert (answer.status_code, answer.text) == (200, "hello you, read only False")
        assert answer.headers["x-request-id"]
        head = await client.head("/acme/you")
        assert (head.status_code, head.content) == (200, b"")
        assert (await client.post("/acme/you")).status_code == 405
        assert (await client.post("/acme-post")).status_code == 200

    with_client(tmp_path, work)


def test_what_a_handler_raises_is_an_envelope_and_a_crash_tells_nothing(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        refused = await client.get("/acme-fails")
        assert refused.status_code == 409
        assert refused.json()["error"] == {
            "code": "CONFLICT",
            "message": "not now",
            "remedy": "later",
        }
        crashed = await client.get("/acme-crashes")
        assert crashed.status_code == 500
        assert "s3cret" not in crashed.text
        assert (await client.get("/acme/you")).status_code == 200

    with_client(tmp_path, work)


def test_token_origin_and_host_are_checked_before_the_handler(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        token = {"Authorization": "Bearer t0ken"}
        assert (await client.get("/acme/you")).status_code == 401
        assert (await client.get("/acme/you", headers=token)).status_code == 200
        assert (await client.get("/acme-open")).status_code == 200
        foreign = {"Origin": "https://elsewhere.example"}
        assert (await client.get("/acme-open", headers=foreign)).status_code == 403
        rebound = {"Host": "elsewhere.example"}
        assert (await client.get("/acme-open", headers=rebound)).status_code == 421

    with_client(tmp_path, work, MCP_HTTP_AUTH_TOKEN="t0ken")


def test_requests_of_a_client_are_limited_as_calls_are(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        statuses = [(await client.get("/acme/you")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]

    limits = {"MCP_HTTP_RATE_LIMIT_ENABLED": "1", "MCP_HTTP_RATE_LIMIT_MAX_REQUESTS": "2"}
    with_client(tmp_path, work, **limits)


def test_a_callers_own_read_only_holds_for_pages_too(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        assert (await client.get("/acme/you")).text.endswith("True")

    with_client(tmp_path, work, AITK_READ_ONLY="1")


@pytest.mark.parametrize(
    "path",
    [
        *("acme", "/", "", "/a b", "//x", f"/{300 * 'a'}"),
        *("/health", "/tools/x", "/mcp", "/mcp/tool", "/metrics", "/openapi.json"),
    ],
)
def test_a_path_that_is_none_or_the_cores_is_refused(path: str) -> None:
    with pytest.raises(InvalidSpecError):
        WebRouteSpec(path=path, handler=lazy(hello))


def test_a_path_taken_twice_is_a_problem_that_names_its_owner(tmp_path: Path) -> None:
    spec = WebRouteSpec(path="/acme", handler=lazy(hello))
    points = fake_points(
        acme=declare(aitk_web_routes=[spec]), other=declare(aitk_web_routes=[spec])
    )
    source = SettingsSource(environment={"AITK_HOME": str(tmp_path)})
    application = Application(source=source, backend=recorded_backend(()), points=points)
    (problem,) = application.problems
    assert problem.stage == "aitk_web_routes"
    assert "acme" in problem.reason
