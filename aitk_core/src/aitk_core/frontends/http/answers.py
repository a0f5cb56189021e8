"""What goes out: the envelopes of the bridge (OUTPUTS.md section 3), as strict JSON.

A tool's answer is `{ok, request_id, tool, data, result}`:

- `data` is the tool's structured answer, for prose tools with the text beside it as `message`;
  of a tool without structured answer `{message}`, `{item}` or `{items}`.
- `result` is the list of content items, always an array, without what would repeat `data` at
  length: the JSON document, and pictures that `data` already holds. With `include_result` in
  the request it is the complete list, as over MCP.
"""

from __future__ import annotations

import asyncio
import json
import logging
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve
from starlette.responses import Response

from aitk_core.convert import unstructure
from aitk_core.errors import OutputSchemaViolationError
from aitk_core.frontends.http.errors import HttpError, RateLimitedError
from aitk_core.frontends.mcp import wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitk_core.errors import AitkError
    from aitk_core.records.results import ToolResult
    from aitk_core.specs import ToolSpec

logger = logging.getLogger(__name__)

_TYPE: Final = "application/json; charset=utf-8"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_LONG: Final = 4000
"""Weight from which an answer is encoded away from the event loop: one for each value and
for each 32 characters of text, so that inline encoding stays below a millisecond or so."""

_BATCH: Final = 128
"""Entries encoded in one go: the encoder holds the interpreter until it is done, also in a
thread, so a long answer is encoded in pieces."""


def encode(value: Any) -> bytes:
    """Return compact JSON.

    Raises:
        ValueError: There is a number that JSON does not have.
        TypeError: There is something that is no JSON.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def reply(content: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a short answer."""
    return encoded(encode(content), status=status)


def encoded(body: bytes, *, status: int = 200) -> Response:
    """Return an answer that is JSON already."""
    return Response(body, status, _HEADERS, _TYPE)


def refusal(error: AitkError, request_id: str) -> Response:
    """Return the envelope of an error."""
    extra = dict(error.headers) if isinstance(error, HttpError) else {}
    if isinstance(error, RateLimitedError):
        extra["Retry-After"] = str(error.details["retry_after_seconds"])
    return failure(error.to_json(), request_id, status=error.status, headers=extra)


def failure(
    error: Mapping[str, Any],
    request_id: str,
    *,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the envelope of an error object."""
    envelope = {"ok": False, "request_id": request_id, "error": error}
    try:
        body = encode(envelope)
    except (TypeError, ValueError, RecursionError):
        # A plugin's own error may carry anything as details.
        logger.exception("%s details of %s", request_id, error.get("code"))
        known = {key: str(error[key]) for key in ("code", "message", "remedy") if key in error}
        body = encode({**envelope, "error": known})
    return Response(body, status, {**_HEADERS, **(headers or {})}, _TYPE)


async def tool_reply(
    spec: ToolSpec, answer: ToolResult, request_id: str, *, include_result: bool
) -> Response:
    """Return the envelope of a tool's answer.

    Raises:
        OutputSchemaViolationError: The tool has no contract and answered what is no JSON.
    """
    try:
        if spec.contract is None and answer.data is not None:
            # The dispatcher has done so where there is a contract.
            answer = evolve(answer, data=unstructure(answer.data))
        envelope = {
            "ok": True,
            "request_id": request_id,
            "tool": spec.name,
            "data": _data(spec, answer),
            "result": _result(spec, answer, complete=include_result),
        }
        if _is_long(envelope):
            body = await asyncio.to_thread(lambda: b"".join(_pieces(envelope)))
        else:
            body = encode(envelope)
    except (TypeError, ValueError, RecursionError) as error:
        raise OutputSchemaViolationError(
            f"answer of {spec.name} is not JSON: {error}", tool=spec.name
        ) from error
    return Response(body, 200, _HEADERS, _TYPE)


def tool_entry(entry: Any) -> dict[str, Any]:
    """Return a wire object of the SDK as the bridge shows it, null fields left out."""
    return _bridged(entry.model_dump(mode="json", by_alias=True, exclude_none=True))


def _bridged(dumped: dict[str, Any]) -> dict[str, Any]:
    return {("meta" if key == "_meta" else key): value for key, value in dumped.items()}


def _items(answer: ToolResult) -> list[dict[str, Any]]:
    """Return the blocks, with their null fields, as the contract shows them."""
    return [_item(wire.block(block)) for block in answer.blocks]


def _item(block: Any) -> dict[str, Any]:
    return _bridged(block.model_dump(mode="json", by_alias=True))


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "annotations": None, "meta": None}


def _data(spec: ToolSpec, answer: ToolResult) -> Any:
    if answer.data is not None:
        data = dict(answer.data)
        if spec.text == "prose" and answer.summary:
            data.setdefault("message", answer.summary)
        return data
    items = ([_text(answer.summary)] if answer.summary else []) + _items(answer)
    if len(items) != 1:
        return {"items": [{"type": i["type"], "value": i.get("text", i)} for i in items]}
    return {"message": items[0]["text"]} if items[0]["type"] == "text" else {"item": items[0]}


def _result(spec: ToolSpec, answer: ToolResult, *, complete: bool) -> list[dict[str, Any]]:
    if complete:
        return [_item(block) for block in wire.result(spec, answer).content]
    texts = [_text(answer.summary)] if answer.summary else []
    items = _items(answer)
    if answer.data is None:
        items = [item for item in items if item["type"] == "text"]
    return texts + items


def _is_long(value: Any, limit: int = _LONG) -> bool:
    """Tell whether a value weighs more than the limit; looks no further than that."""
    weight, stack = 0, [value]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            weight += 1 + len(node) // 32
        elif isinstance(node, dict | list | tuple):
            weight += 1 + len(node)
            if weight <= limit:
                stack.extend(node.values() if isinstance(node, dict) else node)
        else:
            weight += 1
        if weight > limit:
            return True
    return False


def _pieces(value: Any) -> Iterator[bytes]:
    """Yield the JSON of a value in pieces, each of them encoded in well under a millisecond."""
    if not isinstance(value, dict | list | tuple) or not _is_long(value):
        yield encode(value)
        return
    opening, closing = (b"{", b"}") if isinstance(value, dict) else (b"[", b"]")
    yield opening
    comma = b""
    for batch in _batches(value):
        if len(batch) == 1 or not _is_long(batch):
            yield comma
            yield from _entry(batch)
        else:
            for single in _batches(batch, size=1):
                yield comma
                yield from _entry(single)
                comma = b","
        comma = b","
    yield closing


def _entry(batch: Any) -> Iterator[bytes]:
    """Yield the JSON of entries without the brackets around them."""
    if len(batch) == 1 and isinstance(batch, dict):
        ((key, value),) = batch.items()
        yield encode({key: None})[1:-5]  # how the encoder spells a key of any type
        yield from _pieces(value)
    elif len(batch) == 1:
        yield from _pieces(batch[0])
    else:
        yield encode(batch)[1:-1]


def _batches(value: Any, *, size: int = _BATCH) -> Iterator[Any]:
    rest = iter(value.items() if isinstance(value, dict) else value)
    make: Any = dict if isinstance(value, dict) else list
    while batch := make(islice(rest, size)):
        yield batch
