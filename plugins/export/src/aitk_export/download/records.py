"""What download-model answers; its contract is a schema of the same fields."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from aitk_core.records.marks import OMIT_IF_DEFAULT


@frozen(kw_only=True)
class Elsewhere:
    """How to get the whole file."""

    uri: str
    """Resource, for clients that read those; only up to the limit of one answer."""
    http_path: str
    """Path of the HTTP frontend; takes Range, answers ETag."""


@frozen(kw_only=True)
class Downloaded:
    """The answer."""

    filename: str
    path: str
    """Name as it was asked for."""
    size: int
    """Bytes of the whole file."""
    content: str | None
    """Base64 of the piece, null where none fits or was wanted."""
    offset: int
    length: int
    """Bytes in `content`."""
    next_offset: int | None
    """Where the next piece begins; null at the end, or without content."""
    sha256: str | None
    """Of the whole file."""
    download: Elsewhere
    metadata: dict[str, Any] | None = field(default=None, metadata={OMIT_IF_DEFAULT: True})
    metadata_source: str | None = field(default=None, metadata={OMIT_IF_DEFAULT: True})
    training_config: dict[str, Any] | None = field(default=None, metadata={OMIT_IF_DEFAULT: True})
    notes: tuple[str, ...] = ()
