"""GET /models/<model_path>: the whole file, or ranges of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import FileResponse, Response, StreamingResponse

from aitk_core.errors import NotPermittedError
from aitk_export.download.digest import known_digest
from aitk_export.download.locate import locate
from aitk_export.places.sources import LocalSource, pieces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from aitk_core.protocols import ToolContext
    from aitk_export.places.sources import BackendSource

_MIME = "application/octet-stream"


async def serve_model(request: Request, context: ToolContext) -> Response:
    """Answer with a model's bytes; memory does not grow with the file.

    A file on this machine takes Range, If-Range and If-None-Match; one that only the backend has
    is passed through whole.

    Raises:
        NotPermittedError: download-model is not offered to this caller.
        NotFoundError: There is no such model.
        PathOutsideRootsError: It leads out of its folder.
    """
    if not context.offers("download-model"):
        raise NotPermittedError("models are not handed out here")
    located = await locate(context, request.path_params["model"])
    source = located.source
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}
    if not isinstance(source, LocalSource):
        return _passed_through(request, source, headers)
    digest = await known_digest(context, located)
    if digest is not None:
        headers |= {"ETag": f'"sha256-{digest}"', "X-Checksum-Sha256": digest}
    stat_result = await context.run(source.path.stat)
    response = FileResponse(
        source.path,
        media_type=_MIME,
        filename=source.name,
        stat_result=stat_result,
        headers=headers,
    )
    if _is_known(request, response.headers["etag"]):
        kept = ("etag", "cache-control", "last-modified")
        return Response(status_code=304, headers={key: response.headers[key] for key in kept})
    return response


def _is_known(request: Request, etag: str) -> bool:
    given = request.headers.get("if-none-match", "")
    tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
    return etag in tags or "*" in tags


def _passed_through(request: Request, source: BackendSource, headers: dict[str, str]) -> Response:
    headers |= {
        "Content-Length": str(source.size_bytes),
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(source.name)}",
        "Accept-Ranges": "none",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type=_MIME)

    async def body() -> AsyncIterator[Any]:
        async for _, data in pieces(source):
            yield data

    return StreamingResponse(body(), media_type=_MIME, headers=headers)
