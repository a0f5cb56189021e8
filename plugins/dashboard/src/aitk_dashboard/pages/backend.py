"""Whether the training backend answers, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.settings import without_login
from aitk_dashboard.pages.asking import ask

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext


async def backend(context: ToolContext) -> dict[str, Any]:
    """Return what the page shows."""
    status = await ask(context, "get-training-status")
    return {
        "overview": status.data.get("overview"),
        "problem": status.problem,
        "url": context.redacted(without_login(context.backend.url)),
    }
