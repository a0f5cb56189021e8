"""Tools asked for a page: one that fails costs its own part, and the part says why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import frozen

from aitk_core.errors import AitkError, JobNotFoundError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aitk_core.protocols import ToolContext


T = TypeVar("T")


@frozen(kw_only=True)
class Answer:
    """A tool's answer, or why there is none."""

    data: dict[str, Any]
    """Empty where there is none."""
    problem: str | None = None


async def within(seconds: float | None, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what the work returns, or None where that takes longer."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        return None


async def ask(context: ToolContext, tool: str, **arguments: Any) -> Answer:
    """Call a tool for a page.

    Raises:
        JobNotFoundError: There is no such job, so there is no such page.
    """
    if not context.offers(tool):
        return Answer(data={}, problem=f"{tool} is not offered here")
    try:
        result = await context.call_tool(tool, arguments)
    except JobNotFoundError:
        raise
    except AitkError as error:
        text = f"{str(error).rstrip('.')}."
        if error.remedy:
            text += f" {error.remedy[0].upper()}{error.remedy[1:].rstrip('.')}."
        return Answer(data={}, problem=text)
    return Answer(data=dict(result.data or {}))
