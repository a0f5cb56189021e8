"""The view of a run that clients show beside the report (MCP Apps, SEP-1865)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from aitk_core.records.results import ResourceContent
from aitk_observability.resources.uris import APP_MIME_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext


async def read_app(_uri: str, _parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return the page; the client hands it the report, and asks us for the curve."""
    return ResourceContent(mime_type=APP_MIME_TYPE, text=await context.run(app_page))


@cache
def app_page() -> str:
    """Return the page's text."""
    return (files("aitk_observability.resources") / "app.html").read_text("utf-8")
