"""The file route (API.md section 7.1): ranges of what the backend's folders hold."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aitk_core.backend.answers import Ask
from aitk_core.backend.ids import checked_file_path, segment
from aitk_core.backend.records import FileRange
from aitk_core.errors import InvalidArgumentsError, TooLargeError

if TYPE_CHECKING:
    import httpx

    from aitk_core.backend.exchange import Exchange

# Answers may be cached for a day, with nothing to revalidate by; logs and states change.
_HEADERS: Final = {"Accept": "*/*", "Cache-Control": "no-cache"}


async def read_range(exchange: Exchange, path: str, start: int, end: int | None) -> FileRange:
    """Return the bytes from `start` to before `end`, or to the file's end.

    The size is asked for first: the backend does not clamp the end of a range, and
    announces more bytes than it sends.

    Raises:
        InvalidArgumentsError: The path is not absolute, or the range not ascending.
        TooLargeError: The range is larger than what is read into memory.
        FileMissingError: There is no such file.
        PathOutsideRootsError: The backend does not serve it.
        BackendError: In its kinds.
    """
    checked_file_path(path)
    if start < 0 or (end is not None and end < start):
        message = f"the range {start!r} to {end!r} is not ascending from 0"
        raise InvalidArgumentsError(
            message,
            remedy="Pass 0 <= start <= end.",
            faults=[{"path": "/start", "message": message}],
        )
    size = await _size(exchange, path)
    stop = size if end is None else min(end, size)
    if start >= stop:
        return FileRange(path=path, start=start, data=b"", size_bytes=size)
    limit = exchange.max_response_bytes
    if stop - start > limit:
        raise TooLargeError(
            f"{stop - start} bytes of {path!r} are more than {limit}",
            remedy="Ask for a smaller range.",
            limit_bytes=limit,
            path=path,
        )
    data = await _data(exchange, path, start, stop)
    return FileRange(path=path, start=start, data=data, size_bytes=size)


def _route(path: str) -> str:
    return f"/api/files/{segment(path)}"


async def _size(exchange: Exchange, path: str) -> int:
    ask = Ask(method="HEAD", path=_route(path), headers=_HEADERS, file=path, repeatable=True)

    async def take(response: httpx.Response) -> int:
        length = response.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            kind = response.headers.get("content-type", "")
            raise exchange.unfit(ask, "a file without a size", content_type=kind)
        return int(length)

    return await exchange.send(ask, take)


async def _data(exchange: Exchange, path: str, start: int, stop: int) -> bytes:
    """Return the bytes from `start` to before `stop`, fewer where the file has shrunk."""
    ask = Ask(
        method="GET",
        path=_route(path),
        headers={**_HEADERS, "Range": f"bytes={start}-{stop - 1}"},
        file=path,
        repeatable=True,
        accepted=(HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT),
    )

    async def take(response: httpx.Response) -> bytes:
        before = start  # a server that knows no ranges answers 200 with everything
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            announced = response.headers.get("content-range", "")
            if not announced.startswith(f"bytes {start}-"):
                raise exchange.unfit(ask, f"range {announced!r} in place of {start}-")
            before = 0
        data = bytearray()
        async for part in response.aiter_bytes():
            kept = part[before:]
            before -= len(part) - len(kept)
            data += kept
            if len(data) >= stop - start:
                break
        return bytes(data[: stop - start])

    return await exchange.send(ask, take)
