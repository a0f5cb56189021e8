"""Kinds of files by name, as the trainer sorts them; which names are one to some system."""

from __future__ import annotations

import posixpath
import unicodedata
from typing import Final, Literal, TypeAlias

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

LATENT_CACHE: Final = "_latent_cache"
TEXT_CACHE: Final = "_t_e_cache"
VISION_CACHE: Final = "_clip_vision_cache"
CACHES: Final = (LATENT_CACHE, TEXT_CACHE, VISION_CACHE)
"""Folders that the trainer makes beside the pictures (API.md section 13)."""

QUARANTINES: Final = ("_duplicates", "_quarantine")
"""Folders of other tools that are not hidden, so that what lies there is trained (E4)."""

_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(UNSUPPORTED_EXTENSIONS, "unsupported"),
    **dict.fromkeys(AUDIO_EXTENSIONS, "audio"),
    **dict.fromkeys(VIDEO_EXTENSIONS, "video"),
    **dict.fromkeys(IMAGE_EXTENSIONS, "image"),
}


def fold(name: str) -> str:
    """Return the name as file systems that mind neither case nor Unicode form compare it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def stem_of(path: str) -> str:
    """Return a path without its extension, as the trainer cuts it (`os.path.splitext`)."""
    return posixpath.splitext(path)[0]


def parts_of(path: str) -> tuple[str, Kind | None]:
    """Return a path's stem, and what its extension stands for in any case, if anything."""
    stem, extension = posixpath.splitext(path)
    return stem, _KINDS.get(extension.lower())


def is_media(path: str) -> bool:
    """Tell whether a path is a picture's, a video's or a sound's, trained or not.

    Whatever may own a caption: cheaper to leave one than to lose one (datasets.md C2).
    """
    return parts_of(path)[1] is not None


def is_control(path: str) -> bool:
    """Tell whether a file lies in a `_controls` folder itself: below one it is trained."""
    return posixpath.basename(posixpath.dirname(path)) == CONTROLS


def in_quarantine(path: str) -> bool:
    """Tell whether a relative path leads through a folder of another tool's quarantine."""
    return any(part in QUARANTINES for part in path.split("/")[:-1])
