"""A real backend client against recorded requests of a real AI Toolkit 0.12.26."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from aitk_core.backend.client import AiToolkitBackend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aitk_core import errors
    from aitk_core.backend.protocol import Backend

RECORDINGS = Path(__file__).parents[1] / "recordings" / "rest"
URL = "http://backend.test:8675"
ONE = "161e23d8-7c27-4b68-b877-a0cf754c5637"
"""The job of most recordings, `rest_one`."""


def recording(number: int) -> dict[str, Any]:
    """Give a recorded exchange, `request` and `response`, by the number its file begins with."""
    [path] = RECORDINGS.glob(f"{number:03}_*.json")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def body_of(answer: dict[str, Any]) -> bytes:
    """Give the bytes that a recorded response had on the wire."""
    body = answer["body"]
    match answer["body_kind"]:
        case "json":
            return json.dumps(body, ensure_ascii=False).encode()
        case "base64":
            return base64.b64decode(body)
        case "empty":
            return b""
        case _:
            return str(body).encode()


def parts_of(request: httpx.Request) -> list[tuple[str, str | None, bytes]]:
    """Give name, file name and content of each part of a form that was sent."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + request.content, policy=email.policy.HTTP)
    parts = []
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        parts.append((str(name), part.get_filename(), content))
    return parts


def _part(recorded: dict[str, Any]) -> tuple[str, str | None, bytes]:
    if "base64" in recorded:
        return recorded["name"], recorded.get("filename"), base64.b64decode(recorded["base64"])
    return recorded["name"], recorded.get("filename"), recorded["value"].encode()


class Replay:
    """Answers with recordings, in order, and checks that each is asked for as recorded."""

    def __init__(self, *numbers: int, extra: dict[str, str] | None = None) -> None:
        self.waiting = [recording(number) for number in numbers]
        self.extra = extra or {}
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        entry = self.waiting.pop(0)
        asked = entry["request"]
        assert request.method == asked["method"]
        assert request.url.raw_path.partition(b"?")[0].decode() == asked["path"]
        query = {name: str(value) for name, value in asked["query"].items()}
        assert dict(request.url.params) == query | self.extra
        if isinstance(asked["body"], dict) and "multipart" in asked["body"]:
            assert parts_of(request) == [_part(part) for part in asked["body"]["multipart"]]
        else:
            for name, value in asked["headers"].items():
                assert request.headers.get(name) == value
            if asked["body"] is not None:
                assert json.loads(request.content) == asked["body"]
        answer = entry["response"]
        headers = {
            name: value for name, value in answer["headers"].items() if name != "transfer-encoding"
        }
        if request.method == "HEAD":
            return httpx.Response(answer["status"], headers=headers)
        return httpx.Response(answer["status"], headers=headers, content=body_of(answer))


def ask(replay: Replay, call: Callable[[Backend], Awaitable[Any]], token: str | None = None) -> Any:
    """Call a real client of the replay, and check that it made every recorded request."""

    async def run() -> Any:
        transport = httpx.MockTransport(replay)
        async with AiToolkitBackend(
            URL, token=token, transport=transport, backoff_s=(0.0, 0.0)
        ) as backend:
            return await call(backend)

    answer = asyncio.run(run())
    assert not replay.waiting, "every recorded request is made"
    return answer


def refused(
    kind: type[errors.AitkError], replay: Replay, call: Callable[[Backend], Awaitable[Any]]
) -> errors.AitkError:
    """Give the error of a call that fails, which says what to do."""
    with pytest.raises(kind) as caught:
        ask(replay, call)
    assert caught.value.remedy
    return caught.value
