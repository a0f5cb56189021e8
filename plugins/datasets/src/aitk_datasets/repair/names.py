"""Names in a dataset: which belong together, which clash, which are not to be touched."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

IMAGE_EXTENSIONS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"}) | {
    *(".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl", ".jp2")
}
"""The first four are trained (datasets.md A1)."""

MEDIA_EXTENSIONS: Final = (
    IMAGE_EXTENSIONS
    | {".mp4", ".avi", ".mov", ".webm", ".mkv", ".wmv", ".m4v", ".flv"}
    | {".mp3", ".wav", ".flac", ".aac", ".ogg", ".m4a"}
)
"""Whatever may own a caption, read by the trainer or not: cheaper to leave one than to lose one."""

CONTROLS: Final = "_controls"


def fold(name: str) -> str:
    """Return the name as file systems that mind neither case nor Unicode form compare it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def cut(name: str) -> tuple[str, str]:
    """Return stem and extension as the trainer cuts a name (`os.path.splitext`)."""
    stem, dot, extension = name.rpartition(".")
    return (stem, dot + extension) if stem.strip(".") else (name, "")


def join(folder: str, name: str) -> str:
    """Return the path of a name in a folder."""
    return f"{folder}/{name}" if folder else name


def is_media(name: str) -> bool:
    """Tell whether a name is that of a picture, a video or a sound."""
    return cut(name)[1].lower() in MEDIA_EXTENSIONS


def is_caption_of(name: str, stem: str, caption_ext: str) -> bool:
    """Tell whether a name is the stem's caption; the extension's case is free."""
    cut_at = len(name) - len(caption_ext)
    return cut_at > 0 and name[:cut_at] == stem and fold(name[cut_at:]) == fold(caption_ext)


@frozen(kw_only=True)
class Listing:
    """What is in a folder, found by folded name and stem."""

    by_name: Mapping[str, Sequence[str]]
    media_by_stem: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, found: Iterable[str]) -> Listing:
        """Return the listing of these names."""
        by_name: defaultdict[str, list[str]] = defaultdict(list)
        media_by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for name in found:
            by_name[fold(name)].append(name)
            if is_media(name):
                media_by_stem[fold(cut(name)[0])].append(name)
        return cls(by_name=by_name, media_by_stem=media_by_stem)

    def owners(self, stem: str) -> Sequence[str]:
        """Return what a caption of this stem may belong to."""
        return self.media_by_stem.get(fold(stem), ())

    def captions(self, stem: str, caption_ext: str) -> Sequence[str]:
        """Return the stem's captions."""
        like = self.by_name.get(fold(stem + caption_ext), ())
        return [name for name in like if is_caption_of(name, stem, caption_ext)]
