"""Answers to lines on stdin that are no messages, which the SDK leaves unanswered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import mcp_types as t
import pydantic
from mcp.shared.message import SessionMessage

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class AnsweredLines:
    """A read stream that takes faulty lines out and answers them.

    JSON-RPC 2.0 section 5.1: a parse error is answered with id null, unless the id could be
    read, as with a text that only holds an unpaired surrogate.
    """

    def __init__(self, read: Any, write: Any) -> None:
        """Take the transport's two streams."""
        self._read = read
        self._write = write

    @property
    def last_context(self) -> Any:
        """Return the context of the last item's sender."""
        return self._read.last_context

    async def receive(self) -> Any:
        """Return the next message; faulty lines before it are answered."""
        while isinstance(item := await self._read.receive(), Exception):
            await self._write.send(SessionMessage(_fault(item)))
        return item

    def __aiter__(self) -> Self:
        """Iterate over messages."""
        return self

    async def __anext__(self) -> Any:
        """Return the next message."""
        while isinstance(item := await anext(self._read), Exception):
            await self._write.send(SessionMessage(_fault(item)))
        return item

    async def aclose(self) -> None:
        """Close the stream that is read."""
        await self._read.aclose()

    async def __aenter__(self) -> Self:
        """Enter the stream that is read."""
        await self._read.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the stream that is read."""
        await self._read.__aexit__(kind, error, trace)


def _fault(error: Exception) -> t.JSONRPCError:
    code, message = t.INVALID_REQUEST, "Invalid request"
    request_id: Any = None
    if isinstance(error, pydantic.ValidationError):
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            code, message = t.PARSE_ERROR, "Parse error: the line is not JSON"
            request_id = _id_of(first.get("input"))
    return t.JSONRPCError(
        jsonrpc="2.0", id=request_id, error=t.ErrorData(code=code, message=message)
    )


def _id_of(line: Any) -> str | int | None:
    """Return the id of a line that a more tolerant parser can read."""
    try:
        found = json.loads(line).get("id")
    except (TypeError, ValueError, AttributeError, RecursionError):
        return None
    is_id = isinstance(found, str | int) and not isinstance(found, bool)
    return found if is_id and str(found).isprintable() else None
