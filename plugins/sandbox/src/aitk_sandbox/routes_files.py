"""Routes that serve files (`ui/cron/fileServer.ts`), and the one that deletes them."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from starlette.responses import Response

from aitk_sandbox.folders import inside, normal
from aitk_sandbox.web import AnswerError, answer, nothing, route, text

if TYPE_CHECKING:
    from starlette.routing import Route

    from aitk_sandbox.web import Backend, Call

_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")
_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def routes(backend: Backend) -> list[Route]:
    """Return the routes of files."""
    return [
        route(backend, "/api/files/delete", "POST", _delete),
        route(backend, "/api/files/{path:path}", "GET", _file),
        route(backend, "/api/img/{path:path}", "GET", _image),
    ]


def _found(call: Call, *roots: Path) -> Path:
    """Return the file that the path names.

    Raises:
        AnswerError: It is none, or outside the roots.
    """
    if _BROKEN_PERCENT.search(call.raw_path):
        raise AnswerError(nothing(500))
    path = normal(Path("/") / call.path["path"])
    if not any(inside(path, root) for root in roots):
        raise AnswerError(_plain("Access denied", 403))
    if not path.exists():
        raise AnswerError(_plain("File not found", 404))
    if not path.is_file():
        raise AnswerError(_plain("Not a file", 400))
    return path


def _plain(message: str, status: int) -> Response:
    # The front server answers these, without the Next.js half's content type.
    response = Response(message, status_code=status)
    del response.headers["content-type"]
    return response


def _file(call: Call) -> Response:
    folders = call.backend.folders
    path = _found(call, folders.datasets, folders.training)
    return _served(
        call,
        path,
        {
            "cache-control": "public, max-age=86400",
            "content-disposition": f'attachment; filename="{quote(path.name)}"',
            "x-content-type-options": "nosniff",
        },
    )


def _image(call: Call) -> Response:
    folders = call.backend.folders
    path = _found(call, folders.datasets, folders.training, folders.data / "data")
    if "thumb" in call.query:
        path = _thumb(path)
    state = path.stat()
    tag = f'W/"{state.st_ino:x}-{state.st_size:x}-{state.st_mtime_ns:x}"'
    headers = {"cache-control": "public, max-age=86400, immutable", "etag": tag}
    if call.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return _served(call, path, headers)


def _thumb(path: Path) -> Path:
    """Return the thumbnail, made at the first request; the file itself where that fails."""
    from PIL import Image

    thumb = path.parent / ".thumbs" / f"{path.name}.jpg"
    if thumb.exists():
        return thumb
    try:
        with Image.open(path) as opened:
            small = opened.convert("RGB")
    except OSError:
        return path
    small.thumbnail((300, 300))
    thumb.parent.mkdir(exist_ok=True)
    small.save(thumb, format="JPEG")
    return thumb


def _served(call: Call, path: Path, headers: dict[str, str]) -> Response:
    kind = mimetypes.guess_type(path.name)[0] or ""
    headers["accept-ranges"] = "bytes"
    headers["content-type"] = (
        kind if kind.startswith(("image/", "video/", "audio/")) else ("application/octet-stream")
    )
    size = path.stat().st_size
    wanted = call.headers.get("range")
    if wanted is None:
        return _bytes(call, path, 0, size, headers, status=200)
    match = _RANGE.fullmatch(wanted)
    start = int(match.group(1)) if match else size
    # The real server does not clamp the end and announces more than it sends. No HTTP stack
    # here would send that, so an end past the file is answered clamped.
    end = min(int(match.group(2)), size - 1) if match and match.group(2) else size - 1
    if start >= size or start > end:
        return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {start}-{end}/{size}"
    return _bytes(call, path, start, end + 1, headers, status=206)


def _bytes(
    call: Call, path: Path, start: int, stop: int, headers: dict[str, str], *, status: int
) -> Response:
    if call.method == "HEAD":
        headers["content-length"] = str(stop - start)
        return Response(status_code=status, headers=headers)
    with path.open("rb") as stream:
        stream.seek(start)
        return Response(stream.read(stop - start), status_code=status, headers=headers)


def _delete(call: Call) -> Response:
    folders = call.backend.folders
    try:
        given = call.json_object().get("filePath")
    except ValueError:
        given = None
    if not given:
        return text("filePath is required", 400)
    # The real route decodes the value once more.
    path = normal(Path(unquote(str(given))))
    if not (inside(path, folders.datasets) or inside(path, folders.training)):
        return text("Access denied", 403)
    if not path.exists():
        return text("File not found", 404)
    if not path.is_file():
        return text("Not a file", 400)
    path.unlink()
    return answer({"success": True})
