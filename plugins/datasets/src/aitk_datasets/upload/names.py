"""Names that a picture may have, and whether they are free. Pure: no file is looked at."""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from attrs import define, field, frozen

from aitk_core.wording import shown
from aitk_datasets.folder.names import IMAGE_EXTENSIONS, fold, stem_of
from aitk_datasets.upload.items import Refused

CAPTION_EXT: Final = ".txt"
"""What the trainer reads where a config says nothing else (API.md section 13)."""
_NAME_BYTES: Final = 200
"""Of the 255 that a name may have (POSIX NAME_MAX): the trainer's cache files add to the stem."""


def plain_name(text: str) -> str:
    """Return a name as one plain component in Unicode's NFC, so that equal names are equal bytes.

    Raises:
        Refused: It is empty, hidden, over 200 bytes, or holds a separator or what cannot be
            printed; or it has blanks around it or a dot at its end, which Windows drops.
    """
    name = unicodedata.normalize("NFC", text)
    if not name or name != name.strip() or name.endswith(".") or not name.isprintable():
        fault = "is empty, has blanks around it, a dot at its end, or what cannot be printed"
    elif any(mark in name for mark in "/\\:"):
        fault = "is more than one plain name"
    elif name.startswith("."):
        fault = "is hidden: the trainer passes over names that begin with a dot"
    elif len(name.encode()) > _NAME_BYTES:
        fault = f"has over {_NAME_BYTES} bytes"
    else:
        return name
    raise Refused("NAME_INVALID", f"the name {fault}; give a plain file name")


def picture_name(text: str) -> str:
    """Return the plain name of a picture that the trainer will list.

    Raises:
        Refused: It is no plain name, or has none of the extensions that the trainer lists.
    """
    name = plain_name(text)
    if posixpath.splitext(name)[1].lower() not in IMAGE_EXTENSIONS:
        raise Refused(
            "NAME_INVALID",
            f"the name ends in none of {', '.join(IMAGE_EXTENSIONS)}; the trainer lists these",
        )
    return name


def _no_caption(_stem: str) -> str | None:
    return None


@frozen(kw_only=True)
class Present:
    """The names in the dataset's folder, before anything is added."""

    names: Mapping[str, str] = field(factory=dict)
    """Names by their folded form."""
    stems: Mapping[str, frozenset[str]] = field(factory=dict)
    """Spellings of the stems of media and captions, by their folded form."""
    caption_at: Callable[[str], str | None] = _no_caption
    """Return the caption of a stem; None where there is no file. Raises `Refused`."""


def present_of(names: list[str], caption_at: Callable[[str], str | None]) -> Present:
    """Return the names that are there, ready to be asked."""
    stems: dict[str, set[str]] = {}
    for name in names:
        stems.setdefault(fold(stem_of(name)), set()).add(stem_of(name))
    return Present(
        names={fold(name): name for name in names},
        stems={key: frozenset(some) for key, some in stems.items()},
        caption_at=caption_at,
    )


@define
class Admission:
    """Which names of one upload are free; a name that was admitted is taken."""

    present: Present
    _names: set[str] = field(factory=set)
    _stems: dict[str, tuple[str, str | None]] = field(factory=dict)

    def admit(self, name: str, caption: str | None) -> bool:
        """Take a name, and tell whether its caption is not in the folder yet.

        Raises:
            Refused: The name is taken, or another picture of its stem has another caption: the
                two share one caption file (API.md section 13).
        """
        stem, key = stem_of(name), fold(stem_of(name))
        if fold(name) in self.present.names:
            raise Refused("NAME_TAKEN", "a file of that name is there; give another name")
        spelled = self.present.stems.get(key)
        if spelled is not None and spelled != {stem}:
            raise Refused("NAME_TAKEN", "a name that differs only in case is there; give another")
        if fold(name) in self._names:
            raise Refused("NAME_TWICE", "an earlier item has that name; give another")
        earlier = self._stems.get(key)
        if earlier is not None and earlier[0] != stem:
            raise Refused("NAME_TWICE", "the name of an earlier item differs only in case")
        if earlier is not None and earlier[1] != caption:
            raise _shared(f"an earlier item is named {shown(stem)!r} with another extension")
        written = False
        if spelled is not None:
            there = self.present.caption_at(stem)
            if there != caption:
                raise _shared(f"{shown(stem)!r} is there with another caption or extension")
            written = there is not None
        self._names.add(fold(name))
        self._stems[key] = (stem, caption)
        return caption is not None and not written


def _shared(fault: str) -> Refused:
    return Refused(
        "CAPTION_STEM_SHARED",
        f"{fault}: pictures of one stem share one caption file; give another name or the same "
        "caption",
    )
