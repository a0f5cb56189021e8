"""An application with one plugin, called by MCP clients that can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import mcp_types as t
import pytest
from mcp.shared.exceptions import MCPError

from aitk_core.application import Application
from aitk_core.settings import SettingsSource
from aitk_core.testing.mcp import ERAS, with_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from importlib.metadata import EntryPoint

    from mcp import Client

both_eras = pytest.mark.parametrize("mode", ERAS)


def application_of(plugin: EntryPoint) -> Application:
    """Give an application of one plugin, with no settings and no training backend."""
    return Application(
        points=[plugin],
        source=SettingsSource(environment={}),
        backend=cast("Any", object()),
    )


def call(
    application: Application,
    name: str,
    arguments: dict[str, Any] | None = None,
    *,
    mode: str,
    **callbacks: Any,
) -> t.CallToolResult:
    """Call one tool."""
    return with_client(
        application, lambda client: client.call_tool(name, arguments), mode=mode, **callbacks
    )


def refused(
    application: Application,
    use: Callable[[Client], Awaitable[Any]],
    *,
    mode: str,
    **callbacks: Any,
) -> tuple[int, Any]:
    """Give code and data of the protocol error that `use` ends with."""

    async def scenario(client: Client) -> tuple[int, Any]:
        with pytest.raises(MCPError) as caught:
            await use(client)
        return caught.value.code, caught.value.data

    return with_client(application, scenario, mode=mode, **callbacks)


def text_of(result: t.CallToolResult) -> str:
    """Give the text that a result begins with."""
    first = result.content[0]
    assert isinstance(first, t.TextContent)
    return first.text


def person(**answers: str) -> Any:
    """Give a person who fills in every form whose fields are known."""

    async def answer(_context: Any, params: t.ElicitRequestParams) -> t.ElicitResult:
        assert isinstance(params, t.ElicitRequestFormParams)
        (field,) = params.requested_schema["properties"]
        return t.ElicitResult(action="accept", content={field: answers[field]})

    return answer


async def model(_context: Any, params: t.CreateMessageRequestParams) -> t.CreateMessageResult:
    """Repeat the prompt, with the number of tokens that the answer may have."""
    (message,) = params.messages
    assert isinstance(message.content, t.TextContent)
    text = t.TextContent(text=f"{message.content.text} ({params.max_tokens})")
    return t.CreateMessageResult(role="assistant", content=text, model="a-model")


async def folders(_context: Any) -> t.ListRootsResult:
    """Give one folder."""
    return t.ListRootsResult(roots=[t.Root(uri=cast("Any", "file:///runs"))])


async def first_round(client: Client, name: str) -> t.InputRequiredResult:
    """Call a tool without arguments, and give what it asks for before it answers."""
    result = await client.session.call_tool(name, {}, allow_input_required=True)
    assert isinstance(result, t.InputRequiredResult)
    return result
