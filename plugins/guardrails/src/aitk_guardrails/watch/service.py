"""The service that watches: in every server, under leases, as long as it runs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from aitk_core.errors import AitkError
from aitk_guardrails.settings import WatchSettings
from aitk_guardrails.watch.engine import Engine
from aitk_guardrails.watch.store import WatchStore

if TYPE_CHECKING:
    from aitk_core.protocols import ServiceContext, ToolContext

logger = logging.getLogger(__name__)

PERIOD_S: Final = 1.0
"""Ours: between turns of the loop; leases are renewed in each."""
_PRUNE_S: Final = 3600.0
_ODD_STATUS: Final = 300


async def serve(service: ServiceContext) -> None:
    """Watch until cancelled; what is owned is let go of at once then."""
    context = service.tools()
    store = WatchStore(context.store)
    if context.read_only or not context.offers("stop-training"):
        # Who may not stop a run must not keep those from it who may.
        await _only_beat(service)
    engine = Engine(store, service.tools, service.owner)
    heart = Heartbeat(context)
    pruned = 0.0
    try:
        while True:
            service.beat()
            now = context.now()
            await context.run(store.beat, service.owner, service.frontend, now)
            await engine.step()
            # From the loop itself: a loop that hangs must fall silent.
            heart.beat()
            if now - pruned > _PRUNE_S:
                pruned = now
                await context.run(store.prune, now)
            await asyncio.sleep(PERIOD_S)
    finally:
        heart.close()
        await asyncio.shield(engine.close())


class Heartbeat:
    """Asks a URL for as long as the loop calls it; one request at a time, failures are logged."""

    def __init__(self, context: ToolContext) -> None:
        """Ask for nothing yet."""
        settings = context.settings(WatchSettings)
        self._context = context
        self._url = settings.heartbeat_url
        self._every_s = settings.heartbeat_seconds
        self._due = 0.0
        self._asking: asyncio.Task[None] | None = None

    def beat(self) -> None:
        """Begin a request where one is due and none is under way."""
        now = self._context.now()
        if self._url is None or now < self._due:
            return
        if self._asking is None or self._asking.done():
            self._due = now + self._every_s
            self._asking = asyncio.create_task(self._ask(self._url))

    def close(self) -> None:
        """Leave a request that is under way."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self, url: str) -> None:
        try:
            answer = await self._context.outbound.get(url, max_bytes=4096)
        except AitkError as error:
            logger.warning("heartbeat: %s: %s", error.code, error)
            return
        if answer.status >= _ODD_STATUS:
            logger.warning("heartbeat: answered %d", answer.status)


async def _only_beat(service: ServiceContext) -> None:
    while True:
        service.beat()
        await asyncio.sleep(PERIOD_S)
