"""The service that watches: in every server, under leases, as long as it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aitk_guardrails.watch.engine import Engine
from aitk_guardrails.watch.store import WatchStore

if TYPE_CHECKING:
    from aitk_core.protocols import ServiceContext

PERIOD_S: Final = 1.0
"""Ours: between turns of the loop; leases are renewed in each."""
_PRUNE_S: Final = 3600.0


async def serve(service: ServiceContext) -> None:
    """Watch until cancelled; what is owned is let go of at once then."""
    context = service.tools()
    store = WatchStore(context.store)
    if context.read_only or not context.offers("stop-training"):
        # Who may not stop a run must not keep those from it who may.
        await _only_beat(service)
    engine = Engine(store, service.tools, service.owner)
    pruned = 0.0
    try:
        while True:
            service.beat()
            now = context.now()
            await context.run(store.beat, service.owner, service.frontend, now)
            await engine.step()
            if now - pruned > _PRUNE_S:
                pruned = now
                await context.run(store.prune, now)
            await asyncio.sleep(PERIOD_S)
    finally:
        await asyncio.shield(engine.close())


async def _only_beat(service: ServiceContext) -> None:
    while True:
        service.beat()
        await asyncio.sleep(PERIOD_S)
