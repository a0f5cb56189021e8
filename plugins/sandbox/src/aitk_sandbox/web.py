"""Between Starlette and the handlers: reading requests, and the backend's odd answers.

A handler is a plain function of a `Call`, run in a thread; it returns a response or raises
`AnswerError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import attrs
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from aitk_sandbox.folders import Folders
from aitk_sandbox.state import State
from aitk_sandbox.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request


_INTEGER: Final = re.compile(r"\s*[-+]?\d+")


class AnswerError(Exception):
    """An answer that ends a handler early."""

    def __init__(self, response: Response) -> None:
        """Answer with this response."""
        super().__init__(response.status_code)
        self.response = response


@attrs.frozen(kw_only=True)
class Backend:
    """What handlers work on."""

    state: State
    folders: Folders
    worker: Worker


@attrs.frozen(kw_only=True)
class Call:
    """One request."""

    backend: Backend
    method: str
    path: Mapping[str, str]
    """Parameters of the path, decoded once."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Lower-case names."""
    raw_path: str
    """Path as sent, still encoded."""
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ValueError: It is none.
        """
        return json.loads(self.body)

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            ValueError: It is none.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise ValueError("not an object")  # noqa: TRY004 - one error for every bad body
        return value


def route(backend: Backend, path: str, method: str, handler: Callable[[Call], Response]) -> Route:
    """Return a route that runs a handler in a thread."""

    async def endpoint(request: Request) -> Response:
        call = Call(
            backend=backend,
            method=request.method,
            path=request.path_params,
            # The first of repeated keys counts, as URLSearchParams.get has it.
            query=dict(reversed(parse_qsl(request.url.query, keep_blank_values=True))),
            headers=request.headers,
            raw_path=request.scope.get("raw_path", b"").decode("ascii", "replace"),
            body=await request.body(),
        )
        try:
            return await run_in_threadpool(handler, call)
        except AnswerError as answer:
            return answer.response

    return Route(path, endpoint, methods=[method])


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return JSONResponse(value, status_code=status)


def failure(message: str, status: int = 500) -> Response:
    """Answer with the backend's JSON error shape."""
    return JSONResponse({"error": message}, status_code=status)


def text(value: str, status: int = 200) -> Response:
    """Answer with plain text; the Next.js half writes the charset in capitals."""
    return PlainTextResponse(
        value, status_code=status, headers={"content-type": "text/plain;charset=UTF-8"}
    )


def nothing(status: int) -> Response:
    """Answer with an empty body, as an unhandled failure does."""
    return Response(status_code=status)


def leading_integer(value: str | None) -> int | None:
    """Return what JavaScript's parseInt makes of a value, None for NaN."""
    match = _INTEGER.match(value or "")
    return int(match.group()) if match else None
