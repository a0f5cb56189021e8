"""A handler asks its client: the same code in both eras of the protocol.

`legacy` is 2025-11-25, where the server asks and waits; `auto` is 2026-07-28, where the call
ends with the question and is repeated with the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mcp_types as t
import pytest

from aitk_core.testing.mcp import with_client
from support.everything_plugin import everything
from support.mcp_clients import (
    both_eras,
    call,
    first_round,
    folders,
    model,
    person,
    refused,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp import Client

pytest_plugins = ["support.everything_plugin"]

pytestmark = [
    # Sampling and roots still work, and warn that the newest revision drops them.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
    pytest.mark.usefixtures("everything_plugin"),
]


@both_eras
def test_a_person_answers_one_question_after_another(mode: str) -> None:
    result = call(
        everything(),
        "test_input_required_result_multi_round",
        mode=mode,
        elicitation_callback=person(name="Ada", color="blue"),
    )
    assert text_of(result) == "Ada likes blue"


@both_eras
def test_a_person_a_model_and_folders_are_asked_at_once(mode: str) -> None:
    result = call(
        everything(),
        "test_input_required_result_multiple_inputs",
        mode=mode,
        elicitation_callback=person(name="Ada"),
        sampling_callback=model,
        list_roots_callback=folders,
    )
    assert text_of(result) == "Generate a greeting (50) Ada, 1 roots"


@both_eras
@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_question_may_stay_unanswered(mode: str, action: Any) -> None:
    async def refuse(_context: Any, _params: Any) -> t.ElicitResult:
        return t.ElicitResult(action=action)

    result = call(
        everything(),
        "test_elicitation",
        {"message": "Who?"},
        mode=mode,
        elicitation_callback=refuse,
    )
    assert text_of(result) == f"action={action}, content={{}}"


@both_eras
def test_a_prompt_asks_too(mode: str) -> None:
    prompt: Any = with_client(
        everything(),
        lambda c: c.get_prompt("test_input_required_result_prompt"),
        mode=mode,
        elicitation_callback=person(context="winter"),
    )
    assert prompt.messages[0].content.text == "Use this context: winter"


def test_each_round_carries_a_new_sealed_state() -> None:
    async def use(client: Client) -> list[Any]:
        name = "test_input_required_result_multi_round"
        first = await first_round(client, name)
        second = await client.session.call_tool(
            name,
            {},
            input_responses={"step1": t.ElicitResult(action="accept", content={"name": "Ada"})},
            request_state=first.request_state,
            allow_input_required=True,
        )
        return [first, second]

    first, second = with_client(everything(), use, mode="auto", elicitation_callback=person())
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
        first = await first_round(client, name)
        await client.session.call_tool(
            name,
            {},
            input_responses={"confirm": t.ElicitResult(action="accept", content={"ok": True})},
            request_state=tampered(first.request_state or ""),
            allow_input_required=True,
        )

    code, data = refused(everything(), use, mode="auto", elicitation_callback=person())
    assert (code, data) == (t.INVALID_PARAMS, {"reason": "invalid_request_state"})


def test_a_state_of_another_tool_is_refused() -> None:
    async def use(client: Client) -> None:
        first = await first_round(client, "test_input_required_result_tampered_state")
        await client.session.call_tool(
            "test_input_required_result_request_state",
            {},
            input_responses={"confirm": t.ElicitResult(action="accept", content={"ok": True})},
            request_state=first.request_state,
            allow_input_required=True,
        )

    code, _ = refused(everything(), use, mode="auto", elicitation_callback=person())
    assert code == t.INVALID_PARAMS


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
        first = await first_round(client, name)
        return await client.session.call_tool(
            name,
            {},
            input_responses=responses,
            request_state=first.request_state,
            allow_input_required=True,
        )

    again = with_client(everything(), use, mode="auto", elicitation_callback=person())
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
    code, data = refused(everything(), lambda c: c.call_tool(name), mode=mode)
    assert code == t.MISSING_REQUIRED_CLIENT_CAPABILITY
    assert data["requiredCapabilities"] == needed


@both_eras
def test_a_tool_asks_only_what_the_client_declared(mode: str) -> None:
    name = "test_input_required_result_capabilities"
    assert text_of(call(everything(), name, mode=mode)) == "Answered: nothing"
    result = call(everything(), name, mode=mode, list_roots_callback=folders)
    assert text_of(result) == "Answered: client_roots"
