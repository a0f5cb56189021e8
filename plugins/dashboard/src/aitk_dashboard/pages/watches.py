"""What is watched, and what was told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aitk_dashboard.pages.actions import Offer
from aitk_dashboard.pages.asking import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext


async def watches(context: ToolContext) -> dict[str, Any]:
    """Return what the page shows."""
    listed, told, rules = await asyncio.gather(
        ask(context, "list-watches"),
        ask(context, "list-alerts", limit=50),
        ask(context, "alert-rules", action="list"),
    )
    return {
        "watches": [
            {**each, "end": _end(each) if context.offers("end-watch") else None}
            for each in listed.data.get("watches") or ()
        ],
        "watches_problem": listed.problem,
        "messages": told.data.get("messages") or [],
        "counts": told.data.get("counts") or {},
        "alerts_problem": told.problem,
        "rules": rules.data.get("rules") or [],
        "destinations": rules.data.get("destinations") or [],
    }


def _end(watch: Mapping[str, Any]) -> Offer | None:
    if watch["state"] == "ended":
        return None
    label = watch.get("job_name") or watch["watch_id"]
    return Offer(name="end-watch", subject=watch["watch_id"], label=label)
