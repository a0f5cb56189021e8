"""The MCP frontend lists and runs what is installed, in both eras of the protocol."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, cast

import mcp_types as t
import pytest
from attrs import frozen
from mcp.shared.exceptions import MCPError

from aitk_core.arguments import arg
from aitk_core.errors import JobNotFoundError, ReadOnlyError
from aitk_core.frontends.mcp.server import build_server
from aitk_core.records.results import Image, Link, Text, ToolResult
from aitk_core.testing.mcp import ERAS, with_client
from aitk_core.testing.plugins import fake_application, fake_tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mcp import Client

    from aitk_core.application import Application
    from aitk_core.protocols import ToolContext

both_eras = pytest.mark.parametrize("mode", ERAS)

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

TOKENS = 290
"""What name, description and input schema of a tool may cost a model, in the mean, at 4 characters.
The aim is 200 (30 tools in 6,000); the contract's own arguments, which are kept, take the rest."""
TOOL_BYTES = 4_000
"""What a tool may weigh on the wire, output schema included, in the mean of all."""

SHARED = {
    "$id": "https://acme.test/shared.v1.schema.json",
    "$defs": {"n": {"type": ["integer", "null"]}},
}
CONTRACT = {
    "$id": "https://acme.test/count.v1.schema.json",
    "title": "Count",
    "type": "object",
    "properties": {"n": {"$ref": "shared.v1.schema.json#/$defs/n"}},
    "required": ["n"],
}


@frozen(kw_only=True)
class Count:
    job_id: str = arg(description="Job id.", max_length=9)
    lines: int = arg(100, description="Lines from the end.", minimum=1)


async def count(arguments: Count, _context: ToolContext) -> ToolResult:
    if arguments.job_id == "wrong":
        return ToolResult(data={"n": "many"})
    if arguments.job_id == "gone":
        raise JobNotFoundError("no job 'gone'", remedy="list the jobs first", job_id="gone")
    if arguments.job_id == "broken":
        raise RuntimeError("secret path")
    blocks = (Image(data=b"png"), Link(uri="acme://x", name="x", description="All of it."))
    return ToolResult(data={"n": arguments.lines}, summary="Few lines.", blocks=blocks)


async def change(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(summary="Changed.")


async def blocks_only(_arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(blocks=(Text("one"), Text("two")))


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Application]:
    for name, schema in {"count": CONTRACT, "shared": SHARED}.items():
        (tmp_path / f"{name}.v1.schema.json").write_text(json.dumps(schema), encoding="utf-8")
    tools = [
        fake_tool(count, "count-json", arguments=Count, contract="count.v1", text="json",
                  title="Count", hint="To count: count-json.", meta={"acme/x": 1}),
        fake_tool(count, "count-prose", arguments=Count, contract="count.v1"),
        fake_tool(change, "change-it", read_only=False, destructive=True, idempotent=False,
                  open_world=True, hint="To change: change-it."),
        fake_tool(blocks_only, "show"),
    ]  # fmt: skip

    def build(**environment: str) -> Application:
        return fake_application(*tools, environment=environment, aitk_schemas=[tmp_path])

    return build


def listed(application: Application, mode: str = "auto") -> dict[str, t.Tool]:
    async def use(client: Client) -> list[t.Tool]:
        return (await client.list_tools()).tools

    return {tool.name: tool for tool in with_client(application, use, mode=mode)}


def call(
    application: Application, name: str, arguments: Any = None, mode: str = "auto"
) -> t.CallToolResult:
    return with_client(application, lambda client: client.call_tool(name, arguments), mode=mode)


def texts(result: t.CallToolResult) -> list[str]:
    return [item.text for item in result.content if isinstance(item, t.TextContent)]


@both_eras
def test_a_tool_is_listed_with_all_that_a_client_shows(
    make: Callable[..., Application], mode: str
) -> None:
    tools = listed(make(), mode)
    assert list(tools) == ["change-it", "count-json", "count-prose", "show"]
    tool = tools["count-json"]
    assert (tool.title, tool.description) == ("Count", "For a test.")
    assert tool.input_schema["properties"]["lines"] == {
        "type": "integer", "minimum": 1, "description": "Lines from the end.", "default": 100,
    }  # fmt: skip
    assert tool.input_schema["required"] == ["job_id"]
    assert tool.output_schema is not None
    assert tool.output_schema["properties"]["n"] == {"type": ["integer", "null"]}
    assert "$defs" not in tool.output_schema
    assert tool.meta is not None
    assert tool.meta["acme/x"] == 1
    assert tools["show"].output_schema is None


@both_eras
def test_annotations_say_what_a_tool_may_do(make: Callable[..., Application], mode: str) -> None:
    tools = listed(make(), mode)

    def hints(name: str) -> list[bool | None]:
        notes = tools[name].annotations
        assert notes is not None
        return [
            notes.read_only_hint, notes.destructive_hint, notes.idempotent_hint,
            notes.open_world_hint,
        ]  # fmt: skip

    assert hints("count-json") == [True, False, True, False]
    assert hints("change-it") == [False, True, False, True]


@both_eras
def test_a_json_tool_gives_the_document_first_and_the_summary_second(
    make: Callable[..., Application], mode: str
) -> None:
    result = call(make(), "count-json", {"job_id": "x", "lines": 5}, mode)
    assert result.is_error is False
    assert texts(result) == ['{"n":5}', "Few lines."]
    assert result.structured_content == {"n": 5}
    assert [item.type for item in result.content] == ["text", "text", "image", "resource_link"]


@both_eras
def test_a_prose_tool_gives_its_text_first(make: Callable[..., Application], mode: str) -> None:
    result = call(make(), "count-prose", {"job_id": "x"}, mode)
    assert texts(result) == ["Few lines."]
    assert result.structured_content == {"n": 100}


@both_eras
def test_a_tool_without_a_contract_gives_its_blocks(
    make: Callable[..., Application], mode: str
) -> None:
    result = call(make(), "show", {}, mode)
    assert (texts(result), result.structured_content) == (["one", "two"], None)


@both_eras
@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ({"job_id": "gone"}, "JOB_NOT_FOUND",
         "Error JOB_NOT_FOUND: no job 'gone'. List the jobs first."),
        ({"job_id": "wrong"}, "OUTPUT_SCHEMA_VIOLATION", "does not fit count.v1 at /n"),
        ({"job_id": "broken"}, "TOOL_EXECUTION_FAILED", "count-json failed inside the server"),
        ({"lines": "x"}, "INVALID_ARGUMENTS", "/job_id: is required; /lines: 'x' is not of type"),
        ({"job_id": "x", "line": 1}, "INVALID_ARGUMENTS", "did you mean 'lines'?"),
        ({"job_id": "\ud800"}, "INVALID_ARGUMENTS", "unpaired surrogates"),
    ],
)  # fmt: skip
def test_pitfall_67_a_failure_is_an_error_with_its_code(
    make: Callable[..., Application], mode: str, arguments: Any, code: str, text: str
) -> None:
    result = call(make(), "count-json", arguments, mode)
    assert result.is_error is True
    assert result.structured_content is not None
    assert result.structured_content["error"]["code"] == code
    (told,) = texts(result)
    assert text in told
    assert "secret" not in told


@both_eras
def test_an_unknown_tool_is_a_protocol_error(make: Callable[..., Application], mode: str) -> None:
    with pytest.raises(MCPError) as caught:
        call(make(), "count-jsn", {}, mode)
    assert caught.value.code == t.INVALID_PARAMS
    data = cast("dict[str, Any]", caught.value.data)
    assert data["code"] == "TOOL_NOT_FOUND"
    assert data["remedy"] == "did you mean 'count-json'?"
    assert data["details"]["available_tools"] == ["change-it", "count-json", "count-prose", "show"]


@both_eras
def test_read_only_narrows_the_list_and_refuses_the_call(
    make: Callable[..., Application], mode: str
) -> None:
    assert "change-it" not in listed(make(AITK_READ_ONLY="1"), mode)
    result = call(make(AITK_READ_ONLY="1"), "change-it", {}, mode)
    assert result.is_error is True
    assert result.structured_content is not None
    assert result.structured_content["error"]["code"] == ReadOnlyError.code
    assert call(make(), "change-it", {}, mode).is_error is False


@both_eras
def test_a_call_ends_at_the_limit_of_the_settings(mode: str) -> None:
    async def wait(_arguments: Any, _context: ToolContext) -> ToolResult:
        await asyncio.Event().wait()
        raise AssertionError

    limit = {"AITK_TOOL_TIMEOUT_SECONDS": "0.03"}
    result = call(fake_application(fake_tool(wait), environment=limit), "probe", {}, mode)
    assert result.structured_content is not None
    assert result.structured_content["error"]["code"] == "TOOL_TIMEOUT"
    assert result.structured_content["error"]["details"]["tool_timeout_seconds"] == 0.03


def test_instructions_name_what_is_offered_only(make: Callable[..., Application]) -> None:
    whole = build_server(make()).instructions or ""
    assert "To count: count-json." in whole
    assert "To change: change-it." in whole
    narrow = build_server(make(AITK_READ_ONLY="1")).instructions or ""
    assert "count-json" in narrow
    assert "change-it" not in narrow


def installed(application_with: Callable[..., Application], **environment: str) -> Application:
    return application_with(cast("Any", object()), environment)


@pytest.mark.parametrize(
    "environment",
    [{}, {"AITK_READ_ONLY": "1"}, {"AITK_ALLOW_DESTRUCTIVE": "0"}, {"AITK_TOOLSETS": "training"},
     {"AITK_TOOLSETS": "observability"}, {"AITK_EXCLUDE_TOOLS": "get-training-observability"}],
    ids=str,
)  # fmt: skip
def test_installed_instructions_never_name_an_absent_tool(
    application_with: Callable[..., Application], environment: dict[str, str]
) -> None:
    application = installed(application_with, **environment)
    instructions = build_server(application).instructions or ""
    tools = application.registry.tools
    absent = {
        name for name, owned in tools.items() if application.policy.refusal(owned) is not None
    }
    assert {name for name in absent if name in instructions} == set()


def test_the_list_of_installed_tools_fits_a_model_s_attention(
    application_with: Callable[..., Application],
) -> None:
    tools = listed(installed(application_with))
    costs = {
        tool.name: len(compact([tool.name, tool.description, tool.input_schema])) / 4
        for tool in tools.values()
    }
    largest = sorted(costs.items(), key=lambda cost: -cost[1])[:5]
    assert sum(costs.values()) <= TOKENS * len(costs), largest


def test_the_list_of_installed_tools_is_not_too_large_to_send(
    application_with: Callable[..., Application],
) -> None:
    sizes = {
        name: len(tool.model_dump_json(by_alias=True, exclude_none=True).encode("utf-8"))
        for name, tool in listed(installed(application_with)).items()
    }
    assert sum(sizes.values()) <= TOOL_BYTES * len(sizes), sorted(
        sizes.items(), key=lambda s: -s[1]
    )[:5]


def test_every_installed_tool_has_a_short_kebab_name(registry: Any) -> None:
    for name in registry.tools:
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name)
        assert len(name) <= 40


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
