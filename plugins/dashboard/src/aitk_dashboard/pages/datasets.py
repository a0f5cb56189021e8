"""Datasets: what each is like, what a repair would do, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aitk_dashboard.pages.asking import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext


REPAIR: Final[Mapping[str, Any]] = {"quarantine_duplicates": True, "apply_rotation": True}
"""What the page repairs beyond the tool's defaults: equal copies go, pixels are turned."""


async def datasets(context: ToolContext) -> dict[str, Any]:
    """Return what the list shows."""
    listed = await ask(context, "list-datasets", limit=200)
    return {
        "problem": listed.problem,
        "datasets": listed.data.get("datasets") or [],
        "total": listed.data.get("total", 0),
        "notes": listed.data.get("notes") or [],
    }


async def dataset(context: ToolContext, name: str) -> dict[str, Any]:
    """Return what a repair of one dataset would do; the check has a page of its own."""
    plan = await ask(context, "auto-improve-dataset", dataset_path=name, **REPAIR)
    data = plan.data
    return {
        "name": name,
        "plan_problem": plan.problem,
        "plan": data.get("plan"),
        "actions": data.get("plan_actions") or [],
        "operations": data.get("operations") or [],
        "notes": data.get("notes") or [],
        "can_change": context.offers("auto-improve-dataset") and not context.read_only,
        "page": f"/dashboard/datasets/{quote(name, safe='')}/check",
    }
