"""Datasets: what each is like, what a repair would do, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aitk_dashboard.pages.actions import REPAIRS, USUAL, Offer
from aitk_dashboard.pages.asking import ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.protocols import ToolContext


async def datasets(context: ToolContext) -> dict[str, Any]:
    """Return what the list shows."""
    listed = await ask(context, "list-datasets", limit=200)
    return {
        "problem": listed.problem,
        "datasets": listed.data.get("datasets") or [],
        "total": listed.data.get("total", 0),
        "notes": listed.data.get("notes") or [],
    }


def dataset(name: str, chosen: Sequence[str]) -> dict[str, Any]:
    """Return what the page of a dataset shows before anything was looked at.

    Args:
        name: Of the folder.
        chosen: What a repair should do, as the page's form says it; empty: what is usual.
    """
    place = f"/dashboard/datasets/{quote(name, safe='')}"
    wanted = [each for each in REPAIRS if each in chosen] or list(USUAL)
    query = "&".join(f"do={each}" for each in wanted)
    return {
        "name": name,
        "place": place,
        "check": f"{place}/check",
        "repairs": REPAIRS,
        "wanted": wanted,
        "repair": f"/dashboard/live/datasets/{quote(name, safe='')}/repair?{query}",
    }


async def repair(context: ToolContext, name: str, chosen: Sequence[str]) -> dict[str, Any]:
    """Return what a repair of one dataset would do, and what was done before."""
    wanted = dataset(name, chosen)["wanted"]
    plan = await ask(
        context,
        "auto-improve-dataset",
        dataset_path=name,
        **{each: each in wanted for each in REPAIRS},
    )
    data = plan.data
    can_change = context.offers("auto-improve-dataset") and not context.read_only
    planned = data.get("plan")
    done = data.get("operations") or []
    return {
        "problem": plan.problem,
        "plan": planned,
        "repair": Offer(
            name="repair",
            subject=name,
            label=name,
            detail=planned["hash"],
            chosen=",".join(wanted),
        )
        if can_change and planned
        else None,
        "operations": [
            {
                **each,
                "undo": Offer(name="undo", subject=name, label=name, detail=each["id"])
                if can_change and each["state"] not in ("undone", "emptied")
                else None,
            }
            for each in reversed(done)
        ],
        "notes": data.get("notes") or [],
        "back": f"/dashboard/datasets/{quote(name, safe='')}",
    }
