"""Tools that show each kind of content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.errors import AitkError
from aitk_core.records.results import Audio, Embedded, Image, Text, ToolResult
from mcp_everything.media import PNG, WAV

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import JsonObject


async def simple_text(_arguments: JsonObject, _context: ToolContext) -> ToolResult:
    """Answer with one text."""
    return ToolResult(summary="This is a simple text response for testing.")


async def image_content(_arguments: JsonObject, _context: ToolContext) -> ToolResult:
    """Answer with one image."""
    return ToolResult(blocks=(Image(data=PNG),))


async def audio_content(_arguments: JsonObject, _context: ToolContext) -> ToolResult:
    """Answer with one sound."""
    return ToolResult(blocks=(Audio(data=WAV),))


async def embedded_resource(_arguments: JsonObject, _context: ToolContext) -> ToolResult:
    """Answer with one resource and its content."""
    resource = Embedded(
        uri="test://embedded-resource",
        mime_type="text/plain",
        text="This is an embedded resource content.",
    )
    return ToolResult(blocks=(resource,))


async def multiple_content_types(_arguments: JsonObject, _context: ToolContext) -> ToolResult:
    """Answer with text, image and resource."""
    resource = Embedded(
        uri="test://mixed-content-resource",
        mime_type="application/json",
        text='{"test":"data","value":123}',
    )
    return ToolResult(
        blocks=(Text("Multiple content types test:"), Image(data=PNG), resource),
    )


async def error_handling(_arguments: JsonObject, _context: ToolContext) -> ToolResult:
    """Fail on purpose.

    Raises:
        AitkError: Always.
    """
    raise AitkError("this tool intentionally returns an error for testing")


async def accept(arguments: JsonObject, _context: ToolContext) -> ToolResult:
    """Name the arguments that came in."""
    return ToolResult(summary=f"Received: {', '.join(sorted(arguments)) or 'nothing'}")
