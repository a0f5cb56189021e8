"""Models as resources: for clients that read those, up to the limit of one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from aitk_core.errors import TooLargeError
from aitk_core.records.results import ResourceContent
from aitk_export.download.locate import locate
from aitk_export.download.uris import http_path_of
from aitk_export.settings import ExportSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext


async def read_model(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return a model's bytes.

    Raises:
        TooLargeError: It has more than one answer may hold.
        NotFoundError: There is no such model.
        PathOutsideRootsError: It leads out of its folder.
    """
    name = unquote(parts["model"])
    located = await locate(context, name)
    limit = context.settings(ExportSettings).inline_bytes
    size = located.source.size_bytes
    if size > limit:
        raise TooLargeError(
            f"{located.source.name!r} has {size} bytes, and an answer holds {limit}",
            remedy=f"fetch {http_path_of(name)} from the HTTP frontend, ask download-model for "
            "pieces, or copy it with export-model",
            limit_bytes=limit,
            size_bytes=size,
        )
    return ResourceContent(
        mime_type="application/octet-stream", data=await located.source.read(0, size)
    )
