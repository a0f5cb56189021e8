"""What `/openapi.json` answers: made when first asked for, kept for each set of tools."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from aitk_core.frontends.http import answers
from aitk_core.policy import narrowed_by_headers

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from aitk_core.application import Application
    from aitk_core.frontends.http.auth import TokenGuard
    from aitk_core.settings import HttpSettings

_KEPT: Final = 8
"""Documents kept: what callers narrow the offer to is mostly nothing or read-only. Our own."""


class OpenApiRoute:
    """The document, as each caller may see it."""

    def __init__(
        self, application: Application, settings: HttpSettings, *, guard: TokenGuard
    ) -> None:
        """Take what is described."""
        self._application = application
        self._settings = settings
        self._guard = guard
        self._made: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._making = asyncio.Lock()

    async def serve(self, request: Request) -> Response:
        """Describe the routes and the tools that the caller may use."""
        if self._settings.auth_for_tools:
            self._guard.check(request.scope)
        policy = narrowed_by_headers(self._application.policy, request.headers)
        offered = self._application.dispatcher.offered(policy)
        names = tuple(owned.spec.name for owned in offered)
        # One at a time: who narrows in ever other ways gets one core's worth of it.
        async with self._making:
            if names not in self._made:
                self._made[names] = await asyncio.to_thread(self._make, names)
                if len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(names)
            return answers.encoded(self._made[names])

    def _make(self, names: tuple[str, ...]) -> bytes:
        from aitk_core.frontends.http.openapi.document import Guards, document

        registry = self._application.registry
        token = self._guard.enabled
        made = document(
            tools=[registry.tools[name].spec for name in names],
            routes=[owned.spec for owned in registry.web_routes.values()],
            contracts=registry.contracts,
            guards=Guards(
                token=token,
                token_for_health=token and self._settings.auth_for_health,
                token_for_tools=token and self._settings.auth_for_tools,
                limited=self._settings.rate_limit_enabled,
            ),
        )
        return answers.encode(made)
