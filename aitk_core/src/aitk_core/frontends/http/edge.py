"""The outermost layer: every answer carries its request id, every failure is an envelope."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import AitkError
from aitk_core.frontends.http import answers
from aitk_core.frontends.http.errors import ClientGoneError
from aitk_core.frontends.http.requests import request_id
from aitk_core.frontends.http.tally import CLIENT_GONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from aitk_core.frontends.http.sources import Sources
    from aitk_core.frontends.http.tally import Tally

logger = logging.getLogger(__name__)

_KEY: Final = "aitk.request_id"


def id_of(scope: Mapping[str, Any]) -> str:
    """Return the id of a request that came through the edge."""
    return str(scope[_KEY])


class Edge:
    """ASGI middleware around every route."""

    def __init__(self, app: ASGIApp, sources: Sources, tally: Tally) -> None:
        """Wrap the application."""
        self._app = app
        self._sources = sources
        self._tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own = scope[_KEY] = request_id(scope)
        started = finished = False

        async def tagged(message: Message) -> None:
            nonlocal started, finished
            if message["type"] == "http.response.start":
                started = True
                self._tally.answered(scope, message["status"])
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", own.encode())]
            elif message["type"] == "http.response.body":
                finished = not message.get("more_body", False)
            await send(message)

        try:
            self._sources.check(scope)
            await self._app(scope, receive, tagged)
            if started and not finished:
                # An event stream that is left when the server ends; its client sees the end.
                await tagged({"type": "http.response.body", "body": b""})
        except ClientGoneError:
            self._tally.answered(scope, CLIENT_GONE)
            logger.info("%s the client closed the connection", own)
        except Exception as error:
            if started:
                raise
            if not isinstance(error, AitkError):
                logger.exception("%s %s %r", own, scope["method"], scope["path"])
                error = AitkError(
                    "the server failed on this request",
                    remedy="the server's log has the details under the request id",
                )
            logger.info("%s %s %r: %s", own, scope["method"], scope["path"], error.code)
            await answers.refusal(error, own)(scope, receive, tagged)
