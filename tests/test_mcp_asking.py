"""A handler asks its client: the same code in both eras of the protocol.

`legacy` is 2025-11-25, where the server asks and waits; `auto` is 2026-07-28, where the call
ends with the question and is repeated with the answer.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import mcp_types as t
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from aitk_core.application import Application
from aitk_core.frontends.mcp.server import build_server
from aitk_core.hookspecs import GROUP
from aitk_core.settings import SettingsSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SOURCE = Path(__file__).parent / "distributions" / "mcp_everything" / "src"
PLUGIN = EntryPoint(name="mcp-everything", value="mcp_everything.plugin", group=GROUP)

both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])

pytestmark = [
    # Sampling and roots still work, and warn that the newest revision drops them.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
    pytest.mark.usefixtures("_plugin"),
]


@pytest.fixture
def _plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SOURCE))


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
            return await use(client)

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
def test_a_person_answers_one_question_after_another(mode: str) -> None:
    result = _call(
        mode,
        "test_input_required_result_multi_round",
        elicitation_callback=_person(name="Ada", color="blue"),
    )
    assert _text(result) == "Ada likes blue"


@both_eras
def test_a_person_a_model_and_folders_are_asked_at_once(mode: str) -> None:
    result = _call(
        mode,
        "test_input_required_result_multiple_inputs",
        elicitation_callback=_person(name="Ada"),
        sampling_callback=_model,
        list_roots_callback=_folders,
    )
    assert _text(result) == "Generate a greeting (50) Ada, 1 roots"


@both_eras
@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_question_may_stay_unanswered(mode: str, action: Any) -> None:
    async def refuse(_context: Any, _params: Any) -> t.ElicitResult:
        return t.ElicitResult(action=action)

    result = _call(mode, "test_elicitation", {"message": "Who?"}, elicitation_callback=refuse)
    assert _text(result) == f"action={action}, content={{}}"


@both_eras
def test_a_prompt_asks_too(mode: str) -> None:
    prompt = _with(
        mode,
        lambda c: c.get_prompt("test_input_required_result_prompt"),
        elicitation_callback=_person(context="winter"),
    )
    assert prompt.messages[0].content.text == "Use this context: winter"


def test_each_round_carries_a_new_sealed_state() -> None:
    async def use(client: Client) -> list[Any]:
        name = "test_input_required_result_multi_round"
        first = await _first_round(client, name)
        second = await client.session.call_tool(
            name,
            {},
            input_responses={"step1": t.ElicitResult(action="accept", content={"name": "Ada"})},
            request_state=first.request_state,
            allow_input_required=True,
        )
        return [first, second]

    first, second = _with("auto", use, elicitation_callback=_person())
    assert (list(first.input_requests), list(second.input_requests)) == (["step1"], ["step2"])
    assert first.request_state != second.request_state
    assert "Ada" not in second.request_state


@pytest.mark.parametrize(
    "tampered",
    [
        lambda state: state + "-TAMPERED",
        lambda state: state[:-1] + ("A" if state[-1] != "A" else "B"),
        lambda _state: "v1.AAAA",
        lambda _state: '{"replies": {"confirm": {"action": "accept", "content": {}}}}',
    ],
    ids=["longer", "one letter", "short", "in clear"],
)
def test_a_state_that_we_did_not_seal_is_refused(tampered: Callable[[str], str]) -> None:
    async def use(client: Client) -> None:
        name = "test_input_required_result_tampered_state"
        first = await _first_round(client, name)
        await client.session.call_tool(
            name,
            {},
            input_responses={"confirm": t.ElicitResult(action="accept", content={"ok": True})},
            request_state=tampered(first.request_state or ""),
            allow_input_required=True,
        )

    code, data = _refused("auto", use, elicitation_callback=_person())
    assert (code, data) == (t.INVALID_PARAMS, {"reason": "invalid_request_state"})


def test_a_state_of_another_tool_is_refused() -> None:
    async def use(client: Client) -> None:
        first = await _first_round(client, "test_input_required_result_tampered_state")
        await client.session.call_tool(
            "test_input_required_result_request_state",
            {},
            input_responses={"confirm": t.ElicitResult(action="accept", content={"ok": True})},
            request_state=first.request_state,
            allow_input_required=True,
        )

    assert _refused("auto", use, elicitation_callback=_person())[0] == t.INVALID_PARAMS


@pytest.mark.parametrize(
    "responses",
    [
        {},
        {"someone_else": t.ElicitResult(action="accept", content={"name": "Ada"})},
        {"user_name": t.ElicitResult(action="accept", content={})},
        {"user_name": t.ElicitResult(action="accept", content={"name": 7})},
        {"user_name": t.ListRootsResult(roots=[])},
    ],
    ids=["none", "another key", "a field is missing", "a wrong type", "another kind"],
)
def test_what_is_no_answer_is_asked_again(responses: dict[str, Any]) -> None:
    async def use(client: Client) -> Any:
        name = "test_input_required_result_elicitation"
        first = await _first_round(client, name)
        return await client.session.call_tool(
            name,
            {},
            input_responses=responses,
            request_state=first.request_state,
            allow_input_required=True,
        )

    again = _with("auto", use, elicitation_callback=_person())
    assert isinstance(again, t.InputRequiredResult)
    assert list(again.input_requests or {}) == ["user_name"]


@both_eras
@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("test_missing_capability", {"sampling": {}}),
        ("test_input_required_result_elicitation", {"elicitation": {}}),
        ("test_input_required_result_list_roots", {"roots": {}}),
    ],
)
def test_a_capability_that_is_missing_is_named(
    mode: str, name: str, needed: dict[str, Any]
) -> None:
    code, data = _refused(mode, lambda c: c.call_tool(name))
    assert code == t.MISSING_REQUIRED_CLIENT_CAPABILITY
    assert data["requiredCapabilities"] == needed


@both_eras
def test_a_tool_asks_only_what_the_client_declared(mode: str) -> None:
    name = "test_input_required_result_capabilities"
    assert _text(_call(mode, name)) == "Answered: nothing"
    assert _text(_call(mode, name, list_roots_callback=_folders)) == "Answered: client_roots"
