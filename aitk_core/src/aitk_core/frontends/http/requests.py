"""What comes in: the request id, the body within its limits, JSON, and the tool call in it."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.frontends.http.errors import (
    ClientGoneError,
    InvalidJsonError,
    InvalidRequestError,
    PayloadTooLargeError,
    SlowRequestError,
)
from aitk_core.records.results import JsonObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive

_ID_LIMIT: Final = 128
"""The contract's cut of `X-Request-ID` (OUTPUTS.md section 3)."""

_BODY_S: Final = 30.0
"""A body has this long to arrive; our own, a slow uplink sends the default limit in a tenth."""

_DRAIN_BYTES: Final = 8 * 1024 * 1024
_DRAIN_S: Final = 2.0
"""How much of a body that is too large is read and dropped, so that a client which is still
sending sees the answer and no reset connection; our own."""

_DEEPEST: Final = 64
"""Levels of nesting; the dispatcher's own bound on arguments, met before anything is parsed."""

_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A JSON string, or an open one up to the end, which keeps the search linear."""

_BRACKETS: Final = re.compile(r"[^\[\]{}]+")
_ALIKE: Final = str.maketrans("{}", "[]")


def request_id(scope: Mapping[str, Any]) -> str:
    """Return the caller's request id where it is printable ASCII, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1").strip()
            if text and text.isascii() and text.isprintable():
                return str(text[:_ID_LIMIT])
            break
    return str(uuid.uuid4())


async def read_body(
    scope: Mapping[str, Any], receive: Receive, *, limit_bytes: int, timeout_s: float
) -> bytes:
    """Return the body, counted while it arrives.

    Args:
        scope: The ASGI scope.
        receive: The ASGI channel.
        limit_bytes: Largest body.
        timeout_s: The call's limit, which the body may not use up; at most 30 s.

    Raises:
        PayloadTooLargeError: It is larger.
        SlowRequestError: It did not arrive in time.
        ClientGoneError: The client closed the connection.
    """
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length", b"")
    timeout_s = min(timeout_s, _BODY_S)
    if declared.isdigit() and int(declared[:20]) > limit_bytes:
        # With `Expect: 100-continue` nothing is on its way yet.
        if b"expect" not in headers:
            await _drain(receive)
        raise _too_large(limit_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            more = True
            while more:
                chunk, more = await _chunk(receive)
                body += chunk
                if len(body) > limit_bytes:
                    break
    except TimeoutError as error:
        raise SlowRequestError(
            f"the body did not arrive within {timeout_s:g} s",
            remedy="send it at once",
            body_timeout_seconds=timeout_s,
        ) from error
    if len(body) > limit_bytes:
        if more:
            await _drain(receive)
        raise _too_large(limit_bytes)
    return bytes(body)


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message.get("body", b""), message.get("more_body", False)


async def _drain(receive: Receive) -> None:
    size, more = 0, True
    try:
        async with asyncio.timeout(_DRAIN_S):
            while more and size < _DRAIN_BYTES:
                chunk, more = await _chunk(receive)
                size += len(chunk)
    except TimeoutError:
        return


def _too_large(limit_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"the body is larger than {limit_bytes} bytes",
        remedy="send less, or raise MCP_HTTP_MAX_BODY_BYTES",
        max_body_bytes=limit_bytes,
    )


def parse_json(body: bytes) -> Any:
    """Return the JSON value of a body.

    Raises:
        InvalidJsonError: It is not UTF-8, not JSON, holds NaN or an infinity or text that is
            no Unicode, or is nested too deeply.
    """
    try:
        # A byte order mark is what some shells write; RFC 8259 section 8.1 lets us ignore it.
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"the body is not UTF-8 at byte {error.start}") from error
    if _too_deep(text):
        raise InvalidJsonError(
            f"the body is nested more than {_DEEPEST} levels deep", max_depth=_DEEPEST
        )
    try:
        value = _DECODER.decode(text)
        if "\\u" in text:
            # An unpaired surrogate can be spelt in JSON, but not sent on in any encoding.
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidJsonError("the body holds an unpaired surrogate") from error
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError(
            f"the body is not JSON: {str(error)[:200]}", remedy="send a JSON object in UTF-8"
        ) from error
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)


def _too_deep(text: str) -> bool:
    """Tell whether brackets are nested more than the limit, without recursion."""
    if text.count("[") + text.count("{") <= _DEEPEST:
        return False
    brackets = _BRACKETS.sub("", _STRING.sub("", text)).translate(_ALIKE)
    if "[" * (_DEEPEST + 1) in brackets:
        return True
    # Each round takes away the innermost level; what does not pair up is no JSON anyway.
    for _ in range(_DEEPEST):
        rest = brackets.replace("[]", "")
        if len(rest) == len(brackets):
            return False
        brackets = rest
    return bool(brackets)


@frozen(kw_only=True)
class ToolRequest:
    """The body of `POST /mcp/tool`."""

    name: str
    arguments: JsonObject | None = None
    include_result: bool = False
    """Whether `result` repeats the JSON document that `data` carries."""


def tool_request(value: Any) -> ToolRequest:
    """Return the call that a body asks for; keys it does not know are ignored.

    Raises:
        InvalidRequestError: It is none.
    """
    if not isinstance(value, dict):
        raise InvalidRequestError(
            "the body must be a JSON object", remedy='send {"name": ..., "arguments": {...}}'
        )
    name, arguments = value.get("name"), value.get("arguments")
    if not isinstance(name, str) or not name.strip():
        hint = "the key is 'name', not 'tool'" if "tool" in value else "give the tool's name"
        raise InvalidRequestError("'name' must be a string that is not empty", remedy=hint)
    if arguments is not None and not isinstance(arguments, dict):
        raise InvalidRequestError("'arguments' must be an object or null")
    include = value.get("include_result", False)
    if not isinstance(include, bool):
        raise InvalidRequestError("'include_result' must be true or false")
    return ToolRequest(name=name, arguments=arguments, include_result=include)
