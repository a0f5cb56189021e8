"""The bridge's routes, envelopes, codes and settings, asked in memory."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from attrs import frozen

from aitk_core.application import Application
from aitk_core.arguments import arg
from aitk_core.frontends.http.app import build_app
from aitk_core.hookspecs import GROUP, hookimpl
from aitk_core.records.results import ToolResult
from aitk_core.settings import HttpSettings, SettingsSource
from aitk_core.specs import Lazy, ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aitk_core.protocols import ToolContext

MODULE = "throw_away_bridge_plugin"
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.org/report.v1.schema.json",
    "type": "object",
    "required": ["overall_health"],
}


@frozen(kw_only=True)
class Count:
    lines: int = arg(10, description="Lines.", minimum=1, maximum=100)


async def echo(arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(data=dict(arguments), summary="echoed")


async def report(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(data={"overall_health": "good"})


async def change(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(summary="changed")


async def wait(_arguments: Any, _context: ToolContext) -> ToolResult:
    await asyncio.Event().wait()
    raise AssertionError


async def count(arguments: Count, _context: ToolContext) -> ToolResult:
    return ToolResult(data={"lines": arguments.lines})


FREE = {"type": "object"}


class Tools:
    folder: Path

    @hookimpl
    def aitk_schemas(self) -> list[Path]:
        return [self.folder]

    @hookimpl
    def aitk_tools(self) -> list[ToolSpec]:
        def tool(name: str, **more: Any) -> ToolSpec:
            handler: Lazy[Any] = Lazy(f"{MODULE}:{name.replace('-', '_')}")
            return ToolSpec(name=name, description="For tests.", handler=handler, **more)

        return [
            tool("echo", schema=FREE, title="Echo", meta={"example/x": 1}),
            tool("report", contract="report.v1", text="json"),
            tool("change", read_only=False),
            tool("wait"),
            tool("count", arguments=Count),
        ]


Make = Callable[..., Application]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    (tmp_path / "report.v1.schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    module = ModuleType(MODULE)
    tools = Tools()
    tools.folder = tmp_path
    handlers = (echo, report, change, wait, count)
    vars(module).update({handler.__name__: handler for handler in handlers})
    vars(module).update(tools=tools)
    monkeypatch.setitem(sys.modules, MODULE, module)

    def build(environment: Mapping[str, str] | None = None) -> Application:
        return Application(
            points=[EntryPoint("tools", f"{MODULE}:tools", GROUP)],
            source=SettingsSource(environment=environment or {}),
            backend=cast("Any", object()),
        )

    return build


Asked = list[httpx.Response]


def ask(
    application: Application,
    *requests: tuple[str, str] | tuple[str, str, dict[str, Any]],
    settings: HttpSettings | None = None,
) -> Asked:
    """Ask one after another; a request is method, path and what httpx takes."""

    async def run() -> Asked:
        app = build_app(application, settings or HttpSettings())
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8080")
        async with app.router.lifespan_context(app), client:
            return [
                await client.request(method, path, **(more[0] if more else {}))
                for method, path, *more in cast("Any", requests)
            ]

    answers = asyncio.run(run())
    for found in answers:
        assert found.headers["content-type"] == "application/json; charset=utf-8"
        if found.request.method != "HEAD":
            assert found.headers["x-request-id"] == found.json()["request_id"]
            assert found.json()["ok"] is (found.status_code == 200)
    return answers


def call(name: str, arguments: Any = None, **more: Any) -> tuple[str, str, dict[str, Any]]:
    body = {"name": name, "arguments": arguments, **more}
    return ("POST", "/mcp/tool", {"content": json.dumps(body)})


def error_of(found: httpx.Response) -> tuple[int, str]:
    return found.status_code, found.json()["error"]["code"]


def test_tools_are_listed_as_mcp_lists_them(make: Make) -> None:
    (found,) = ask(make(), ("GET", "/tools"))
    body = found.json()
    names = ["change", "count", "echo", "report", "wait"]
    assert [tool["name"] for tool in body["tools"]] == names
    assert body["count"] == len(names)
    by_name = {tool["name"]: tool for tool in body["tools"]}
    assert by_name["report"]["outputSchema"] == SCHEMA
    assert by_name["count"]["inputSchema"]["properties"]["lines"]["maximum"] == 100
    assert by_name["change"]["annotations"]["readOnlyHint"] is False
    assert by_name["echo"]["meta"] == {"example/x": 1}
    assert by_name["echo"]["title"] == "Echo"


def test_headers_narrow_what_is_listed_and_run(make: Make) -> None:
    narrow = {"headers": {"X-MCP-Readonly": "true", "X-MCP-Exclude-Tools": "echo"}}
    tools, *refused = ask(
        make(),
        ("GET", "/tools", narrow),
        ("POST", "/mcp/tool", {"json": {"name": "change"}, **narrow}),
        ("POST", "/mcp/tool", {"json": {"name": "echo"}, **narrow}),
    )
    names = {tool["name"] for tool in tools.json()["tools"]}
    assert names == {"count", "report", "wait"}
    assert [error_of(found) for found in refused] == [(403, "READ_ONLY"), (403, "NOT_PERMITTED")]


def test_headers_never_widen(make: Make) -> None:
    application = make({"AITK_READ_ONLY": "1"})
    (found,) = ask(
        application,
        ("POST", "/mcp/tool", {"json": {"name": "change"}, "headers": {"X-MCP-Readonly": "0"}}),
    )
    assert error_of(found) == (403, "READ_ONLY")


@pytest.mark.parametrize("path", ["/health", "/tools"])
def test_head_works_on_the_get_routes(make: Make, path: str) -> None:
    (found,) = ask(make(), ("HEAD", path))
    assert found.status_code == 200
    assert found.headers["x-request-id"]


@pytest.mark.parametrize("value", ["abc", 1.5, True, 0, 101, "5"])
def test_pitfall_73_arguments_are_validated_as_over_mcp(make: Make, value: object) -> None:
    (found,) = ask(make(), call("count", {"lines": value}))
    assert error_of(found) == (400, "INVALID_ARGUMENTS")
    assert found.json()["error"]["details"]["faults"][0]["path"] == "/lines"


def test_an_unknown_tool_is_404_with_the_names_there_are(make: Make) -> None:
    (found,) = ask(make(), call("ecco"))
    assert error_of(found) == (404, "TOOL_NOT_FOUND")
    names = ["change", "count", "echo", "report", "wait"]
    assert found.json()["error"]["details"]["available_tools"] == names
    assert "'echo'" in found.json()["error"]["remedy"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "INVALID_JSON"),
        (b"{", "INVALID_JSON"),
        (b'{"name":"\xff"}', "INVALID_JSON"),
        (b'{"name":"echo","arguments":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "INVALID_JSON"),
        (b"[]", "INVALID_REQUEST"),
        (b"{}", "INVALID_REQUEST"),
        (b'{"name":""}', "INVALID_REQUEST"),
        (b'{"name":7}', "INVALID_REQUEST"),
        (b'{"name":"echo","arguments":[]}', "INVALID_REQUEST"),
    ],
)
def test_pitfall_114_a_bad_body_is_400_in_the_envelope(make: Make, body: bytes, code: str) -> None:
    (found,) = ask(make(), ("POST", "/mcp/tool", {"content": body}))
    assert error_of(found) == (400, code)


def test_the_content_type_is_ignored(make: Make) -> None:
    asked = {"content": '{"name":"echo"}', "headers": {"Content-Type": "text/plain"}}
    (found,) = ask(make(), ("POST", "/mcp/tool", asked))
    assert found.status_code == 200


def test_a_body_above_the_limit_is_413_with_the_limit(make: Make) -> None:
    settings = HttpSettings(max_body_bytes=100)
    fits = b'{"name":"echo"}'.ljust(100)

    async def chunks() -> Any:
        for _ in range(3):
            yield b" " * 50

    bodies: list[Any] = [fits, fits + b" ", chunks()]
    requests: list[Any] = [("POST", "/mcp/tool", {"content": body}) for body in bodies]
    good, *large = ask(make(), *requests, settings=settings)
    assert good.status_code == 200
    for found in large:
        assert error_of(found) == (413, "PAYLOAD_TOO_LARGE")
        assert found.json()["error"]["details"] == {"max_body_bytes": 100}
        assert found.headers["connection"] == "close"


def test_a_tool_that_takes_too_long_is_504_with_the_limit(make: Make) -> None:
    settings = HttpSettings(tool_timeout_seconds=0.02)
    (found,) = ask(make(), call("wait"), settings=settings)
    assert error_of(found) == (504, "TOOL_TIMEOUT")
    assert found.json()["error"]["details"]["tool_timeout_seconds"] == 0.02


def test_tokens_are_asked_for_where_the_settings_say_so(make: Make) -> None:
    token: dict[str, Any] = {"headers": {"Authorization": "Bearer s3cret"}}
    wrong: dict[str, Any] = {"headers": {"X-API-Key": "guess"}}
    odd: dict[str, Any] = {"headers": {"X-API-Key": b"\xff\xfe"}}
    tool = {"content": '{"name":"echo"}'}
    settings = HttpSettings(auth_token="s3cret")
    health, tools, *calls = ask(
        make(),
        ("GET", "/health"),
        ("GET", "/tools"),
        ("POST", "/mcp/tool", tool),
        ("POST", "/mcp/tool", tool | wrong),
        ("POST", "/mcp/tool", tool | odd),
        ("POST", "/mcp/tool", tool | token),
        settings=settings,
    )
    assert (health.status_code, tools.status_code) == (200, 200)
    assert error_of(calls[0]) == (401, "AUTH_REQUIRED")
    assert calls[0].headers["www-authenticate"] == "Bearer"
    assert [error_of(found) for found in calls[1:3]] == [(403, "AUTH_INVALID")] * 2
    assert calls[3].status_code == 200
    settings = HttpSettings(auth_token="s3cret", auth_for_health=True, auth_for_tools=True)
    guarded = ask(
        make(),
        *(("GET", path) for path in ("/health", "/tools")),
        *(("GET", path, token) for path in ("/health", "/tools")),
        settings=settings,
    )
    assert [found.status_code for found in guarded] == [401] * 2 + [200] * 2
    toggles = HttpSettings(auth_for_health=True, auth_for_tools=True)
    without = ask(make(), ("GET", "/health"), ("GET", "/tools"), settings=toggles)
    assert [found.status_code for found in without] == [200, 200]


def test_calls_are_rate_limited_after_the_token_and_before_the_body(make: Make) -> None:
    settings = HttpSettings(rate_limit_enabled=True, rate_limit_max_requests=2)
    bad: Any = ("POST", "/mcp/tool", {"content": "{"})
    first, second, third, health = ask(
        make(), bad, call("echo"), call("echo"), ("GET", "/health"), settings=settings
    )
    assert error_of(first) == (400, "INVALID_JSON")
    assert (second.status_code, health.status_code) == (200, 200)
    assert error_of(third) == (429, "RATE_LIMITED")
    details = third.json()["error"]["details"]
    assert set(details) == {"retry_after_seconds", "window_seconds", "max_requests"}
    assert third.headers["retry-after"] == str(details["retry_after_seconds"])


def test_pitfall_65_guessing_a_token_is_rate_limited(make: Make) -> None:
    settings = HttpSettings(
        auth_token="s3cret",
        rate_limit_enabled=True,
        rate_limit_max_requests=1,
    )
    wrong: Any = ("POST", "/mcp/tool", {"headers": {"X-API-Key": "guess"}})
    first, second = ask(make(), wrong, wrong, settings=settings)
    assert (error_of(first)[0], error_of(second)[0]) == (403, 429)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/health/", 404),
        ("POST", "/mcp/tools", 404),
        ("POST", "/health", 405),
        ("GET", "/mcp/tool", 405),
        ("OPTIONS", "/mcp/tool", 405),
        ("DELETE", "/tools", 405),
    ],
)
def test_what_the_router_refuses_is_in_the_envelope(
    make: Make, method: str, path: str, status: int
) -> None:
    (found,) = ask(make(), (method, path, {"headers": {"X-Request-ID": " mine "}}))
    assert error_of(found) == (status, f"HTTP_{status}")
    assert found.json()["request_id"] == "mine"
    assert "access-control-allow-origin" not in found.headers
    assert ("allow" in found.headers) is (status == 405)


def test_our_own_bug_is_500_in_the_envelope_with_the_request_id(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_arguments: Any) -> None:
        raise RuntimeError("secret inside")

    application = make()
    monkeypatch.setattr("aitk_core.frontends.http.app.parse_json", burst)
    asked = {"content": "{}", "headers": {"X-Request-ID": "r-1"}}
    (found,) = ask(application, ("POST", "/mcp/tool", asked))
    assert error_of(found) == (500, "INTERNAL_ERROR")
    assert found.json()["request_id"] == "r-1"
    assert "secret" not in found.text


def test_what_is_rejected_is_logged_with_its_id_and_without_the_credential(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings = HttpSettings(auth_token="s3cret")
    asked = {"headers": {"X-API-Key": "my-guess", "X-Request-ID": "r-1"}}
    ask(make(), ("POST", "/mcp/tool", asked), settings=settings)
    assert "r-1 POST '/mcp/tool': AUTH_INVALID" in caplog.text
    assert "my-guess" not in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("path", ["/health", "/tools", "/mcp/tool", "/mcp", "/nowhere"])
def test_foreign_hosts_and_origins_are_refused_on_every_route(make: Make, path: str) -> None:
    host, origin = ask(
        make(),
        ("POST", path, {"headers": {"Host": "evil.example"}}),
        ("POST", path, {"headers": {"Origin": "http://evil.example"}}),
    )
    assert error_of(host) == (421, "HOST_NOT_ALLOWED")
    assert error_of(origin) == (403, "ORIGIN_NOT_ALLOWED")


def test_without_mcp_there_is_no_such_route(make: Make) -> None:
    app = build_app(make(), HttpSettings(), with_mcp=False)
    assert app.state.mcp is None
    assert "/mcp" not in {cast("Any", route).path for route in app.routes}


def test_pitfall_64_bad_proxy_settings_stop_the_start(make: Make) -> None:
    with pytest.raises(ValueError, match="MCP_HTTP_TRUSTED_PROXY_CIDRS"):
        build_app(make(), HttpSettings(trust_proxy_for_rate_limit=True))
