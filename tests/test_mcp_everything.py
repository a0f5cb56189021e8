"""The plugin interface is wide enough for everything the conformance suite asks of a server.

In memory and in both eras of the protocol: `legacy` is 2025-11-25, `auto` is 2026-07-28.
"""

from __future__ import annotations

import ast
import base64
import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import mcp_types as t
import pytest

from aitk_core.hookspecs import GROUP
from aitk_core.testing.mcp import with_client
from support.everything_plugin import PLUGIN, SOURCE, everything
from support.mcp_clients import both_eras, call, refused, text_of

if TYPE_CHECKING:
    from mcp import Client

pytest_plugins = ["support.everything_plugin"]

pytestmark = [
    # Sampling, roots and logging still work, and warn that the newest revision drops them.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
    pytest.mark.usefixtures("everything_plugin"),
]


def test_the_plugin_knows_nothing_of_the_protocols_library() -> None:
    imported = {
        name
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not {name for name in imported if name.partition(".")[0] in {"mcp", "mcp_types"}}


def test_the_plugin_loads_whole_and_no_normal_install_has_it() -> None:
    application = everything()
    assert [p for p in application.registry.problems if p.severity == "error"] == []
    assert PLUGIN.name not in entry_points(group=GROUP).names


def test_every_declaration_names_code_that_is_there() -> None:
    registry = everything().registry
    lazies: list[Any] = [owned.spec.handler for owned in registry.tools.values()]
    lazies += [owned.spec.read for owned in registry.resources.values()]
    lazies += [owned.spec.render for owned in registry.prompts.values()]
    assert all(callable(lazy.load()) for lazy in lazies)


@both_eras
def test_every_kind_of_block_reaches_the_client(mode: str) -> None:
    async def use(client: Client) -> list[Any]:
        names = ("test_multiple_content_types", "test_audio_content", "test_embedded_resource")
        return [block for name in names for block in (await client.call_tool(name)).content]

    text, image, mixed, audio, embedded = with_client(everything(), use, mode=mode)
    assert text.text == "Multiple content types test:"
    assert (image.mime_type, base64.b64decode(image.data)[:4]) == ("image/png", b"\x89PNG")
    assert json.loads(mixed.resource.text) == {"test": "data", "value": 123}
    assert (audio.mime_type, base64.b64decode(audio.data)[:4]) == ("audio/wav", b"RIFF")
    assert embedded.resource.uri == "test://embedded-resource"


@both_eras
def test_a_typed_error_is_a_result_that_the_model_can_read(mode: str) -> None:
    result = call(everything(), "test_error_handling", mode=mode)
    assert result.is_error
    assert "intentionally returns an error" in text_of(result)


@both_eras
def test_keywords_of_json_schema_2020_12_reach_the_client(mode: str) -> None:
    from importlib import import_module

    tools = with_client(everything(), lambda c: c.list_tools(), mode=mode).tools
    (found,) = [tool for tool in tools if tool.name == "json_schema_2020_12_tool"]
    assert found.input_schema == import_module("mcp_everything.plugin").JSON_SCHEMA_2020_12


@both_eras
def test_progress_reaches_who_asked_for_it(mode: str) -> None:
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - by name
        seen.append((progress, total))

    async def use(client: Client) -> None:
        await client.call_tool("test_tool_with_progress", progress_callback=note)

    with_client(everything(), use, mode=mode)
    assert seen == [(0, 100), (50, 100), (100, 100)]


def _logged(mode: str, level: Any, *, set_level: Any = None) -> list[Any]:
    seen: list[Any] = []

    async def note(params: t.LoggingMessageNotificationParams) -> None:
        seen.append(params.data)

    async def use(client: Client) -> None:
        if set_level is not None:
            await client.set_logging_level(set_level)  # type: ignore[deprecated]  # as here
        await client.call_tool("test_logging_tool")

    with_client(everything(), use, mode=mode, logging_callback=note, log_level=level)
    return seen


def test_log_messages_reach_a_legacy_client_down_to_the_level_it_set() -> None:
    message = {"message": "Diagnostic message", "data": {"once": True}}
    assert _logged("legacy", None) == [message]
    assert _logged("legacy", None, set_level="info") == [message]
    assert _logged("legacy", None, set_level="warning") == []


def test_log_messages_reach_a_modern_client_only_at_the_level_of_its_request() -> None:
    message = {"message": "Diagnostic message", "data": {"once": True}}
    assert _logged("auto", None) == []
    assert _logged("auto", "info") == [message]
    assert _logged("auto", "warning") == []


def test_a_change_reaches_a_legacy_client() -> None:
    async def use(client: Client) -> None:
        await client.call_tool("test_trigger_tool_change")
        await client.call_tool("test_trigger_prompt_change")

    seen: list[Any] = []

    async def note(message: Any) -> None:
        seen.append(message.method)

    with_client(everything(), use, mode="legacy", message_handler=note)
    assert seen == ["notifications/tools/list_changed", "notifications/prompts/list_changed"]


def test_a_change_reaches_a_modern_client_that_listens() -> None:
    async def use(client: Client) -> list[str]:
        async with client.listen(tools_list_changed=True, prompts_list_changed=True) as events:
            await client.call_tool("test_trigger_tool_change")
            await client.call_tool("test_trigger_prompt_change")
            return [type(await anext(events)).__name__ for _ in range(2)]

    assert with_client(everything(), use, mode="auto") == ["ToolsListChanged", "PromptsListChanged"]


@both_eras
def test_resources_are_listed_and_read(mode: str) -> None:
    async def use(client: Client) -> list[Any]:
        listed = await client.list_resources()
        templates = await client.list_resource_templates()
        uris = ("test://static-text", "test://static-binary", "test://template/123/data")
        read = [(await client.read_resource(uri)).contents[0] for uri in uris]
        return [listed.resources, templates.resource_templates, *read]

    listed, templates, text, binary, data = with_client(everything(), use, mode=mode)
    assert [r.name for r in listed] == ["static-binary", "static-text", "watched-resource"]
    assert [r.uri_template for r in templates] == ["test://template/{id}/data"]
    assert text.text == "This is the content of the static text resource."
    assert base64.b64decode(binary.blob).startswith(b"\x89PNG")
    assert json.loads(data.text)["id"] == "123"


@both_eras
def test_a_resource_that_is_not_there_is_an_error_with_its_uri(mode: str) -> None:
    code, data = refused(everything(), lambda c: c.read_resource("test://absent"), mode=mode)
    assert (code, data["uri"]) == (t.INVALID_PARAMS, "test://absent")


@both_eras
def test_prompts_take_arguments_and_complete_them(mode: str) -> None:
    async def use(client: Client) -> tuple[Any, Any]:
        name = "test_prompt_with_arguments"
        prompt = await client.get_prompt(name, {"arg1": "hello", "arg2": "world"})
        values = await client.complete(
            t.PromptReference(name=name), {"name": "arg1", "value": "part"}
        )
        return prompt.messages[0].content, values.completion.values

    content, values = with_client(everything(), use, mode=mode)
    assert content.text == "Prompt with arguments: arg1='hello', arg2='world'"
    assert values == ["party"]
