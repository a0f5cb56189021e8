"""What a tool answers, and how it fails, comes out of the bridge in its envelope."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from aitk_core.application import Application
from aitk_core.errors import (
    AitkError,
    BackendUnreachableError,
    ConflictError,
    JobNotFoundError,
    PathOutsideRootsError,
)
from aitk_core.frontends.http.app import build_app
from aitk_core.hookspecs import GROUP, hookimpl
from aitk_core.records.results import Image, Link, Text, ToolResult
from aitk_core.settings import HttpSettings, SettingsSource
from aitk_core.specs import Lazy, ToolSpec

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.protocols import ToolContext

MODULE = "throw_away_answers_plugin"
REPORT = {"overall_health": "good", "losses": [0.5, 0.25], "note": "ünïcode"}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.org/report.v1.schema.json",
    "type": "object",
    "required": ["overall_health"],
}
IMAGE = {
    "type": "image",
    "data": "cG5n",
    "mimeType": "image/png",
    "annotations": None,
    "meta": None,
}


async def echo(arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(data=dict(arguments), summary="echoed")


async def answer(arguments: Any, _context: ToolContext) -> ToolResult:
    return ANSWERS[arguments["of"]]


async def report(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(data=REPORT, summary="all is well", blocks=(Image(data=b"png"),))


async def broken_report(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(data={"losses": []})


async def fail(arguments: Any, _context: ToolContext) -> ToolResult:
    raise FAILURES[arguments["how"]]


ANSWERS = {
    "text": ToolResult(summary="only words"),
    "image": ToolResult(blocks=(Image(data=b"png"),)),
    "both": ToolResult(summary="words", blocks=(Image(data=b"png"), Text("more"))),
    "nothing": ToolResult(),
    "own-message": ToolResult(data={"message": "mine"}, summary="words"),
    "not-finite": ToolResult(data={"temperature": float("nan"), "fan": float("inf")}, summary="x"),
    "no-json": ToolResult(data={"when": object()}),
    "surrogate": ToolResult(data={"line": "a\ud83d"}, summary="b\udc00"),
    "link": ToolResult(data={"n": 1}, blocks=(Link(uri="aitk://runs/1", name="run"),)),
    "long": ToolResult(data={str(n): [n, "x" * 50, {"y": n / 3}] for n in range(20_000)}),
    "one-long-list": ToolResult(data={"points": [[n, n / 7] for n in range(30_000)], "n": 1}),
}
FAILURES: dict[str, Exception] = {
    "job": JobNotFoundError("no job 'nope'", remedy="list the jobs", job_id="nope"),
    "conflict": ConflictError("the job runs"),
    "path": PathOutsideRootsError("'/etc' is outside the roots"),
    "backend": BackendUnreachableError("no connection", attempts=2),
    "bug": RuntimeError("secret inside"),
    "odd-details": AitkError("odd", what=object()),
}
FREE = {"type": "object"}


class Tools:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @hookimpl
    def aitk_schemas(self) -> list[Path]:
        return [self.folder]

    @hookimpl
    def aitk_tools(self) -> list[ToolSpec]:
        def tool(name: str, **more: Any) -> ToolSpec:
            handler: Lazy[Any] = Lazy(f"{MODULE}:{name.replace('-', '_')}")
            return ToolSpec(name=name, description="For tests.", handler=handler, **more)

        return [
            tool("echo", schema=FREE),
            tool("answer", schema=FREE),
            tool("report", contract="report.v1", text="json"),
            tool("broken-report", contract="report.v1"),
            tool("fail", schema=FREE, read_only=False),
        ]


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Application:
    (tmp_path / "report.v1.schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    module = ModuleType(MODULE)
    handlers = (echo, answer, report, broken_report, fail)
    vars(module).update({handler.__name__: handler for handler in handlers})
    vars(module).update(tools=Tools(tmp_path))
    monkeypatch.setitem(sys.modules, MODULE, module)
    return Application(
        points=[EntryPoint("tools", f"{MODULE}:tools", GROUP)],
        source=SettingsSource(environment={}),
        backend=cast("Any", object()),
    )


def call(application: Application, *bodies: dict[str, Any] | str) -> list[httpx.Response]:
    """Call tools one after another."""

    async def run() -> list[httpx.Response]:
        app = build_app(application, HttpSettings(), with_mcp=False)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost:8080"
        )
        async with app.router.lifespan_context(app), client:
            return [
                await client.post(
                    "/mcp/tool", content=body if isinstance(body, str) else json.dumps(body)
                )
                for body in bodies
            ]

    answers = asyncio.run(run())
    for found in answers:
        assert found.headers["content-type"] == "application/json; charset=utf-8"
        assert found.headers["x-request-id"] == found.json()["request_id"]
        assert found.json()["ok"] is (found.status_code == 200)
    return answers


def of(which: str) -> dict[str, Any]:
    return {"name": "answer", "arguments": {"of": which}}


def error_of(found: httpx.Response) -> tuple[int, str]:
    return found.status_code, found.json()["error"]["code"]


def texts_of(found: httpx.Response) -> list[str]:
    return [item["text"] for item in found.json()["result"] if item["type"] == "text"]


def test_pitfall_121_a_json_document_is_sent_once_unless_asked_for_twice(
    application: Application,
) -> None:
    once, twice = call(application, {"name": "report"}, {"name": "report", "include_result": True})
    body = once.json()
    text = {"type": "text", "text": "all is well", "annotations": None, "meta": None}
    assert list(body) == ["ok", "request_id", "tool", "data", "result"]
    assert (body["tool"], body["data"], body["result"]) == ("report", REPORT, [text, IMAGE])
    assert once.text.count("overall_health") == 1
    document, *others = twice.json()["result"]
    assert json.loads(document.pop("text")) == REPORT
    assert document == {"type": "text", "annotations": None, "meta": None}
    assert others == [text, IMAGE]


def test_a_prose_tool_answers_its_data_with_the_text_as_message(application: Application) -> None:
    echoed, own = call(application, {"name": "echo", "arguments": {"a": 1}}, of("own-message"))
    assert echoed.json()["data"] == {"a": 1, "message": "echoed"}
    assert texts_of(echoed) == ["echoed"]
    assert own.json()["data"] == {"message": "mine"}
    assert texts_of(own) == ["words"]


def test_a_tool_without_data_answers_message_item_or_items(application: Application) -> None:
    cases = ("text", "image", "both", "nothing")
    text, item, items, nothing = call(application, *map(of, cases))
    assert text.json()["data"] == {"message": "only words"}
    assert texts_of(text) == ["only words"]
    assert item.json()["data"] == {"item": IMAGE}
    assert item.json()["result"] == []
    assert items.json()["data"] == {
        "items": [
            {"type": "text", "value": "words"},
            {"type": "image", "value": IMAGE},
            {"type": "text", "value": "more"},
        ]
    }
    assert texts_of(items) == ["words", "more"]
    assert (nothing.json()["data"], nothing.json()["result"]) == ({"items": []}, [])


def test_everything_is_in_the_result_where_it_is_asked_for(application: Application) -> None:
    (found,) = call(application, {**of("image"), "include_result": True})
    assert found.json()["result"] == [IMAGE]


def test_a_link_stands_in_the_result_with_its_null_fields(application: Application) -> None:
    (found,) = call(application, of("link"))
    (item,) = found.json()["result"]
    assert (item["type"], item["uri"], item["mimeType"]) == ("resource_link", "aitk://runs/1", None)
    assert found.json()["data"] == {"n": 1}


def test_pitfall_71_numbers_that_json_lacks_never_leave(application: Application) -> None:
    nan, complete, no_json = call(
        application,
        of("not-finite"),
        {**of("not-finite"), "include_result": True},
        of("no-json"),
    )
    assert nan.json()["data"] == {"temperature": None, "fan": None, "message": "x"}
    assert complete.json()["data"] == nan.json()["data"]
    assert error_of(no_json) == (500, "OUTPUT_SCHEMA_VIOLATION")


def test_pitfall_71_numbers_that_json_lacks_are_not_taken(application: Application) -> None:
    nan, huge = call(
        application,
        '{"name": "echo", "arguments": {"a": NaN}}',
        '{"name": "echo", "arguments": {"a": 1e999}}',
    )
    assert error_of(nan) == (400, "INVALID_JSON")
    assert error_of(huge) == (400, "INVALID_ARGUMENTS")


def test_pitfall_113_unpaired_surrogates_never_leave(application: Application) -> None:
    (found,) = call(application, of("surrogate"))
    assert found.json()["data"] == {"line": "a?", "message": "b?"}


@pytest.mark.parametrize("which", ["long", "one-long-list"])
def test_a_long_answer_encoded_in_pieces_is_the_same_json(
    application: Application, which: str
) -> None:
    (found,) = call(application, of(which))
    assert found.json()["data"] == ANSWERS[which].data
    assert found.text.startswith('{"ok":true,"request_id":"')


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("job", 404, "JOB_NOT_FOUND"),
        ("conflict", 409, "CONFLICT"),
        ("path", 403, "PATH_OUTSIDE_ROOTS"),
        ("backend", 503, "BACKEND_UNREACHABLE"),
        ("bug", 500, "TOOL_EXECUTION_FAILED"),
        ("odd-details", 500, "INTERNAL_ERROR"),
    ],
)
def test_pitfall_67_a_failing_tool_is_an_error_with_its_code(
    application: Application, how: str, status: int, code: str
) -> None:
    (found,) = call(application, {"name": "fail", "arguments": {"how": how}})
    assert error_of(found) == (status, code)
    assert "secret" not in found.text


def test_an_error_carries_message_remedy_and_details(application: Application) -> None:
    (found,) = call(application, {"name": "fail", "arguments": {"how": "job"}})
    assert found.json()["error"] == {
        "code": "JOB_NOT_FOUND",
        "message": "no job 'nope'",
        "remedy": "list the jobs",
        "details": {"job_id": "nope"},
    }


def test_an_answer_that_breaks_its_contract_is_never_sent_as_right(
    application: Application,
) -> None:
    (found,) = call(application, {"name": "broken-report"})
    assert error_of(found) == (500, "OUTPUT_SCHEMA_VIOLATION")
