"""How a browser keeps the token: a signed cookie that no script reads and no other site sends.

    POST /session      form: token, next?   sets the cookie
    POST /session/end  form: next?          takes it back

The cookie opens the paths of plugins only; the bridge and MCP take the token in a header, which
no page of another site can send.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from starlette.responses import RedirectResponse
from starlette.routing import Route

from aitk_core.frontends.http.cookies import COOKIE, TTL_S
from aitk_core.frontends.http.errors import OriginNotAllowedError
from aitk_core.frontends.http.requests import read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from aitk_core.frontends.http.auth import TokenGuard

_MOST_BYTES: Final = 16_384
_BODY_S: Final = 10.0


def check_same_origin(scope: Mapping[str, Any]) -> None:
    """Refuse a change that a page of another origin asks for, also one on this machine.

    Browsers send Origin with every POST (Fetch Standard, section 4.6), and Sec-Fetch-Site where
    they know it; a program sends neither.

    Raises:
        OriginNotAllowedError: The request comes from another page.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
    host = headers.get(b"host", "").lower()
    foreign = origin is not None and urlsplit(origin.lower()).netloc != host
    if foreign or site not in (None, "same-origin", "none"):
        raise OriginNotAllowedError(
            "this change was asked for by another page",
            remedy="open the dashboard itself and ask for it there",
        )


def session_routes(guard: TokenGuard) -> list[Route]:
    """Return the routes that set and take back the cookie."""

    async def begin(request: Request) -> Response:
        check_same_origin(request.scope)
        form = await read_form(request)
        guard.check_token(request.scope, form.get("token", "").encode())
        response = RedirectResponse(own_path(form.get("next", "")), status_code=303)
        if guard.enabled:
            response.set_cookie(
                COOKIE,
                guard.session(time.time()),
                max_age=TTL_S,
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
            )
        return response

    async def end(request: Request) -> Response:
        check_same_origin(request.scope)
        form = await read_form(request)
        response = RedirectResponse(own_path(form.get("next", "")), status_code=303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return [
        Route("/session", begin, methods=["POST"]),
        Route("/session/end", end, methods=["POST"]),
    ]


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a small form, the first value of each.

    Raises:
        PayloadTooLargeError: It is no small one.
    """
    data = await read_body(
        request.scope, request.receive, limit_bytes=_MOST_BYTES, timeout_s=_BODY_S
    )
    fields = parse_qs(data.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
    return {name: values[0] for name, values in fields.items()}


def own_path(path: str) -> str:
    """Return a path of this server to go on with; anything else is the beginning."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_own and path.isprintable() else "/"
