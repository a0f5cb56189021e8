"""Paths that plugins declare, behind the same guards as the bridge's own."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Route

from aitk_core.context import Session
from aitk_core.frontends.http.edge import id_of
from aitk_core.frontends.http.errors import AuthInvalidError, AuthRequiredError
from aitk_core.frontends.http.sessions import check_same_origin
from aitk_core.policy import narrowed_by_headers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from aitk_core.application import Application
    from aitk_core.frontends.http.auth import TokenGuard
    from aitk_core.specs import WebRouteSpec


def plugin_routes(
    application: Application,
    *,
    guard: TokenGuard,
    timeout_s: float,
) -> list[Route]:
    """Return a route for each path that an installed plugin declares.

    Args:
        application: Open when they are used.
        guard: Asks for the token.
        timeout_s: For what a handler does until it answers.
    """

    def route(spec: WebRouteSpec) -> Route:
        async def serve(request: Request) -> Response:
            if spec.needs_token:
                try:
                    guard.check_session(request.scope)
                except (AuthRequiredError, AuthInvalidError):
                    if spec.login and "text/html" in request.headers.get("accept", ""):
                        target = quote(request.url.path, safe="/")
                        return RedirectResponse(f"{spec.login}?next={target}", status_code=303)
                    raise
            if spec.method == "POST":
                check_same_origin(request.scope)
            session = Session(
                request_id=id_of(request.scope),
                policy=narrowed_by_headers(application.policy, request.headers),
                timeout_s=timeout_s,
            )
            response: Response = await spec.handler.load()(
                request, application.dispatcher.context(session)
            )
            return response

        return Route(spec.path, serve, methods=[spec.method])

    return [route(owned.spec) for owned in application.registry.web_routes.values()]
