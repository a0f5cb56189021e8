"""Readers of the fixture resources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aitk_core.records.results import ResourceContent
from mcp_everything.media import PNG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext


async def static_text(
    _uri: str, _parts: Mapping[str, str], _context: ToolContext
) -> ResourceContent:
    """Return a text."""
    return ResourceContent(text="This is the content of the static text resource.")


async def static_binary(
    _uri: str, _parts: Mapping[str, str], _context: ToolContext
) -> ResourceContent:
    """Return an image."""
    return ResourceContent(mime_type="image/png", data=PNG)


async def watched(_uri: str, _parts: Mapping[str, str], _context: ToolContext) -> ResourceContent:
    """Return a text."""
    return ResourceContent(text="Watched resource content.")


async def template_data(
    _uri: str, parts: Mapping[str, str], _context: ToolContext
) -> ResourceContent:
    """Return data of the id in the URI."""
    data = {"id": parts["id"], "templateTest": True, "data": f"Data for ID: {parts['id']}"}
    return ResourceContent(mime_type="application/json", text=json.dumps(data))
