"""Services of plugins, kept running beside whatever frontend serves.

Each runs in a task of its own. One that raises is started again, later each time; one that is
silent for two of its intervals makes the server unhealthy.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from aitk_core.context import CallContext, Session
from aitk_core.registry import Owned
from aitk_core.specs import ServiceSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aitk_core.dispatch import Dispatcher
    from aitk_core.policy import Policy
    from aitk_core.protocols import ToolContext

logger = logging.getLogger(__name__)

_SETTLE_S: Final = 0.5
"""Before the services' code is imported: a client's first answers come first. Our own."""

_PAUSES_S: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Before a service that failed is started again; the last one from then on. Our own."""

_END_S: Final = 5.0
"""Services have this long to end with the server."""

_SILENT: Final = 2.0
"""Intervals without a beat after which a service counts as stuck (peers.md, promise 11)."""


@frozen(kw_only=True)
class ServiceState:
    """How a service is doing."""

    name: str
    plugin: str
    ok: bool
    """It beat lately, or has not had the time to."""
    last_beat_s: float
    """Seconds since it last beat, or since it was started."""
    failures: int
    """How often it raised since the server started."""


@define(kw_only=True)
class _Running:
    """One service, and what it is handed."""

    owned: Owned[ServiceSpec]
    owner: str
    frontend: str
    open_tools: Callable[[str], CallContext]
    clock: Callable[[], float]
    beaten: float = field(init=False)
    failures: int = 0

    def __attrs_post_init__(self) -> None:
        self.beaten = self.clock()

    def tools(self) -> ToolContext:
        return self.open_tools(f"service:{self.owned.spec.name}")

    def beat(self) -> None:
        self.beaten = self.clock()

    def state(self) -> ServiceState:
        silent_s = self.clock() - self.beaten
        return ServiceState(
            name=self.owned.spec.name,
            plugin=self.owned.plugin.name,
            ok=silent_s <= _SILENT * self.owned.spec.interval_s,
            last_beat_s=round(silent_s, 3),
            failures=self.failures,
        )

    async def keep(self, settle_s: float) -> None:
        await asyncio.sleep(settle_s)
        while True:
            self.beat()
            try:
                await self.owned.spec.run.load()(self)
            except (Exception, SystemExit):  # a plugin may fail in any way
                logger.exception(
                    "service %s (%s)", self.owned.spec.name, self.owned.plugin.distribution
                )
            else:
                # Its work is to go on; one that ends is begun again like one that fails.
                logger.warning("service %s ended", self.owned.spec.name)
            pause_s = _PAUSES_S[min(self.failures, len(_PAUSES_S) - 1)]
            self.failures += 1
            await asyncio.sleep(pause_s)


class Background:
    """The services of one server."""

    def __init__(self, dispatcher: Dispatcher, policy: Policy) -> None:
        """Start nothing yet.

        Args:
            dispatcher: Of an open application.
            policy: The server's own; services may do what it allows.
        """
        self._dispatcher = dispatcher
        self._policy = policy
        self._services: dict[str, _Running] = {}

    @asynccontextmanager
    async def running(
        self, frontend: str = "http", *, settle_s: float = _SETTLE_S
    ) -> AsyncIterator[None]:
        """Keep the services running while entered.

        Args:
            frontend: What the server runs for: `stdio`, `http`, or a command's name.
            settle_s: Before their code is imported.
        """
        clock = asyncio.get_running_loop().time
        # A host name and a number of a process come again; the random part does not.
        owner = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._services = {
            name: _Running(
                owned=owned,
                owner=owner,
                frontend=frontend,
                open_tools=self._tools,
                clock=clock,
            )
            for name, owned in self._dispatcher.registry.services.items()
        }
        tasks = [
            asyncio.create_task(service.keep(settle_s), name=f"service:{name}")
            for name, service in self._services.items()
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                _, left = await asyncio.wait(tasks, timeout=_END_S)
                for task in left:
                    logger.warning("%s does not end", task.get_name())
            self._services = {}

    def states(self) -> tuple[ServiceState, ...]:
        """Return how each service is doing, by name."""
        return tuple(service.state() for service in self._services.values())

    def _tools(self, request_id: str) -> CallContext:
        session = Session(
            request_id=request_id,
            policy=self._policy,
            timeout_s=self._dispatcher.settings.tool_timeout_s,
        )
        return self._dispatcher.context(session)
