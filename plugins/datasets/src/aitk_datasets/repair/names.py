"""Names in a folder: which belong together, and which are one to some system."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from aitk_datasets.folder.names import fold, is_media, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def join(folder: str, name: str) -> str:
    """Return the path of a name in a folder."""
    return f"{folder}/{name}" if folder else name


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
                media_by_stem[fold(stem_of(name))].append(name)
        return cls(by_name=by_name, media_by_stem=media_by_stem)

    def owners(self, stem: str) -> Sequence[str]:
        """Return what a caption of this stem may belong to."""
        return self.media_by_stem.get(fold(stem), ())

    def captions(self, stem: str, caption_ext: str) -> Sequence[str]:
        """Return the stem's captions."""
        like = self.by_name.get(fold(stem + caption_ext), ())
        return [name for name in like if is_caption_of(name, stem, caption_ext)]
