"""Form data of an upload (RFC 7578), as browsers and HTTP clients send it."""

from __future__ import annotations

import re
from typing import Final

import attrs

_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?')
_NAME: Final = re.compile(r'[;\s]name="([^"]*)"')
_FILENAME: Final = re.compile(r'filename="([^"]*)"')


@attrs.frozen(kw_only=True)
class Part:
    """One field of a form."""

    name: str
    filename: str | None
    data: bytes


def read_parts(content_type: str, body: bytes) -> list[Part]:
    """Take a form apart.

    Raises:
        ValueError: The body is no such form.
    """
    boundary = _BOUNDARY.search(content_type)
    if "multipart/form-data" not in content_type or boundary is None:
        raise ValueError(f"not form data: {content_type!r}")
    mark = b"--" + boundary.group(1).encode()
    # A first line break lets the first boundary be cut off like the others.
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)[1:-1]
    return [_part(piece) for piece in pieces]


def _part(piece: bytes) -> Part:
    head, found, data = piece.partition(b"\r\n\r\n")
    if not found:
        raise ValueError("a part without headers")
    headers = head.decode("utf-8", "replace")
    name = _NAME.search(headers)
    if name is None:
        raise ValueError("a part without name")
    filename = _FILENAME.search(headers)
    return Part(
        name=name.group(1), filename=None if filename is None else filename.group(1), data=data
    )
