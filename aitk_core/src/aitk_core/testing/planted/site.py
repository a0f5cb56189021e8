"""The folder being planted: writes files, and keeps the truth about each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np
from attrs import define, field
from PIL import ImageOps

from aitk_core.testing.planted import words
from aitk_core.testing.planted.fields import (
    Size,
    base_size,
    generated_picture,
    photograph,
    photographs_in_order,
)
from aitk_core.testing.planted.labels import CAPTION_LABELS, FILE_LABELS, known
from aitk_core.testing.planted.truth import OddPath, PlantedCaption, PlantedFile, PlantedPair

if TYPE_CHECKING:
    from numpy.random import Generator
    from PIL import Image

    from aitk_core.testing.planted.truth import Tier

_FIRST_MTIME: Final = 1_700_000_000
_MTIME_SPAN: Final = 10_000_000
_MTIME_FRACTION_NS: Final = 123_456_700
"""Not a whole second, so that a time restored as a float is seen; whole for clocks of 100 ns."""


@define(kw_only=True)
class Site:
    """One planted folder on its way.

    Every draw comes from the seed and the name of what it is for, so no family moves another's.
    """

    root: Path
    seed: int
    sides: Size
    """Shortest and longest length of a picture's longer side, in pixels."""
    times: int
    """How often each kind of defect is planted."""
    base_pictures: Sequence[Path] = ()
    files: list[PlantedFile] = field(factory=list)
    captions: list[PlantedCaption] = field(factory=list)
    pairs: list[PlantedPair] = field(factory=list)
    odd_paths: list[OddPath] = field(factory=list)
    photographs: list[str] = field(factory=list)
    skipped: list[str] = field(factory=list)
    _waiting: list[Path] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Put the photographs in the order in which they are used."""
        rng = self.rng("photographs")
        self._waiting = photographs_in_order(rng, self.base_pictures)[::-1]

    def rng(self, purpose: str) -> Generator:
        """Return the generator of one purpose."""
        digest = sha256(purpose.encode("utf-8")).digest()
        return np.random.default_rng([self.seed, int.from_bytes(digest[:16], "big")])

    def numbers(self) -> range:
        """Return 1 to `times`."""
        return range(1, self.times + 1)

    def base(self, path: str, size: Size | None = None) -> Image.Image:
        """Return a picture that no other call returns: a photograph while there are any.

        Args:
            path: The file it is for.
            size: Width and height; drawn where it is None, or the photograph's own.
        """
        if self._waiting:
            self.photographs.append(path)
            picture = photograph(self._waiting.pop(), self.sides[1])
            return picture if size is None else ImageOps.fit(picture, size)
        rng = self.rng(path)
        return generated_picture(rng, size or base_size(rng, self.sides))

    def picture(
        self,
        path: str,
        data: bytes,
        *labels: str,
        size: Size | None,
        is_walked: bool = True,
        is_captioned: bool = True,
    ) -> str:
        """Write a picture and, unless told otherwise, a good caption; return its path.

        Raises:
            OSError: It cannot be written, for instance because the name is taken.
        """
        record = PlantedFile(
            path=path, labels=known(labels, FILE_LABELS), size=size, is_walked=is_walked
        )
        self.write(path, data)
        self.files.append(record)
        if is_captioned:
            self.good_caption(path)
        return path

    def good_caption(self, image: str) -> None:
        """Write a caption with nothing wrong beside a picture."""
        text = words.sentence(self.rng(f"caption of {image}"))
        self.caption(image, text.encode(), "good", text=text)

    def caption(
        self,
        image: str,
        data: bytes | None,
        *labels: str,
        text: str | None = None,
        encoding: str = "utf-8",
        ext: str = ".txt",
    ) -> None:
        """Write the caption of a picture; None writes no file."""
        path = str(PurePosixPath(image).with_suffix(ext))
        if data is not None:
            self.write(path, data)
        self.captions.append(
            PlantedCaption(
                path=path,
                labels=known(labels, CAPTION_LABELS),
                images=(image,),
                encoding=encoding,
                text=text,
            )
        )

    def pair(
        self,
        first: str,
        second: str,
        kind: str,
        tier: Tier,
        *,
        mirrored: bool = False,
        turned: int = 0,
    ) -> None:
        """Record a pair of pictures."""
        self.pairs.append(
            PlantedPair(
                first=first, second=second, kind=kind, tier=tier, mirrored=mirrored, turned=turned
            )
        )

    def link(self, path: str, target: str, kind: str) -> bool:
        """Make a link; where the platform refuses, note it and return False.

        Args:
            path: Of the link, from the planted folder.
            target: As it is stored, from the link's own folder.
            kind: What it is called among the odd paths.
        """
        place = self._at(path)
        try:
            place.symlink_to(target, target_is_directory=(place.parent / target).is_dir())
        except (OSError, NotImplementedError) as error:
            self.refused(path, kind, error)
            return False
        _set_time(place, path)
        self.odd_paths.append(OddPath(path=path, kind=kind, target=target))
        return True

    def refused(self, path: str, kind: str, error: Exception) -> None:
        """Note that the platform refused a name or a link."""
        self.skipped.append(f"{kind} {path[:60]!r}: {type(error).__name__}")

    def write(self, path: str, data: bytes) -> None:
        """Write a file that is not there yet, with a time that follows from its path."""
        place = self._at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(data)
        _set_time(place, path)

    def _at(self, path: str) -> Path:
        return self.root.joinpath(*path.split("/"))


def _set_time(place: Path, path: str) -> None:
    """Give a file, or a link where the platform can, a time that follows from its path."""
    second = _FIRST_MTIME + crc32(path.encode("utf-8")) % _MTIME_SPAN
    time_ns = second * 1_000_000_000 + _MTIME_FRACTION_NS
    if os.utime in os.supports_follow_symlinks:
        os.utime(place, ns=(time_ns, time_ns), follow_symlinks=False)
    elif not place.is_symlink():
        os.utime(place, ns=(time_ns, time_ns))
