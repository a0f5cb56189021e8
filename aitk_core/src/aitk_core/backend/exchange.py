"""Requests over one pooled connection: deadline, retries of reads, bounded answers.

httpx is imported when the first request is made, so that a server that starts, lists its
tools and waits does not pay for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from aitk_core.backend.answers import STARTING, Failure, late, refusal, unfit, unreachable
from aitk_core.backend.sending import Sender
from aitk_core.backend.wire import decode_json
from aitk_core.errors import InvalidSettingError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    import httpx

    from aitk_core.backend.answers import Ask
    from aitk_core.errors import AitkError

T = TypeVar("T")

_LOG: Final = logging.getLogger(__name__)

_CONNECTIONS: Final = 2
"""One for a long read and one for the rest; the backend is one process. Our own."""

_KEEPALIVE_S: Final = 4.0
"""Below the 5 s after which a Node server closes an idle connection
(nodejs.org, http `server.keepAliveTimeout`), so that no request meets the closing."""

_SCRUBBED_BYTES: Final = 4096
"""Looked at to show a few characters of an answer, so that no half of a token is shown."""

_THREAD_BYTES: Final = 1024 * 1024
"""From here on reading an answer takes tens of ms and leaves the event loop. Our own."""

_FAILURE_BYTES: Final = 16 * 1024
"""Read of an error's body; recorded ones are tens of bytes, a web page is never shown."""


class _UnansweredError(Exception):
    """Nothing was answered; a read may be sent again."""

    def __init__(self, reason: str, *, arrived: bool) -> None:
        super().__init__(reason)
        self.arrived = arrived
        """The request may have reached the backend."""


class Exchange:
    """Sends requests to one backend and hands the answers over; safe for concurrent use."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        timeout_s: float,
        connect_timeout_s: float,
        max_response_bytes: int,
        backoff_s: tuple[float, ...],
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """Check the settings; connects nowhere.

        Args:
            url: Scheme, host, port, and a path where a proxy adds one.
            token: For `Authorization: Bearer`, or None.
            timeout_s: For one answer, all attempts together.
            connect_timeout_s: For one connection.
            max_response_bytes: Largest answer read into memory.
            backoff_s: Pauses between the attempts of a read, one less than the attempts.
            transport: In place of the network.

        Raises:
            InvalidSettingError: The address or the token cannot be used.
        """
        self.url: Final = _checked_url(url)
        self.timeout_s: Final = timeout_s
        self.max_response_bytes: Final = max_response_bytes
        self._token: Final = _checked_token(token)
        # Below the deadline, so that a host that does not answer is told from a slow one.
        self._connect_timeout_s: Final = min(connect_timeout_s, timeout_s / 2)
        self._backoff_s: Final = backoff_s
        self._transport = transport
        self._sender: Sender | None = None
        self._tls: ssl.SSLContext | bool | None = None
        self._closed = False

    async def aclose(self) -> None:
        """Close connections; harmless to repeat."""
        self._closed = True
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.aclose()

    async def json(self, ask: Ask, parse: Callable[[Any], T]) -> T:
        """Return what `parse` makes of the JSON answered.

        Raises:
            BackendError: In its kinds; `BackendProtocolError` also where the answer is no
                JSON, too large, or `parse` raises ValueError.
            NotFoundError: What was asked for does not exist.
            ConflictError: The backend refused a change.
        """

        async def take(response: httpx.Response) -> T:
            kind = response.headers.get("content-type", "")
            body = await self.body(ask, response)
            if "html" in kind:
                raise self.unfit(ask, "a web page", content_type=kind, body=body)
            try:
                if len(body) > _THREAD_BYTES:
                    return await asyncio.to_thread(lambda: parse(decode_json(body)))
                return parse(decode_json(body))
            except ValueError as error:
                fault = str(error)
            raise self.unfit(ask, fault, content_type=kind, body=body)

        return await self.send(ask, take)

    def unfit(
        self, ask: Ask, fault: str, *, content_type: str = "", body: bytes = b""
    ) -> AitkError:
        """Return the error for an answer of the right status and the wrong content.

        Args:
            ask: What was asked.
            fault: What is wrong, or the words of the exception that says so.
            content_type: Of the answer.
            body: Its beginning.
        """
        # A server may send back what it was sent, so the token is taken out everywhere.
        text = body[:_SCRUBBED_BYTES].decode("utf-8", "replace")
        return unfit(
            ask,
            self.url,
            self._scrubbed(fault),
            content_type=self._scrubbed(content_type),
            body=self._scrubbed(text),
        )

    def _scrubbed(self, text: str) -> str:
        return text.replace(self._token, "***") if self._token else text

    async def body(self, ask: Ask, response: httpx.Response) -> bytes:
        """Return the body.

        Raises:
            BackendProtocolError: It is larger than allowed.
        """
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_bytes():
            size += len(part)
            if size > self.max_response_bytes:
                raise self.unfit(ask, f"more than {self.max_response_bytes} bytes")
            parts.append(part)
        return b"".join(parts)

    async def send(self, ask: Ask, take: Callable[[httpx.Response], Awaitable[T]]) -> T:
        """Return what `take` makes of an answer with an accepted status.

        A read is sent again while nothing is answered; a mutation never is.

        Raises:
            BackendError: In its kinds.
            NotFoundError: What was asked for does not exist.
            ConflictError: The backend refused a change.
        """
        pauses = self._backoff_s if ask.repeatable else ()
        failed: _UnansweredError | None = None
        attempt = 0
        try:
            async with asyncio.timeout(self.timeout_s):
                while True:
                    attempt += 1
                    try:
                        return await self._attempt(ask, take)
                    except _UnansweredError as error:
                        failed = error
                    if attempt > len(pauses):
                        break
                    await asyncio.sleep(pauses[attempt - 1])
        except TimeoutError:
            if failed is None:
                raise late(ask, self.url, self.timeout_s) from None
        raise unreachable(
            ask, self.url, str(failed), attempts=attempt, arrived=failed.arrived
        ) from failed

    async def _attempt(self, ask: Ask, take: Callable[[httpx.Response], Awaitable[T]]) -> T:
        import httpx

        began = False
        started = time.perf_counter()
        try:
            async with self._open().stream(
                ask.method,
                self.url + ask.path,
                params=dict(ask.query) or None,
                content=ask.body,
                headers=self._headers(ask),
            ) as response:
                began = True
                elapsed_ms = (time.perf_counter() - started) * 1000
                _LOG.debug(
                    "%s %s: %d in %.0f ms", ask.method, ask.path, response.status_code, elapsed_ms
                )
                await self._check(ask, response)
                return await take(response)
        except httpx.ConnectTimeout as error:
            raise _UnansweredError("connecting timed out", arrived=False) from error
        except httpx.ConnectError as error:
            raise _UnansweredError(str(error), arrived=False) from error
        except httpx.TimeoutException as error:
            raise late(ask, self.url, self.timeout_s) from error
        except httpx.TransportError as error:
            if began:
                raise self.unfit(ask, f"the answer broke off, {error}") from error
            if isinstance(error, httpx.ProtocolError) and "disconnected" not in str(error):
                raise self.unfit(ask, f"no HTTP, {error}") from error
            raise _UnansweredError(str(error) or type(error).__name__, arrived=True) from error

    def _open(self) -> Sender:
        if self._closed:
            fault = "the backend is closed"
            raise RuntimeError(fault)
        if self._sender is None:
            self._sender = Sender(self._client, at_once=_CONNECTIONS)
        return self._sender

    def _client(self) -> httpx.AsyncClient:
        import httpx

        if self._tls is None:
            # Loading the certificate bundle takes tens of ms, and plain HTTP never uses it:
            # redirects are not followed.
            is_safe = self.url.startswith("https:")
            self._tls = httpx.create_ssl_context() if is_safe else False
        return httpx.AsyncClient(
            transport=self._transport,
            timeout=httpx.Timeout(self.timeout_s, connect=self._connect_timeout_s, pool=None),
            limits=httpx.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEPALIVE_S
            ),
            verify=self._tls,
            follow_redirects=False,
            trust_env=False,
        )

    def _headers(self, ask: Ask) -> dict[str, str]:
        # Not compressed: what is counted on the way is then what ends up in memory.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if ask.body is not None:
            headers["Content-Type"] = "application/json"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        headers.update(ask.headers)
        return headers

    async def _check(self, ask: Ask, response: httpx.Response) -> None:
        status = response.status_code
        kind = response.headers.get("content-type", "").lower()
        encoding = response.headers.get("content-encoding", "identity").lower()
        if status in ask.accepted:
            if encoding != "identity":
                raise self.unfit(ask, f"encoded as {encoding!r}", content_type=kind)
            return
        body = b""
        if encoding == "identity":
            async for part in response.aiter_bytes(_FAILURE_BYTES):
                body = part
                break
        if status == HTTPStatus.BAD_GATEWAY and STARTING.encode() in body:
            raise _UnansweredError(STARTING, arrived=False)
        raise refusal(
            Failure(
                ask=ask,
                url=self.url,
                status=status,
                content_type=self._scrubbed(kind),
                body=self._scrubbed(body.decode("utf-8", "replace")),
                location=self._scrubbed(response.headers.get("location", "")),
                token_sent=self._token is not None,
            )
        )


def _checked_url(url: str) -> str:
    fault = ""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is none
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            fault = "is not http://host:port"
        elif parts.username is not None or parts.password is not None:
            fault = "has credentials in it"
        elif parts.query or parts.fragment or not url.isprintable() or " " in url:
            fault = "has more than host, port and path"
    except ValueError as error:
        fault = f"is no address, {error}"
    if fault:
        # What stands before an @ may be a password.
        shown = url.rpartition("@")[2]
        raise InvalidSettingError(
            f"the backend's address {shown!r} {fault}",
            remedy="Set AI_TOOLKIT_SERVER_URL to an address such as http://127.0.0.1:8675.",
            setting="AI_TOOLKIT_SERVER_URL",
        )
    return url.rstrip("/")


def _checked_token(token: str | None) -> str | None:
    token = (token or "").strip()
    if not token:
        return None
    # The backend compares the second word of the header only (API.md section 2).
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise InvalidSettingError(
            "the backend's token is not one word of ASCII characters",
            remedy="Set AI_TOOLKIT_AUTH to the token that the AI Toolkit was started with.",
            setting="AI_TOOLKIT_AUTH",
        )
    return token
