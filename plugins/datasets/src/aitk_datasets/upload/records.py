"""What upload-dataset answers; each record has its contract in a schema of the same fields."""

from __future__ import annotations

from typing import Literal

from attrs import frozen


@frozen(kw_only=True)
class Saved:
    """A picture that is there now."""

    file: str
    """Its name in the folder."""
    bytes: int
    """Its size."""
    width: int
    """Pixels, after the EXIF rotation."""
    height: int
    """Pixels, after the EXIF rotation."""
    caption: str | None
    """The caption file beside it."""


@frozen(kw_only=True)
class Rejected:
    """An item that was not saved."""

    index: int
    """Its place among the items; 0 is the first."""
    filename: str
    """Its name as given, fit to be shown."""
    code: str
    """Stable word."""
    message: str
    """What is wrong and what to do."""


@frozen(kw_only=True)
class Totals:
    """Sums of one upload."""

    items: int
    """Pictures given."""
    saved: int
    """Pictures saved."""
    rejected: int
    """Pictures not saved."""
    captions: int
    """Caption files written."""
    bytes: int
    """Bytes of the pictures saved."""


@frozen(kw_only=True)
class Uploaded:
    """Output of upload-dataset."""

    dataset: str
    """Name of the folder."""
    location: str
    """The folder below the datasets root."""
    source: Literal["folder", "backend"]
    """Where it was written."""
    created: bool
    """Whether the folder was made by this call."""
    saved: tuple[Saved, ...]
    """In order of the items."""
    rejected: tuple[Rejected, ...]
    """In order of the items."""
    totals: Totals
    """Of this call."""
