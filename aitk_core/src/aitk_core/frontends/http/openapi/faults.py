"""Which refusals a route answers with: statuses and codes, taken from the errors themselves."""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aitk_core import errors
from aitk_core.frontends.http import errors as http_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    Kind = type[errors.AitkError]

ALWAYS: Final = (
    http_errors.HostNotAllowedError,
    http_errors.OriginNotAllowedError,
    errors.AitkError,
)
"""Of every route: Host and Origin are checked first, and what nobody foresaw is a 500."""

GUARDED: Final = (http_errors.AuthRequiredError, http_errors.AuthInvalidError)
LIMITED: Final = (http_errors.RateLimitedError,)

BODY: Final = (
    http_errors.InvalidJsonError,
    http_errors.InvalidRequestError,
    http_errors.PayloadTooLargeError,
    http_errors.SlowRequestError,
)

BACKEND: Final = tuple(
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.BackendError)
)

TOOL: Final = tuple(
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.AitkError)
)
"""What the core has words for; a tool may raise any of it."""

FAILURE: Final = {"$ref": "#/components/schemas/Failure"}
_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "How to send a token.", {"type": "string"}),
    HTTPStatus.TOO_MANY_REQUESTS: (
        "Retry-After",
        "Seconds until the next request may succeed.",
        {"type": "integer", "minimum": 1},
    ),
}
REQUEST_ID: Final = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}


def responses(kinds: Iterable[Kind], *, status: int | None = None) -> dict[str, Any]:
    """Return the response objects of some errors, by status.

    Args:
        kinds: The errors.
        status: That all of them are answered with, in place of their own.
    """
    codes: dict[int, set[str]] = defaultdict(set)
    for kind in kinds:
        codes[status or kind.status].add(kind.code)
    return {str(number): _response(number, sorted(codes[number])) for number in sorted(codes)}


def _response(status: int, codes: list[str]) -> dict[str, Any]:
    headers: dict[str, Any] = dict(REQUEST_ID)
    extra = _HEADERS.get(HTTPStatus(status))
    if extra is not None:
        name, told, schema = extra
        headers[name] = {"description": told, "schema": schema}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in codes)}.",
        # A plugin may add codes of its own, so the schema does not close the list.
        "x-error-codes": codes,
        "headers": headers,
        "content": {"application/json": {"schema": FAILURE}},
    }


def any_failure() -> dict[str, Any]:
    """Return the response object of an error that is not known beforehand."""
    return {
        "description": "The error says what happened.",
        "headers": REQUEST_ID,
        "content": {"application/json": {"schema": FAILURE}},
    }
