"""Reading an answer's body to a limit, before and after it is decoded."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_WINDOWS: Final = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16}
"""`x-gzip` is the same (RFC 9110, section 8.4.1.3)."""


class UnfitBodyError(Exception):
    """The body is not taken; `reason` is `too_large`, `encoding` or `broken`."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


async def read_body(parts: AsyncIterator[bytes], encoding: str, limit: int) -> bytes:
    """Return the decoded body.

    Never holds more than the limit and one part, however well the body was compressed: the
    decoder is told how much it may give out.

    Args:
        parts: As they come from the connection, still encoded.
        encoding: The Content-Encoding; we ask for none, some servers compress all the same.
        limit: Bytes of the decoded body, and of the encoded one.

    Raises:
        UnfitBodyError: It is larger, or compressed in a way that is not taken or is damaged.
    """
    taken = _Limited(limit=limit)
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        async for part in parts:
            taken.add(part)
        return taken.whole()
    # Brotli and zstd need libraries; several codings in a row are how bombs are stacked.
    if name not in _WINDOWS:
        raise UnfitBodyError("encoding")
    decoder = zlib.decompressobj(_WINDOWS[name])
    came = 0
    try:
        async for part in parts:
            came += len(part)
            if came > limit:
                raise UnfitBodyError("too_large")
            taken.add(decoder.decompress(part, taken.room + 1))
            if decoder.eof and decoder.unused_data:
                raise UnfitBodyError("encoding")
    except zlib.error:
        raise UnfitBodyError("encoding") from None
    if came and not decoder.eof:
        raise UnfitBodyError("broken")
    return taken.whole()


@define
class _Limited:
    limit: int
    _size: int = field(default=0, init=False)
    _parts: list[bytes] = field(factory=list, init=False)

    @property
    def room(self) -> int:
        return self.limit - self._size

    def add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self.limit:
            raise UnfitBodyError("too_large")
        self._parts.append(part)

    def whole(self) -> bytes:
        return b"".join(self._parts)
