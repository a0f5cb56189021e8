"""A handler asks its client in ways that the conformance suite does not try.

In both eras of the protocol: `legacy` is 2025-11-25, `auto` is 2026-07-28.
"""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import mcp_types as t
import pytest
from mcp import Client
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.exceptions import MCPError

from aitk_core.application import Application
from aitk_core.frontends.mcp.interaction import Interaction
from aitk_core.frontends.mcp.server import build_server
from aitk_core.hookspecs import GROUP, hookimpl
from aitk_core.policy import Policy
from aitk_core.records.results import (
    Completion,
    PromptMessage,
    Question,
    ResourceContent,
    RootsRequest,
    Text,
    ToolResult,
)
from aitk_core.settings import SettingsSource
from aitk_core.specs import Lazy, PromptArgument, PromptSpec, ResourceSpec, ToolSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aitk_core.protocols import ToolContext

PLUGIN = EntryPoint(name="asker", value="asker_plugin", group=GROUP)

both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])

pytestmark = [
    # Sampling and roots still work, and warn that the newest revision drops them.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
    pytest.mark.usefixtures("_plugin"),
]

NAMED = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


async def _ask_at_once(_arguments: Any, context: ToolContext) -> ToolResult:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(context.ask({key: Question(message=key, schema=NAMED)}))
            for key in ("first", "second")
        ]
    replies = [reply for task in tasks for reply in task.result().values()]
    return ToolResult(summary=" ".join(str(reply.content["name"]) for reply in replies))


async def _ask_yes_or_no(_arguments: Any, context: ToolContext) -> ToolResult:
    reply = (await context.ask({"sure": Question(message="Sure?")}))["sure"]
    return ToolResult(summary=reply.action)


async def _ask_name(_arguments: Any, context: ToolContext) -> ToolResult:
    reply = (await context.ask({"name": Question(message="Who?", schema=NAMED)}))["name"]
    return ToolResult(summary=f"{reply.action} {reply.content.get('name')}")


async def _ask_nested(_arguments: Any, context: ToolContext) -> ToolResult:
    inner = await context.call_tool("ask-yes-or-no", {})
    reply = (await context.ask({"name": Question(message="Who?", schema=NAMED)}))["name"]
    return ToolResult(summary=f"{inner.summary} {reply.content['name']}")


async def _ask_model(_arguments: Any, context: ToolContext) -> ToolResult:
    reply = (await context.ask({"text": Completion(prompt="Go on", system="Be brief")}))["text"]
    return ToolResult(summary=f"{reply.content['text']} by {reply.content['model']}")


async def _read(_uri: str, _parts: Any, context: ToolContext) -> ResourceContent:
    reply = (await context.ask({"name": Question(message="Who?", schema=NAMED)}))["name"]
    return ResourceContent(text=str(reply.content["name"]))


async def _complete(_argument: str, _typed: str, context: ToolContext) -> list[str]:
    return list(await context.ask({"roots": RootsRequest()}))


async def _render(_arguments: Any, _context: ToolContext) -> tuple[PromptMessage, ...]:
    return (PromptMessage(content=Text("Hello")),)


class AskerPlugin:
    """Declares what asks."""

    @hookimpl
    def aitk_tools(self) -> list[ToolSpec]:
        names = ("ask-at-once", "ask-yes-or-no", "ask-name", "ask-nested", "ask-model")
        return [
            ToolSpec(
                name=name,
                description=name,
                handler=Lazy(f"asker_code:{name.replace('-', '_')}"),
            )
            for name in names
        ]

    @hookimpl
    def aitk_resources(self) -> list[ResourceSpec]:
        return [
            ResourceSpec(
                uri="asker://who", name="who", description="Who.", read=Lazy("asker_code:read")
            )
        ]

    @hookimpl
    def aitk_prompts(self) -> list[PromptSpec]:
        return [
            PromptSpec(
                name="asker",
                description="Asks while it completes.",
                arguments=(PromptArgument(name="who"),),
                render=Lazy("asker_code:render"),
                complete=Lazy("asker_code:complete"),
            )
        ]


@pytest.fixture
def _plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    code = ModuleType("asker_code")
    code.__dict__.update(
        ask_at_once=_ask_at_once,
        ask_yes_or_no=_ask_yes_or_no,
        ask_name=_ask_name,
        ask_nested=_ask_nested,
        ask_model=_ask_model,
        read=_read,
        render=_render,
        complete=_complete,
    )
    monkeypatch.setitem(sys.modules, "asker_code", code)
    monkeypatch.setitem(sys.modules, "asker_plugin", cast("ModuleType", AskerPlugin()))


def _with(mode: str, use: Callable[[Client], Awaitable[Any]], **callbacks: Any) -> Any:
    async def scenario() -> Any:
        application = Application(
            points=[PLUGIN],
            source=SettingsSource(environment={}),
            backend=cast("Any", object()),
        )
        async with (
            application,
            Client(build_server(application), mode=cast("Any", mode), **callbacks) as client,
        ):
            # In memory, a modern call runs in its caller's task. Up to Python 3.12 a task group
            # that fails leaves the cancellation count of its task raised, so it gets its own.
            return await asyncio.create_task(use(client))  # type: ignore[arg-type]

    return asyncio.run(scenario())


def _call(
    mode: str, name: str, arguments: dict[str, Any] | None = None, **callbacks: Any
) -> t.CallToolResult:
    result: t.CallToolResult = _with(mode, lambda c: c.call_tool(name, arguments), **callbacks)
    return result


def _refused(
    mode: str, use: Callable[[Client], Awaitable[Any]], **callbacks: Any
) -> tuple[int, Any]:
    async def scenario(client: Client) -> tuple[int, Any]:
        with pytest.raises(MCPError) as caught:
            await use(client)
        return caught.value.code, caught.value.data

    refusal: tuple[int, Any] = _with(mode, scenario, **callbacks)
    return refusal


def _text(result: t.CallToolResult) -> str:
    first = result.content[0]
    assert isinstance(first, t.TextContent)
    return first.text


def _person(**answers: str) -> Any:
    """Return a person who fills in every form whose fields are known."""

    async def answer(_context: Any, params: t.ElicitRequestParams) -> t.ElicitResult:
        assert isinstance(params, t.ElicitRequestFormParams)
        (field,) = params.requested_schema["properties"]
        return t.ElicitResult(action="accept", content={field: answers[field]})

    return answer


async def _model(_context: Any, params: t.CreateMessageRequestParams) -> t.CreateMessageResult:
    (message,) = params.messages
    assert isinstance(message.content, t.TextContent)
    text = t.TextContent(text=f"{message.content.text} ({params.max_tokens})")
    return t.CreateMessageResult(role="assistant", content=text, model="a-model")


async def _folders(_context: Any) -> t.ListRootsResult:
    return t.ListRootsResult(roots=[t.Root(uri=cast("Any", "file:///runs"))])


async def _first_round(client: Client, name: str) -> t.InputRequiredResult:
    result = await client.session.call_tool(name, {}, allow_input_required=True)
    assert isinstance(result, t.InputRequiredResult)
    return result


@both_eras
def test_tasks_of_one_handler_ask_side_by_side(mode: str) -> None:
    result = _call(mode, "ask-at-once", elicitation_callback=_person(name="Ada"))
    assert _text(result) == "Ada Ada"


@both_eras
def test_a_question_without_fields_is_a_yes_or_no(mode: str) -> None:
    async def agree(_context: Any, params: t.ElicitRequestParams) -> t.ElicitResult:
        assert isinstance(params, t.ElicitRequestFormParams)
        assert params.requested_schema == {"type": "object", "properties": {}}
        return t.ElicitResult(action="accept")

    assert _text(_call(mode, "ask-yes-or-no", elicitation_callback=agree)) == "accept"


@both_eras
def test_a_tool_used_by_a_tool_asks_too(mode: str) -> None:
    async def answer(_context: Any, params: t.ElicitRequestParams) -> t.ElicitResult:
        named = params.message == "Who?"
        return t.ElicitResult(action="accept", content={"name": "Ada"} if named else None)

    assert _text(_call(mode, "ask-nested", elicitation_callback=answer)) == "accept Ada"


@both_eras
def test_reading_a_resource_asks_too(mode: str) -> None:
    read = _with(
        mode,
        lambda c: c.read_resource("asker://who"),
        elicitation_callback=_person(name="Ada"),
    )
    assert read.contents[0].text == "Ada"


@both_eras
def test_completing_an_argument_never_asks(mode: str) -> None:
    code, _ = _refused(
        mode,
        lambda c: c.complete(t.PromptReference(name="asker"), {"name": "who", "value": ""}),
        list_roots_callback=_folders,
    )
    assert code == t.MISSING_REQUIRED_CLIENT_CAPABILITY


@both_eras
def test_a_models_answer_comes_with_its_name(mode: str) -> None:
    assert _text(_call(mode, "ask-model", sampling_callback=_model)) == "Go on (1000) by a-model"


def test_a_legacy_client_may_refuse_to_sample() -> None:
    async def refuse(_context: Any, _params: Any) -> t.ErrorData:
        return t.ErrorData(code=-1, message="User rejected sampling request")

    result = _call("legacy", "ask-model", sampling_callback=refuse)
    assert result.is_error
    assert "did not answer a completion: User rejected" in _text(result)


def test_a_picture_is_no_answer_of_a_legacy_clients_model() -> None:
    async def draw(_context: Any, _params: Any) -> t.CreateMessageResult:
        image = t.ImageContent(data="", mime_type="image/png")
        return t.CreateMessageResult(role="assistant", content=image, model="a-model")

    result = _call("legacy", "ask-model", sampling_callback=draw)
    assert result.is_error
    assert "answer of another kind" in _text(result)


def test_a_legacy_answer_that_does_not_fit_counts_as_cancelled() -> None:
    async def garble(_context: Any, _params: Any) -> t.ElicitResult:
        return t.ElicitResult(action="accept", content={"name": 7})

    assert _text(_call("legacy", "ask-name", elicitation_callback=garble)) == "cancel None"


@pytest.mark.parametrize(
    ("declared", "asks"),
    [
        ({}, True),
        ({"form": {}}, True),
        ({"form": {}, "url": {}}, True),
        ({"url": {}}, False),
        (None, False),
    ],
)
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_a_client_that_only_opens_web_pages_is_asked_no_question(
    version: str,
    declared: dict[str, Any] | None,
    asks: bool,  # noqa: FBT001 - an expected value
) -> None:
    # The client library has no switch for it: it declares forms along with pages.
    capabilities = t.ClientCapabilities.model_validate({"elicitation": declared})
    session = SimpleNamespace(client_capabilities=capabilities, can_send_request=True)
    context = SimpleNamespace(protocol_version=version, request_id=1, session=session)
    interaction = Interaction(cast("Any", context), InMemorySubscriptionBus())
    assert ("question" in interaction.session(Policy(), 1.0).asks) is asks
