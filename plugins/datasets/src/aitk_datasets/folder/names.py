"""Kinds of files by name, as the trainer sorts them, and names made fit to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind: TypeAlias = Literal["image", "video", "audio", "unsupported"]

IMAGE_EXTENSIONS: Final = (".jpg", ".jpeg", ".png", ".webp")
VIDEO_EXTENSIONS: Final = (".mp4", ".avi", ".mov", ".webm", ".mkv", ".wmv", ".m4v", ".flv")
AUDIO_EXTENSIONS: Final = (".mp3", ".wav", ".flac", ".aac", ".ogg", ".m4a")
"""What the trainer reads (toolkit/data_loader.py of 0.12.26; backend/API.md section 13)."""

UNSUPPORTED_EXTENSIONS: Final = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".ico", ".jfif", ".jpe", ".jp2", ".jxl"),
    *(".psd", ".svg", ".tga", ".tif", ".tiff"),
)
"""Pictures that people keep in datasets and the trainer passes over without a word; ours."""

PICTURED: Final[frozenset[Kind | None]] = frozenset({"image", "video", "unsupported"})
"""Kinds that show something, whether the trainer reads them or not."""

CONTROLS: Final = "_controls"
"""Files whose direct parent has this name are dropped (datasets.md A1)."""

QUARANTINES: Final = ("_duplicates", "_quarantine")
"""Folders of other tools that are not hidden, so that what lies there is trained (E4)."""

_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(UNSUPPORTED_EXTENSIONS, "unsupported"),
    **dict.fromkeys(AUDIO_EXTENSIONS, "audio"),
    **dict.fromkeys(VIDEO_EXTENSIONS, "video"),
    **dict.fromkeys(IMAGE_EXTENSIONS, "image"),
}
_SHOWN: Final = 200
_NAMED: Final = 3


def parts_of(name: str) -> tuple[str, Kind | None]:
    """Return a file name's stem, and what its extension stands for in any case, if anything.

    The stem is that of `os.path.splitext`, which the trainer pairs by, for any name that does
    not begin with a dot.
    """
    stem, dot, extension = name.rpartition(".")
    return (stem, _KINDS.get(f".{extension}".lower())) if dot else (name, None)


def can_be_shown(path: str) -> bool:
    """Tell whether a path is plain text: no control, no direction mark, no undecoded byte."""
    return path.isprintable()


def shown(path: str) -> str:
    """Return a path fit for a message: unprintable characters escaped, 200 characters before that.

    Bytes that are no text come from the file system as lone surrogates and are escaped as such.
    """
    # Long names are told apart by their ends as often as by their beginnings.
    cut = path if len(path) <= _SHOWN else f"{path[: _SHOWN // 2]}...{path[3 - _SHOWN // 2 :]}"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in cut)


def in_quarantine(path: str) -> bool:
    """Tell whether a relative path leads through a folder of another tool's quarantine."""
    return any(part in QUARANTINES for part in path.split("/")[:-1])


def some_of(paths: Sequence[str], total: int | None = None) -> str:
    """Return the first paths for a message: three, then how many more of `total` there are."""
    more = (len(paths) if total is None else total) - len(paths[:_NAMED])
    named = ", ".join(shown(path) for path in paths[:_NAMED])
    return f"{named} and {more} more" if more > 0 else named
