"""`GET /metrics`: what happened, as Prometheus reads it, with labels that nobody can make up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse

from aitk_core.context import InputRequired, Session
from aitk_core.errors import AitkError, ConflictError
from aitk_core.frontends.http.app import build_app
from aitk_core.frontends.http.metrics import CONTENT_TYPE
from aitk_core.frontends.http.tally import UNKNOWN, Tally
from aitk_core.records.results import ToolResult
from aitk_core.settings import HttpSettings
from aitk_core.specs import ServiceSpec, WebRouteSpec
from aitk_core.testing.plugins import fake_application, fake_tool, lazy
from support.servers import served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from aitk_core.application import Application
    from aitk_core.protocols import ServiceContext, ToolContext

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
LATE = HttpSettings(tool_timeout_seconds=0.02)


class MadeUpError(AitkError):
    """A code that is another one each time, as no plugin should have it."""


async def fine(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(summary="fine")


async def refuse(_arguments: Any, _context: ToolContext) -> ToolResult:
    raise ConflictError("not now")


async def crash(_arguments: Any, _context: ToolContext) -> ToolResult:
    raise ZeroDivisionError


async def hang(_arguments: Any, _context: ToolContext) -> ToolResult:
    await asyncio.Event().wait()
    raise AssertionError


async def through(_arguments: Any, context: ToolContext) -> ToolResult:
    return await context.call_tool("fine", {})


async def invent(arguments: Any, _context: ToolContext) -> ToolResult:
    error = MadeUpError("invented")
    error.code = arguments["code"]  # type: ignore[misc]  # what is tried here
    raise error


async def question(_arguments: Any, _context: ToolContext) -> ToolResult:
    # What a call over MCP is ended with until the client has answered.
    raise InputRequired({})


async def page(_request: Request, _context: ToolContext) -> PlainTextResponse:
    return PlainTextResponse("page")


async def serve(service: ServiceContext) -> None:
    service.beat()
    await asyncio.Event().wait()


def application(**environment: str) -> Application:
    tools = (fine, refuse, crash, hang, through, invent, question)
    return fake_application(
        *(fake_tool(tool, tool.__name__) for tool in tools),
        environment=environment,
        aitk_web_routes=[WebRouteSpec(path="/acme/{rest:path}", handler=lazy(page))],
        aitk_services=[ServiceSpec(name="acme-poll", run=lazy(serve))],
    )


def samples_of(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def with_client(
    work: Callable[[httpx.AsyncClient], Awaitable[Any]],
    *,
    settings: HttpSettings | None = None,
    opened: Application | None = None,
) -> Any:
    async def run() -> Any:
        app = build_app(opened or application(), settings or HttpSettings(), with_mcp=False)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            return await work(client)

    return asyncio.run(run())


async def call(client: httpx.AsyncClient, name: str, **arguments: Any) -> int:
    body = {"name": name, "arguments": arguments}
    return (await client.post("/mcp/tool", json=body)).status_code


async def read(client: httpx.AsyncClient) -> Samples:
    found = await client.get("/metrics")
    assert found.status_code == 200
    return samples_of(found.text)


def test_calls_are_counted_by_tool_and_outcome_and_measured() -> None:
    async def work(client: httpx.AsyncClient) -> Samples:
        for name in ("fine", "fine", "refuse", "crash", "hang", "through"):
            await call(client, name)
        return await read(client)

    found = with_client(work, settings=LATE)
    counted = {
        (dict(labels)["tool"], dict(labels)["outcome"]): count
        for (name, labels), count in found.items()
        if name == "aitk_tool_calls_total"
    }
    assert counted == {
        # Twice over the bridge, once by another tool.
        ("fine", "OK"): 3,
        ("refuse", "CONFLICT"): 1,
        ("crash", "TOOL_EXECUTION_FAILED"): 1,
        ("hang", "TOOL_TIMEOUT"): 1,
        ("through", "OK"): 1,
        # Not called yet: there all the same, so that a rate sees the first call.
        **dict.fromkeys([(n, "OK") for n in ("refuse", "crash", "hang", "invent", "question")], 0),
    }
    seconds = "aitk_tool_call_duration_seconds"
    assert value(found, f"{seconds}_count", tool="fine") == 3
    assert value(found, f"{seconds}_bucket", tool="hang", le="0.01") == 0
    assert value(found, f"{seconds}_bucket", tool="hang", le="+Inf") == 1
    assert (value(found, f"{seconds}_sum", tool="hang") or 0) >= 0.02
    assert value(found, f"{seconds}_count", tool="invent") is None


def test_a_call_that_is_under_way_is_in_flight_and_one_that_was_left_is_cancelled() -> None:
    async def work(client: httpx.AsyncClient) -> tuple[Samples, Samples]:
        calling = asyncio.create_task(call(client, "hang"))
        during = await read(client)
        while not value(during, "aitk_tool_calls_in_flight", tool="hang"):
            during = await read(client)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        return during, await read(client)

    during, after = with_client(work)
    assert value(during, "aitk_tool_calls_in_flight", tool="hang") == 1
    assert value(after, "aitk_tool_calls_in_flight", tool="hang") == 0
    assert value(after, "aitk_tool_calls_total", tool="hang", outcome="CANCELLED") == 1


def test_a_call_that_waits_for_the_client_s_answer_is_no_failure() -> None:
    async def scenario() -> dict[tuple[str, str], int]:
        tally = Tally((), {})
        async with application() as opened:
            opened.dispatcher.observers.add(tally)
            with pytest.raises(InputRequired):
                await opened.dispatcher.call("question", {}, Session(policy=opened.policy))
        return dict(tally.snapshot().calls)

    assert asyncio.run(scenario()) == {("question", "INPUT_REQUIRED"): 1}


def test_what_callers_make_up_becomes_no_label() -> None:
    async def work(client: httpx.AsyncClient) -> Samples:
        for index in range(100):
            assert await call(client, f"made-up-{index}") == 404
            await client.get(f"/made/up/{index}")
            await client.get(f"/acme/{index}/{index}")
            await client.request(f"VERB{index}", "/health")
            await client.get("/health", headers={"Host": f"foreign-{index}.example"})
            await call(client, "invent", code=f"CODE_{index}")
        return await read(client)

    found = with_client(work)
    assert value(found, "aitk_tool_calls_total", tool=UNKNOWN, outcome="TOOL_NOT_FOUND") == 100
    requests = "aitk_http_requests_total"
    assert value(found, requests, route=UNKNOWN, status="404") == 100
    assert value(found, requests, route=UNKNOWN, status="421") == 100
    assert value(found, requests, route="/acme/{rest:path}", status="200") == 100
    assert value(found, requests, route="/health", status="405") == 100
    assert value(found, requests, route="/mcp/tool", status="404") == 100
    assert not any("made-up" in text or "/made" in text for text in map(str, found))
    outcomes = {dict(labels)["outcome"] for (_, labels) in found if "outcome" in dict(labels)}
    assert len(outcomes) <= 65
    assert (value(found, "aitk_tool_calls_total", tool="invent", outcome="OTHER") or 0) >= 30


def test_services_problems_version_and_uptime_are_shown() -> None:
    opened = fake_application(
        aitk_services=[ServiceSpec(name="acme-poll", run=lazy(serve))],
        aitk_prompts=lambda: 1 / 0,
    )
    found = with_client(read, opened=opened)
    assert value(found, "aitk_service_ok", service="acme-poll") == 1
    assert value(found, "aitk_service_failures_total", service="acme-poll") == 0
    assert (value(found, "aitk_service_last_beat_age_seconds", service="acme-poll") or 0) < 60
    assert value(found, "aitk_plugin_problems", plugin="acme", severity="error") == 1
    assert (value(found, "aitk_uptime_seconds") or 0) > 0
    assert [labels for name, labels in found if name == "aitk_build_info"]


def test_every_name_has_the_prefix_and_every_family_help_and_type() -> None:
    async def work(client: httpx.AsyncClient) -> httpx.Response:
        await call(client, "fine")
        return await client.get("/metrics")

    found = with_client(work)
    assert found.headers["content-type"] == CONTENT_TYPE
    assert found.headers["x-request-id"]
    families = list(text_string_to_metric_families(found.text))
    assert len(families) == 10
    for family in families:
        assert family.name.startswith("aitk_"), family.name
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram")


@pytest.mark.parametrize(("asked", "status"), [(False, 200), (True, 401)])
def test_it_is_as_open_as_health(asked: bool, status: int) -> None:
    settings = HttpSettings(auth_token="s3cret", auth_for_health=asked)

    async def work(client: httpx.AsyncClient) -> list[int]:
        token = {"X-API-Key": "s3cret"}
        return [
            (await client.get("/health")).status_code,
            (await client.get("/metrics")).status_code,
            (await client.get("/metrics", headers=token)).status_code,
            (await client.head("/metrics", headers=token)).status_code,
        ]

    assert with_client(work, settings=settings) == [status, status, 200, 200]


def test_calls_over_mcp_are_counted_by_the_same_numbers() -> None:
    async def scenario() -> Samples:
        app = build_app(application(), HttpSettings())
        async with (
            app.router.lifespan_context(app),
            served(app) as address,
            httpx.AsyncClient(base_url=address) as client,
        ):
            async with Client(streamable_http_client(f"{address}/mcp")) as speaker:
                await speaker.call_tool("fine", {})
                await speaker.call_tool("refuse", {})
                with pytest.raises(MCPError):
                    await speaker.call_tool("no-such-tool", {})
            await call(client, "fine")
            return await read(client)

    found = asyncio.run(scenario())
    assert value(found, "aitk_tool_calls_total", tool="fine", outcome="OK") == 2
    assert value(found, "aitk_tool_calls_total", tool="refuse", outcome="CONFLICT") == 1
    assert value(found, "aitk_tool_calls_total", tool=UNKNOWN, outcome="TOOL_NOT_FOUND") == 1
    assert (value(found, "aitk_http_requests_total", route="/mcp", status="200") or 0) >= 2


def test_two_servers_in_one_process_count_apart() -> None:
    async def work(client: httpx.AsyncClient) -> Samples:
        await call(client, "fine")
        return await read(client)

    for _ in range(2):
        assert value(with_client(work), "aitk_tool_calls_total", tool="fine", outcome="OK") == 1


def test_the_library_is_imported_by_the_first_scrape_and_by_nothing_before() -> None:
    code = """
import asyncio, sys, httpx
from aitk_core.frontends.http.app import build_app
from aitk_core.settings import HttpSettings
from aitk_core.testing.plugins import fake_application
async def main():
    app = build_app(fake_application(), HttpSettings())
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), client:
        await client.get("/health")
        print("prometheus_client" in sys.modules)
        await client.get("/metrics")
        print("prometheus_client" in sys.modules)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.split() == ["False", "True"]
