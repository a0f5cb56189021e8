"""Tools that ask the client: its person, its model, its folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.records.results import Completion, Question, RootsRequest, ToolResult

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import Inquiry, JsonObject, Reply
    from mcp_everything.arguments import Elicitation, Sampling

DEFAULTS: Final[dict[str, Any]] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {
        "type": "string",
        "enum": ["active", "inactive", "pending"],
        "default": "active",
    },
    "verified": {"type": "boolean", "default": True},
}
"""SEP-1034."""

_TITLED: Final = [
    {"const": "value1", "title": "First Option"},
    {"const": "value2", "title": "Second Option"},
    {"const": "value3", "title": "Third Option"},
]
_OPTIONS: Final = ["option1", "option2", "option3"]

ENUMS: Final[dict[str, Any]] = {
    "untitledSingle": {"type": "string", "enum": _OPTIONS},
    "titledSingle": {"type": "string", "oneOf": _TITLED},
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
}
"""SEP-1330."""


def _question(message: str, *, required: bool = True, **properties: Any) -> Question:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = sorted(properties)
    return Question(message=message, schema=schema)


def _name() -> Question:
    return _question("What is your name?", name={"type": "string"})


def _confirm() -> Question:
    return _question("Please confirm", ok={"type": "boolean"})


async def _one(context: ToolContext, key: str, inquiry: Inquiry) -> Reply:
    return (await context.ask({key: inquiry}))[key]


def _told(reply: Reply) -> ToolResult:
    return ToolResult(summary=f"action={reply.action}, content={dict(reply.content)}")


async def sampling(arguments: Sampling, context: ToolContext) -> ToolResult:
    """Have the client's model complete the prompt."""
    inquiry = Completion(prompt=arguments.prompt, max_tokens=100)
    reply = await _one(context, "completion", inquiry)
    return ToolResult(summary=f"LLM response: {reply.content['text']}")


async def elicitation(arguments: Elicitation, context: ToolContext) -> ToolResult:
    """Ask the person for a name and an address."""
    question = _question(
        arguments.message,
        username={"type": "string", "description": "User's response"},
        email={"type": "string", "description": "User's email address"},
    )
    return _told(await _one(context, "person", question))


async def elicitation_sep1034_defaults(_arguments: JsonObject, context: ToolContext) -> ToolResult:
    """Ask with a default for each type."""
    question = _question("Please review the form", required=False, **DEFAULTS)
    return _told(await _one(context, "form", question))


async def elicitation_sep1330_enums(_arguments: JsonObject, context: ToolContext) -> ToolResult:
    """Ask with each way to write a choice."""
    question = _question("Please choose", required=False, **ENUMS)
    return _told(await _one(context, "choice", question))


async def missing_capability(_arguments: JsonObject, context: ToolContext) -> ToolResult:
    """Need the client's model, whether it offers it or not."""
    reply = await _one(context, "completion", Completion(prompt="Say hello", max_tokens=10))
    return ToolResult(summary=str(reply.content["text"]))


async def streaming_elicitation(_arguments: JsonObject, context: ToolContext) -> ToolResult:
    """Report progress, then ask."""
    await context.progress(1, 2, "About to ask")
    return _told(await _one(context, "user_name", _name()))


async def input_required_result_elicitation(
    _arguments: JsonObject, context: ToolContext
) -> ToolResult:
    """Ask for a name and greet."""
    reply = await _one(context, "user_name", _name())
    return ToolResult(summary=f"Hello, {reply.content.get('name', 'whoever you are')}!")


async def input_required_result_sampling(
    _arguments: JsonObject, context: ToolContext
) -> ToolResult:
    """Ask the client's model."""
    inquiry = Completion(prompt="What is the capital of France?", max_tokens=100)
    reply = await _one(context, "capital_question", inquiry)
    return ToolResult(summary=str(reply.content["text"]))


async def input_required_result_list_roots(
    _arguments: JsonObject, context: ToolContext
) -> ToolResult:
    """Ask for the client's folders."""
    reply = await _one(context, "client_roots", RootsRequest())
    return ToolResult(summary=f"Roots: {', '.join(reply.content['roots'])}")


async def input_required_result_request_state(
    _arguments: JsonObject, context: ToolContext
) -> ToolResult:
    """Ask for a confirmation; the second round only gets here with the state of the first."""
    reply = await _one(context, "confirm", _confirm())
    return ToolResult(summary=f"state-ok, {reply.action}")


async def input_required_result_multiple_inputs(
    _arguments: JsonObject, context: ToolContext
) -> ToolResult:
    """Ask a person, a model and for folders at once."""
    replies = await context.ask(
        {
            "user_name": _name(),
            "greeting": Completion(prompt="Generate a greeting", max_tokens=50),
            "client_roots": RootsRequest(),
        }
    )
    name = replies["user_name"].content.get("name")
    roots = replies["client_roots"].content["roots"]
    return ToolResult(summary=f"{replies['greeting'].content['text']} {name}, {len(roots)} roots")


async def input_required_result_multi_round(
    _arguments: JsonObject, context: ToolContext
) -> ToolResult:
    """Ask one thing after another."""
    first = await _one(
        context, "step1", _question("Step 1: What is your name?", name={"type": "string"})
    )
    second = await _one(
        context,
        "step2",
        _question("Step 2: What is your favorite color?", color={"type": "string"}),
    )
    return ToolResult(summary=f"{first.content.get('name')} likes {second.content.get('color')}")


async def input_required_result_tampered_state(
    _arguments: JsonObject, context: ToolContext
) -> ToolResult:
    """Ask for a confirmation; the server refuses a state that it did not seal."""
    return _told(await _one(context, "confirm", _confirm()))


async def input_required_result_capabilities(
    _arguments: JsonObject, context: ToolContext
) -> ToolResult:
    """Ask only what this client can answer."""
    inquiries: dict[str, Inquiry] = {}
    if context.can_ask("question"):
        inquiries["user_name"] = _name()
    if context.can_ask("completion"):
        inquiries["greeting"] = Completion(prompt="Generate a greeting", max_tokens=50)
    if context.can_ask("roots"):
        inquiries["client_roots"] = RootsRequest()
    replies = await context.ask(inquiries)
    return ToolResult(summary=f"Answered: {', '.join(sorted(replies)) or 'nothing'}")
