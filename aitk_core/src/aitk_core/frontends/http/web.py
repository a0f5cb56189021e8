"""Paths that plugins declare, behind the same guards as the bridge's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from aitk_core.context import Session
from aitk_core.frontends.http.edge import id_of
from aitk_core.policy import narrowed_by_headers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from aitk_core.application import Application
    from aitk_core.frontends.http.auth import TokenGuard
    from aitk_core.frontends.http.limits import RateLimiter
    from aitk_core.specs import WebRouteSpec


def plugin_routes(
    application: Application,
    *,
    guard: TokenGuard,
    limiter: RateLimiter | None,
    timeout_s: float,
) -> list[Route]:
    """Return a route for each path that an installed plugin declares.

    Args:
        application: Open when they are used.
        guard: Asks for the token.
        limiter: Of requests, where there is one.
        timeout_s: For what a handler does until it answers.
    """

    def route(spec: WebRouteSpec) -> Route:
        async def serve(request: Request) -> Response:
            if spec.needs_token:
                guard.check(request.scope)
                if limiter is not None:
                    limiter.charge(request.scope)
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
