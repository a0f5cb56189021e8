"""One token, as `Authorization: Bearer` or `X-API-Key`."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Any

from aitk_core.frontends.http.cookies import cookie_of, is_valid, issued
from aitk_core.frontends.http.errors import AuthInvalidError, AuthRequiredError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.frontends.http.limits import RateLimiter
    from aitk_core.settings import HttpSettings


class TokenGuard:
    """Lets requests with the token pass, and all of them where none is set.

    Failures count against a limit of their own, so that guessing is bounded, and a client
    with the right token is not held up by a stray request without.
    """

    def __init__(self, settings: HttpSettings, failures: RateLimiter | None) -> None:
        """Take the token, and the limiter of failures where there is one."""
        self._token = settings.auth_token.encode() if settings.auth_token else None
        self._failures = failures

    @property
    def enabled(self) -> bool:
        """Tell whether a token is set."""
        return self._token is not None

    def session(self, now: float) -> str:
        """Return the value of a browser's cookie; a token must be set."""
        if self._token is None:
            raise RuntimeError("there is no token that a session could stand for")
        return issued(self._token, now)

    def check_session(self, scope: Mapping[str, Any]) -> None:
        """Refuse a request that has neither the token nor a session's cookie.

        Raises:
            AuthRequiredError: There is no token in the request.
            AuthInvalidError: It is another one.
            RateLimitedError: The client failed too often.
        """
        cookie, token = cookie_of(scope), self._token
        if token is None or cookie is None or not is_valid(cookie, token, time.time()):
            self.check(scope)

    def check(
        self, scope: Mapping[str, Any], invalid: type[AuthInvalidError] = AuthInvalidError
    ) -> None:
        """Refuse a request without the token in a header.

        Args:
            scope: The ASGI scope.
            invalid: Raised for another token.

        Raises:
            AuthRequiredError: There is no token in the request.
            AuthInvalidError: It is another one.
            RateLimitedError: The client failed too often.
        """
        self.check_token(scope, _credential(scope), invalid)

    def check_token(
        self,
        scope: Mapping[str, Any],
        given: bytes | None,
        invalid: type[AuthInvalidError] = AuthInvalidError,
    ) -> None:
        """Refuse another token than ours.

        Args:
            scope: The ASGI scope, which tells who fails.
            given: What the caller gave.
            invalid: Raised for another token.

        Raises:
            AuthRequiredError: There is no token in the request.
            AuthInvalidError: It is another one.
            RateLimitedError: The client failed too often.
        """
        if self._token is None:
            return
        if self._failures is not None:
            # Before the comparison: an answer would tell a guesser whether it was right.
            self._failures.check(scope)
        if given is not None and hmac.compare_digest(given, self._token):
            return
        if self._failures is not None:
            self._failures.charge(scope)
        if given is None:
            raise AuthRequiredError(
                "this server wants a token",
                remedy="send it as 'Authorization: Bearer <token>' or as 'X-API-Key: <token>'",
            )
        raise invalid("the token is wrong", remedy="use the one that the server was started with")


def _credential(scope: Mapping[str, Any]) -> bytes | None:
    """Return the token in the request as bytes, whatever they are; Bearer wins."""
    key = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            # The scheme is case-insensitive, RFC 9110 section 11.1.
            scheme, _, token = value.strip().partition(b" ")
            if scheme.lower() == b"bearer" and token.strip():
                return bytes(token.strip())
        elif name == b"x-api-key" and key is None and value.strip():
            key = bytes(value.strip())
    return key
