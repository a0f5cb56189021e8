"""Hands alerts to whatever delivers them; until it has taken them, they stay here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from aitk_core.errors import AitkError

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_guardrails.watch.store import WatchStore

logger = logging.getLogger(__name__)

_TOOL: Final = "alert-routing"
_PAUSES_S: Final = (2.0, 5.0, 15.0, 60.0, 300.0)
"""Ours: before alerts that were not taken are offered again; the last one from then on."""


async def tell(store: WatchStore, context: ToolContext) -> int:
    """Offer the alerts that nobody has taken yet; returns how many were taken now.

    What was taken and could not be marked so before a crash is offered again under the same
    `alert_id`, which the outbox knows.
    """
    now = context.now()
    waiting = await context.run(store.untold, now)
    if not waiting:
        return 0
    ids = [each.alert_id for each in waiting]
    pause = _PAUSES_S[min(max(each.attempts for each in waiting), len(_PAUSES_S) - 1)]
    if not context.offers(_TOOL):
        reason = f"{_TOOL} is not installed or not allowed here: nobody is told"
        await context.run(store.not_told, ids, reason, now + pause)
        return 0
    try:
        await context.call_tool(
            _TOOL, {"alerts": [dict(each.body) for each in waiting], "sink": "rules"}
        )
    except AitkError as error:
        logger.warning("alerts not taken: %s: %s", error.code, error)
        await context.run(store.not_told, ids, f"{error.code}: {error}", now + pause)
        return 0
    await context.run(store.told, ids, context.now())
    return len(ids)
