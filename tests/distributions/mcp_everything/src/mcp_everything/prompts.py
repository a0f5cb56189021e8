"""Renderers of the fixture prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.records.results import Embedded, Image, PromptMessage, Question, Text
from mcp_everything.media import PNG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import Block


def _messages(*blocks: Block) -> tuple[PromptMessage, ...]:
    return tuple(PromptMessage(content=block) for block in blocks)


async def simple(_arguments: Mapping[str, str], _context: ToolContext) -> tuple[PromptMessage, ...]:
    """Render one message."""
    return _messages(Text("This is a simple prompt for testing."))


async def with_arguments(
    arguments: Mapping[str, str], _context: ToolContext
) -> tuple[PromptMessage, ...]:
    """Render both arguments."""
    text = f"Prompt with arguments: arg1='{arguments['arg1']}', arg2='{arguments['arg2']}'"
    return _messages(Text(text))


async def complete(argument: str, typed: str, _context: ToolContext) -> list[str]:
    """Return values of an argument that begin with what was typed."""
    known = {"arg1": ["paris", "park", "party"]}.get(argument, [])
    return [value for value in known if value.startswith(typed)]


async def with_embedded_resource(
    arguments: Mapping[str, str], _context: ToolContext
) -> tuple[PromptMessage, ...]:
    """Render a resource with its content, then a text."""
    resource = Embedded(
        uri=arguments["resourceUri"],
        mime_type="text/plain",
        text="Embedded resource content for testing.",
    )
    return _messages(resource, Text("Please process the embedded resource above."))


async def with_image(
    _arguments: Mapping[str, str], _context: ToolContext
) -> tuple[PromptMessage, ...]:
    """Render an image, then a text."""
    return _messages(Image(data=PNG), Text("Please analyze the image above."))


async def with_input(
    _arguments: Mapping[str, str], context: ToolContext
) -> tuple[PromptMessage, ...]:
    """Ask for the context, then render it."""
    question = Question(
        message="What context should the prompt use?",
        schema={
            "type": "object",
            "properties": {"context": {"type": "string"}},
            "required": ["context"],
        },
    )
    reply = (await context.ask({"user_context": question}))["user_context"]
    return _messages(Text(f"Use this context: {reply.content.get('context', 'none')}"))
