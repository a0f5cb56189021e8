"""Tools that tell the client something while they run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aitk_core.records.results import ToolResult

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import JsonObject

PAUSE_S: Final = 0.05
"""What the suite asks for between notices."""


async def tool_with_progress(_arguments: JsonObject, context: ToolContext) -> ToolResult:
    """Report 0, 50 and 100 of 100."""
    for done in (0, 50, 100):
        if done:
            await asyncio.sleep(PAUSE_S)
        await context.progress(done, 100, f"Completed step {done} of 100")
    return ToolResult(summary="Reported progress.")


async def tool_with_logging(_arguments: JsonObject, context: ToolContext) -> ToolResult:
    """Log three times."""
    for index, message in enumerate(
        ("Tool execution started", "Tool processing data", "Tool execution completed")
    ):
        if index:
            await asyncio.sleep(PAUSE_S)
        await context.log("info", message)
    return ToolResult(summary="Logged three times.")


async def logging_tool(_arguments: JsonObject, context: ToolContext) -> ToolResult:
    """Log once."""
    await context.log("info", "Diagnostic message", data={"once": True})
    return ToolResult(summary="Logged once.")


async def trigger_tool_change(_arguments: JsonObject, context: ToolContext) -> ToolResult:
    """Announce that the list of tools changed."""
    await context.announce("tools")
    return ToolResult(summary="Announced.")


async def trigger_prompt_change(_arguments: JsonObject, context: ToolContext) -> ToolResult:
    """Announce that the list of prompts changed."""
    await context.announce("prompts")
    return ToolResult(summary="Announced.")
