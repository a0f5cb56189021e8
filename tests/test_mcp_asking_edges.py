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
from mcp.server.subscriptions import InMemorySubscriptionBus

from aitk_core.frontends.mcp.interaction import Interaction
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
from aitk_core.specs import Lazy, PromptArgument, PromptSpec, ResourceSpec, ToolSpec
from aitk_core.testing.mcp import with_client
from support.mcp_clients import (
    application_of,
    both_eras,
    call,
    folders,
    model,
    person,
    refused,
    text_of,
)

if TYPE_CHECKING:
    from aitk_core.application import Application
    from aitk_core.protocols import ToolContext

PLUGIN = EntryPoint(name="asker", value="asker_plugin", group=GROUP)

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


def asker() -> Application:
    return application_of(PLUGIN)


@both_eras
def test_tasks_of_one_handler_ask_side_by_side(mode: str) -> None:
    result = call(asker(), "ask-at-once", mode=mode, elicitation_callback=person(name="Ada"))
    assert text_of(result) == "Ada Ada"


@both_eras
def test_a_question_without_fields_is_a_yes_or_no(mode: str) -> None:
    async def agree(_context: Any, params: t.ElicitRequestParams) -> t.ElicitResult:
        assert isinstance(params, t.ElicitRequestFormParams)
        assert params.requested_schema == {"type": "object", "properties": {}}
        return t.ElicitResult(action="accept")

    result = call(asker(), "ask-yes-or-no", mode=mode, elicitation_callback=agree)
    assert text_of(result) == "accept"


@both_eras
def test_a_tool_used_by_a_tool_asks_too(mode: str) -> None:
    async def answer(_context: Any, params: t.ElicitRequestParams) -> t.ElicitResult:
        named = params.message == "Who?"
        return t.ElicitResult(action="accept", content={"name": "Ada"} if named else None)

    result = call(asker(), "ask-nested", mode=mode, elicitation_callback=answer)
    assert text_of(result) == "accept Ada"


@both_eras
def test_reading_a_resource_asks_too(mode: str) -> None:
    read: Any = with_client(
        asker(),
        lambda c: c.read_resource("asker://who"),
        mode=mode,
        elicitation_callback=person(name="Ada"),
    )
    assert read.contents[0].text == "Ada"


@both_eras
def test_completing_an_argument_never_asks(mode: str) -> None:
    code, _ = refused(
        asker(),
        lambda c: c.complete(t.PromptReference(name="asker"), {"name": "who", "value": ""}),
        mode=mode,
        list_roots_callback=folders,
    )
    assert code == t.MISSING_REQUIRED_CLIENT_CAPABILITY


@both_eras
def test_a_models_answer_comes_with_its_name(mode: str) -> None:
    result = call(asker(), "ask-model", mode=mode, sampling_callback=model)
    assert text_of(result) == "Go on (1000) by a-model"


def test_a_legacy_client_may_refuse_to_sample() -> None:
    async def refuse(_context: Any, _params: Any) -> t.ErrorData:
        return t.ErrorData(code=-1, message="User rejected sampling request")

    result = call(asker(), "ask-model", mode="legacy", sampling_callback=refuse)
    assert result.is_error
    assert "did not answer a completion: User rejected" in text_of(result)


def test_a_picture_is_no_answer_of_a_legacy_clients_model() -> None:
    async def draw(_context: Any, _params: Any) -> t.CreateMessageResult:
        image = t.ImageContent(data="", mime_type="image/png")
        return t.CreateMessageResult(role="assistant", content=image, model="a-model")

    result = call(asker(), "ask-model", mode="legacy", sampling_callback=draw)
    assert result.is_error
    assert "answer of another kind" in text_of(result)


def test_a_legacy_answer_that_does_not_fit_counts_as_cancelled() -> None:
    async def garble(_context: Any, _params: Any) -> t.ElicitResult:
        return t.ElicitResult(action="accept", content={"name": 7})

    result = call(asker(), "ask-name", mode="legacy", elicitation_callback=garble)
    assert text_of(result) == "cancel None"


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
    asks: bool,
) -> None:
    # The client library has no switch for it: it declares forms along with pages.
    capabilities = t.ClientCapabilities.model_validate({"elicitation": declared})
    session = SimpleNamespace(client_capabilities=capabilities, can_send_request=True)
    context = SimpleNamespace(protocol_version=version, request_id=1, session=session)
    interaction = Interaction(cast("Any", context), InMemorySubscriptionBus())
    assert ("question" in interaction.session(Policy(), 1.0).asks) is asks
