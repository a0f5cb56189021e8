"""Names and places that trip programs, and what must never be touched (datasets.md A1, E6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from aitk_core.testing.planted.codec import jpeg, other, png
from aitk_core.testing.planted.labels import FILE_LABELS, known
from aitk_core.testing.planted.truth import OddPath, PlantedCaption, PlantedFile
from aitk_core.testing.planted.words import sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.testing.planted.site import Site

_LONG_NAME: Final = 200

_PLACES: Final[Mapping[str, tuple[str, bool]]] = {
    "nested": ("10_concept/inner/picture.jpg", True),
    "quarantine_folder": ("_quarantine/picture.jpg", True),
    "control_subfolder": ("_controls/sub/picture.jpg", True),
    "control": ("_controls/picture.jpg", False),
    "spaces": (" a name  with spaces .jpg", True),
    "leading_dash": ("-rf.jpg", True),
    "newline": ("line\nbreak.jpg", True),
    "nfc": ("caf\u00e9.jpg", True),
    "nfd": ("cafe\u0301.jpg", True),
    "long_name": ("n" * (_LONG_NAME - len(".jpg")) + ".jpg", True),
    "upper_extension": ("CAPITALS.JPG", True),
}
"""Path from `train/`, and whether the trainer's walk includes it."""
_HIDDEN: Final = (".hidden/picture.jpg", ".dot.jpg", "10_concept/.inner/picture.jpg")

_VIDEOS: Final[Mapping[str, bytes]] = {
    "mp4": b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2\0\0\0\x08free\0\0\0\x08mdat",
    "mov": b"\0\0\0\x14ftypqt  \0\0\x02\0qt  \0\0\0\x08wide\0\0\0\x08mdat",
    "webm": b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x80",
    "mkv": b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska\x18\x53\x80\x67\x80",
    "avi": b"RIFF\x10\0\0\0AVI LIST\x04\0\0\0hdrl",
}
"""The first bytes of each container: ISO 14496-12, QuickTime, Matroska (RFC 8794), RIFF."""
_UNSUPPORTED: Final[Mapping[str, str]] = {"bmp": "BMP", "gif": "GIF", "tiff": "TIFF"}
_HEIC: Final = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def plant_places(site: Site) -> None:
    """Plant odd names, hidden and control pictures, videos, links, and `outside/`."""
    for kind, (path, is_walked) in _PLACES.items():
        _odd_picture(site, f"train/{path}", kind, is_walked=is_walked)
    for path in _HIDDEN:
        _odd_picture(site, f"train/{path}", "hidden", is_walked=False)
    _plant_unsupported(site)
    _plant_outside(site)
    _plant_links(site)
    site.write("train/default.txt", b"a caption that the trainer does not read\n")
    site.odd_paths.append(OddPath(path="train/default.txt", kind="default_txt"))


def _odd_picture(site: Site, path: str, kind: str, *, is_walked: bool) -> None:
    picture = site.base(path)
    try:
        site.picture(
            path, jpeg(picture), kind, size=picture.size, is_walked=is_walked, is_captioned=False
        )
    except OSError as error:
        site.refused(path, kind, error)
        return
    site.odd_paths.append(OddPath(path=path, kind=kind))
    if is_walked:
        site.good_caption(path)


def _plant_unsupported(site: Site) -> None:
    for ext, name in _UNSUPPORTED.items():
        path = f"train/format.{ext}"
        picture = site.base(path)
        data = other(picture, name)
        site.picture(
            path, data, "unsupported", size=picture.size, is_walked=False, is_captioned=False
        )
    stubs = {f"train/clip.{ext}": (data, "video") for ext, data in _VIDEOS.items()}
    stubs["train/format_2.heic"] = (_HEIC, "unsupported")
    for path, (data, kind) in stubs.items():
        # As long as a real one's first block, so that a reader finds no end at once.
        site.picture(path, data + bytes(4096), kind, size=None, is_walked=False, is_captioned=False)


def _plant_outside(site: Site) -> None:
    """Fill the folder that nobody may change, whatever links lead to it."""
    for path in ("outside/linked.png", "outside/folder/inside.png"):
        site.write(path, png(site.base(path, _linked_size(site))))
    site.write("outside/linked.txt", sentence(site.rng("outside/linked.txt")).encode())
    site.write("outside/keep.txt", b"nobody may touch this file\n")


def _linked_size(site: Site) -> tuple[int, int]:
    return site.sides[0], site.sides[0] * 2 // 3


def _plant_links(site: Site) -> None:
    links = (
        ("linked", "linked.png", "../outside/linked.png"),
        ("broken_link", "broken.png", "no_such_picture.png"),
        ("link_loop", "itself.png", "itself.png"),
    )
    for kind, name, target in links:
        path = f"train/{name}"
        size = _linked_size(site) if kind == "linked" else None
        if site.link(path, target, kind):
            record = PlantedFile(path=path, labels=known((kind,), FILE_LABELS), size=size)
            site.files.append(record)
    if site.link("train/linked.txt", "../outside/linked.txt", "linked_caption"):
        site.captions.append(
            PlantedCaption(
                path="train/linked.txt",
                labels=("linked_caption",),
                images=("train/linked.png",),
                text=sentence(site.rng("outside/linked.txt")),
            )
        )
    site.link("train/linked_folder", "../outside/folder", "linked_folder")
    site.link("train/loop", os.curdir, "folder_loop")
