"""Alerts as a signed POST to a URL.

A receiver checks `X-AITK-Signature: v1=<hex>` as HMAC-SHA256, under the shared secret, of
`<X-AITK-Timestamp>.<Idempotency-Key>.` followed by the body, and refuses old timestamps.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aitk_alerts.settings import AlertSettings
from aitk_core.errors import (
    DeliveryError,
    DeliveryRefusedError,
    OutboundError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aitk_core.protocols import ToolContext
    from aitk_core.records.alerts import AlertMessage
    from aitk_core.records.outbound import OutboundAnswer

_LATER: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""The contract's (TOOLS.md section 11): worth another try."""
_LONGEST_WAIT_S: Final = 86400.0
_AGENT: Final = "ai-toolkit-mcp"


class Webhook:
    """One URL; its host is all that is ever said of it."""

    def __init__(self, url: str, host: str, context: ToolContext) -> None:
        """Take a URL that was checked."""
        self._url = url
        self._host = host
        self._context = context

    async def deliver(self, message: AlertMessage) -> None:
        """Send the message as JSON.

        Raises:
            DeliveryRefusedError: The receiver refuses it, or redirects, which is not followed.
            DeliveryError: It does not take it now.
            DestinationRefusedError: The host's name leads where nothing is sent.
        """
        body = json.dumps(body_of(message), ensure_ascii=False, allow_nan=False).encode("utf-8")
        try:
            answer = await self._context.outbound.post(
                self._url, body, headers=self._headers(message, body), max_bytes=None
            )
        except OutboundError as error:
            raise DeliveryError(
                str(error), remedy="it is tried again", host=self._host, reason=error.code
            ) from None
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if answer.status in _LATER or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise DeliveryError(
                f"{self._host} answered {answer.status}",
                remedy="it is tried again",
                host=self._host,
                status=answer.status,
                **self._wait(answer),
            )
        redirects = answer.status < HTTPStatus.BAD_REQUEST
        raise DeliveryRefusedError(
            f"{self._host} answered {answer.status}"
            + (", a redirect, which is not followed" if redirects else ""),
            remedy="correct the URL in the settings; what the host answered is not shown",
            host=self._host,
            status=answer.status,
        )

    def _headers(self, message: AlertMessage, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": _AGENT,
            "Idempotency-Key": message.message_id,
        }
        secret = self._context.settings(AlertSettings).webhook_secret
        if secret:
            stamp = str(int(self._context.now()))
            headers["X-AITK-Timestamp"] = stamp
            headers["X-AITK-Signature"] = f"v1={signature(secret, stamp, message.message_id, body)}"
        return headers

    def _wait(self, answer: OutboundAnswer) -> dict[str, float]:
        seconds = retry_after(answer.headers.get("retry-after", ""), self._context.now())
        return {} if seconds is None else {"not_before": self._context.now() + seconds}


def signature(secret: str, timestamp: str, message_id: str, body: bytes) -> str:
    """Return the hex HMAC-SHA256 of a message."""
    signed = f"{timestamp}.{message_id}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def body_of(message: AlertMessage) -> dict[str, Any]:
    """Return the contract's body, `{alerts, context?}`, with the message's id."""
    body: dict[str, Any] = {"message_id": message.message_id, "alerts": list(message.alerts)}
    if message.context is not None:
        body["context"] = message.context
    if message.test:
        body["test"] = True
    return body


def retry_after(text: str, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3), at most a day."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, moment.timestamp() - now), _LONGEST_WAIT_S)


@asynccontextmanager
async def open_webhook(destination: str, context: ToolContext) -> AsyncIterator[Webhook]:
    """Check a URL and make ready to send; nothing is sent yet.

    Raises:
        InvalidUrlError: It is no URL that is taken.
        DestinationRefusedError: It leads where nothing is sent.
    """
    yield Webhook(destination, context.outbound.check(destination), context)
