"""The cookie that stands for the token: when it ends, signed with the token itself."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

COOKIE: Final = "aitk_session"
TTL_S: Final = 7 * 24 * 3600


def issued(token: bytes, now: float) -> str:
    """Return a cookie's value: when it ends, and a proof that the token was known."""
    ends = str(int(now) + TTL_S)
    return f"{ends}.{_proof(token, ends)}"


def is_valid(value: str, token: bytes, now: float) -> bool:
    """Tell whether a cookie was issued for this token and has not ended."""
    ends, _, proof = value.partition(".")
    # Compared first: what is no number was not signed either.
    if not hmac.compare_digest(proof.encode(), _proof(token, ends).encode()):
        return False
    return int(ends) > now


def cookie_of(scope: Mapping[str, Any]) -> str | None:
    """Return the session cookie of a request."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, _, found = part.strip().partition("=")
                if key == COOKIE:
                    return str(found)
    return None


def _proof(token: bytes, ends: str) -> str:
    return hmac.new(token, f"aitk session {ends}".encode(), hashlib.sha256).hexdigest()
