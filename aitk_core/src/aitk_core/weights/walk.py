"""The files of weights below a folder: links and loops are safe, one bad entry spoils nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.services.modelfiles import MODEL_EXTENSIONS
from aitk_core.weights.index import SeenFile

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_ENTRIES: Final = 500_000
"""Ours: entries looked at below one folder."""
_DEEPEST: Final = 24
_SKIPPED: Final = frozenset({"_latent_cache", "_t_e_cache", "_clip_vision_cache", "__pycache__"})
"""Caches of the trainer, which are safetensors files by the thousand and no models."""


@frozen(kw_only=True)
class Walked:
    """What was found below a folder."""

    files: tuple[SeenFile, ...]
    """In the order of their paths."""
    unreadable: int
    """Entries that could not be looked at: dangling links, folders without permission."""
    outside: int
    """Links that lead out of the allowed folders, which were not followed."""
    limited: bool
    """There was more than is looked at."""


def walk_weights(
    folder: Path,
    *,
    allowed: Iterable[Path] = (),
    extensions: tuple[str, ...] = MODEL_EXTENSIONS,
) -> Walked:
    """Return the files of weights below a folder; blocking.

    A linked folder is entered once; files and folders whose link leads out of the folder and of
    the allowed ones are left out.

    Args:
        folder: Absolute, links resolved.
        allowed: Further folders that links may lead to, links resolved.
        extensions: Of the files, lower case.
    """
    walk = _Walk((folder, *allowed), extensions)
    waiting: list[tuple[str, int]] = [(str(folder), 0)]
    while waiting and not walk.limited:
        here, depth = waiting.pop()
        waiting += reversed(walk.enter(here, depth))
    return Walked(
        files=tuple(walk.files),
        unreadable=walk.unreadable,
        outside=walk.outside,
        limited=walk.limited or walk.too_deep,
    )


class _Walk:
    def __init__(self, roots: tuple[Path, ...], extensions: tuple[str, ...]) -> None:
        self._roots = roots
        self._extensions = extensions
        self._entered: set[tuple[int, int]] = set()
        self._entries = 0
        self.files: list[SeenFile] = []
        self.unreadable = self.outside = 0
        self.limited = self.too_deep = False

    def enter(self, here: str, depth: int) -> list[tuple[str, int]]:
        """Take the files of a folder and return the folders in it."""
        try:
            found = Path(here).stat()
            if (found.st_dev, found.st_ino) in self._entered:
                return []
            self._entered.add((found.st_dev, found.st_ino))
            with os.scandir(here) as scanned:
                listed = sorted(scanned, key=lambda entry: entry.name)
        except OSError:
            self.unreadable += 1
            return []
        below: list[tuple[str, int]] = []
        for entry in listed:
            self._entries += 1
            if self._entries > _MOST_ENTRIES:
                self.limited = True
                break
            try:
                if self._look(entry):
                    below.append((entry.path, depth + 1))
            except OSError:
                self.unreadable += 1
        if below and depth >= _DEEPEST:
            self.too_deep = True
            return []
        return below

    def _look(self, entry: os.DirEntry[str]) -> bool:
        """Take a file of weights, and tell whether it is a folder to enter."""
        is_model = entry.name.lower().endswith(self._extensions)
        if entry.is_symlink() and not self._is_allowed(entry.path):
            self.outside += is_model or entry.is_dir()
            return False
        if entry.is_dir():
            return not entry.name.startswith(".") and entry.name not in _SKIPPED
        if is_model:
            about = entry.stat()
            if stat.S_ISREG(about.st_mode):
                self.files.append(
                    SeenFile(
                        path=Path(entry.path),
                        size_bytes=about.st_size,
                        modified_ns=about.st_mtime_ns,
                    )
                )
        return False

    def _is_allowed(self, path: str) -> bool:
        target = Path(os.path.realpath(path))
        return any(target.is_relative_to(root) for root in self._roots)
