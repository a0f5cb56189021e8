"""Refusals that only HTTP has; their codes are those of the bridge's contract.

    AitkError
    ├── HttpError
    │   ├── AuthRequiredError      AUTH_REQUIRED         401
    │   ├── AuthInvalidError       AUTH_INVALID          403
    │   │   └── McpAuthError       AUTH_INVALID          401
    │   ├── InvalidJsonError       INVALID_JSON          400
    │   ├── InvalidRequestError    INVALID_REQUEST       400
    │   ├── PayloadTooLargeError   PAYLOAD_TOO_LARGE     413
    │   ├── SlowRequestError       REQUEST_TIMEOUT       408
    │   ├── RateLimitedError       RATE_LIMITED          429
    │   ├── HostNotAllowedError    HOST_NOT_ALLOWED      421
    │   └── OriginNotAllowedError  ORIGIN_NOT_ALLOWED    403
    └── (any other, with its own code and status)

What the router refuses is `HTTP_<status>`, such as HTTP_404 and HTTP_405.
"""

from __future__ import annotations

from typing import ClassVar

from aitk_core.errors import AitkError


class HttpError(AitkError):
    """Base of refusals that never reach a tool."""

    headers: ClassVar[tuple[tuple[str, str], ...]] = ()
    """What the answer carries besides the usual ones."""


class AuthRequiredError(HttpError):
    """A token is set and the request brings none."""

    code = "AUTH_REQUIRED"
    status = 401
    headers = (("WWW-Authenticate", "Bearer"),)  # RFC 9110 section 11.6.1


class AuthInvalidError(HttpError):
    """The request brings another token."""

    code = "AUTH_INVALID"
    status = 403


class McpAuthError(AuthInvalidError):
    """The same on the MCP route, where the protocol's authorization rules ask for a 401."""

    status = 401
    headers = (("WWW-Authenticate", 'Bearer error="invalid_token"'),)  # RFC 6750 section 3.1


class InvalidJsonError(HttpError):
    """The body is not JSON in UTF-8, or is nested too deeply."""

    code = "INVALID_JSON"
    status = 400


class InvalidRequestError(HttpError):
    """The body is JSON, but not a tool call."""

    code = "INVALID_REQUEST"
    status = 400


class PayloadTooLargeError(HttpError):
    """The body is above the limit. Details: `max_body_bytes`."""

    code = "PAYLOAD_TOO_LARGE"
    status = 413
    headers = (("Connection", "close"),)  # the rest of the body is not read


class SlowRequestError(HttpError):
    """The body did not arrive in time. Details: `body_timeout_seconds`."""

    code = "REQUEST_TIMEOUT"
    status = 408
    headers = (("Connection", "close"),)  # the rest of the body is not read


class RateLimitedError(HttpError):
    """Too many requests of one client.

    Details: `retry_after_seconds`, also told as `Retry-After`, `window_seconds`,
    `max_requests`.
    """

    code = "RATE_LIMITED"
    status = 429


class HostNotAllowedError(HttpError):
    """The Host header names something else than this server, as in DNS rebinding."""

    code = "HOST_NOT_ALLOWED"
    status = 421


class OriginNotAllowedError(HttpError):
    """A page of a foreign origin sent the request."""

    code = "ORIGIN_NOT_ALLOWED"
    status = 403


class ClientGoneError(Exception):
    """The client closed the connection, so nobody is left to be answered."""
