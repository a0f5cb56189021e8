"""Our own scripts and style, and Plotly's script from its package."""

from __future__ import annotations

import hashlib
import mimetypes
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from aitk_core.errors import ResourceNotFoundError

if TYPE_CHECKING:
    from starlette.requests import Request

    from aitk_core.protocols import ToolContext

_OWN: Final = ("dashboard.css", "dashboard.js", "live.js", "asking.js", "curves.js", "viewer.js")
_PLOTLY: Final = "plotly.min.js"
_KEPT: Final[dict[str, tuple[bytes, str]]] = {}


async def serve(request: Request, context: ToolContext) -> Response:
    """Answer with a file; a browser keeps it until it changes.

    Raises:
        ResourceNotFoundError: There is no such file.
    """
    name = request.path_params["name"]
    if name not in (*_OWN, _PLOTLY):
        raise ResourceNotFoundError("there is no such file")
    # What was read once is at hand: the first picture of a page waits for its style, and must not
    # wait for workers that are busy with something long.
    if name not in _KEPT:
        _KEPT[name] = await context.run(_content, name)
    data, etag = _KEPT[name]
    headers = {
        "ETag": etag,
        "Cache-Control": "public, max-age=300",
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=mimetypes.guess_type(name)[0], headers=headers)


def _content(name: str) -> tuple[bytes, str]:
    where = ("plotly", "package_data") if name == _PLOTLY else ("aitk_dashboard", "static")
    folder = files(where[0]) / where[1]
    data = (folder / name).read_bytes()
    return data, f'"{hashlib.sha256(data).hexdigest()[:32]}"'
