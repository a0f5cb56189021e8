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
from aitk_core.frontends.http.cookies import is_valid, issued
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
    WebRouteSpec(path="/acme-page", handler=lazy(hello), login="/acme-login"),
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


def test_a_change_is_refused_to_pages_of_other_origins_also_on_this_machine(
    tmp_path: Path,
) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        async def post(**headers: str) -> int:
            return (await client.post("/acme-post", headers=headers)).status_code

        assert await post() == 200
        assert await post(Origin="http://localhost") == 200
        assert await post(Origin="http://localhost:3000") == 403
        assert await post(**{"Sec-Fetch-Site": "same-site"}) == 403
        assert await post(**{"Sec-Fetch-Site": "same-origin"}) == 200

    with_client(tmp_path, work)


def test_a_browser_keeps_the_token_in_a_cookie_that_opens_pages_only(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        page = {"Accept": "text/html"}
        asked = await client.get("/acme-page", headers=page)
        assert (asked.status_code, asked.headers["location"]) == (
            303,
            "/acme-login?next=/acme-page",
        )
        assert (await client.get("/acme-page")).status_code == 401
        wrong = await client.post("/session", data={"token": "wrong"})
        assert wrong.status_code == 403
        form = {"token": "t0ken", "next": "/acme-page"}
        right = await client.post("/session", data=form)
        assert (right.status_code, right.headers["location"]) == (303, "/acme-page")
        cookie = right.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "t0ken" not in cookie
        assert (await client.get("/acme-page", headers=page)).status_code == 200
        call = {"name": "x", "arguments": {}}
        assert (await client.post("/mcp/tool", json=call)).status_code == 401
        ended = await client.post("/session/end", data={})
        assert ended.status_code == 303
        assert (await client.get("/acme-page")).status_code == 401

    with_client(tmp_path, work, MCP_HTTP_AUTH_TOKEN="t0ken")


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil", "", "x"])
def test_nobody_is_sent_to_another_server_after_logging_in(tmp_path: Path, target: str) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        answer = await client.post("/session", data={"token": "t0ken", "next": target})
        assert answer.headers["location"] == "/"

    with_client(tmp_path, work, MCP_HTTP_AUTH_TOKEN="t0ken")


@pytest.mark.parametrize("value", ["", "x", "9999999999.", "9999999999.00", "1.x", "\u00ff.x"])
def test_a_cookie_that_was_not_signed_opens_nothing(value: str) -> None:
    assert not is_valid(value, b"t0ken", 0.0)
    assert is_valid(issued(b"t0ken", 0.0), b"t0ken", 1.0)
    assert not is_valid(issued(b"t0ken", 0.0), b"other", 1.0)
    assert not is_valid(issued(b"t0ken", 0.0), b"t0ken", 8 * 24 * 3600.0)


def test_a_callers_own_read_only_holds_for_pages_too(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        assert (await client.get("/acme/you")).text.endswith("True")

    with_client(tmp_path, work, AITK_READ_ONLY="1")


@pytest.mark.parametrize(
    "path",
    [
        *("acme", "/", "", "/a b", "//x", f"/{300 * 'a'}"),
        *("/health", "/tools/x", "/session", "/mcp", "/mcp/tool", "/metrics", "/openapi.json"),
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
