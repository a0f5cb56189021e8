"""Files written aside, and given their names only when all of them are on the disk.

A new dataset appears whole, by one rename. Into a folder that is there the files move one by
one, each caption before its picture: no name is ever replaced, no file is ever half there, and a
failure takes back what had moved. A process that is killed between two moves leaves whole
pictures with their captions, and the staging folder, which the trainer and the backend pass over
and a later upload clears away.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import threading
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field

from aitk_core.errors import ConflictError
from aitk_datasets.folder.names import stem_of
from aitk_datasets.repair.system import REAL, UNSUPPORTED, Entry, FileSystem, probe_abilities
from aitk_datasets.underway import Stopped
from aitk_datasets.upload.names import CAPTION_EXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitk_datasets.repair.system import Method

PREFIX: Final = ".aitk-upload-"
_OURS: Final = re.compile(re.escape(PREFIX) + "[0-9a-f]{16}")
_ABANDONED_S: Final = 24 * 3600.0
"""Ours: no upload lasts so long, so what is older was left by a process that was killed."""
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


@define
class Stage:
    """The files of one upload; its methods block, and one runs at a time."""

    target: Path
    """The dataset's folder, which may not be there yet."""
    system: FileSystem = REAL
    is_new: bool = field(init=False)
    _folder: Path = field(init=False)
    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _stopped: threading.Event = field(init=False, factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        """Choose where the files wait: on the file system of the target."""
        self.is_new = not self.target.exists()
        parent = self.target.parent if self.is_new else self.target
        self._folder = parent / f"{PREFIX}{secrets.token_hex(8)}"

    @property
    def folder(self) -> Path:
        """Return where the files wait."""
        return self._folder

    @property
    def lock(self) -> threading.Lock:
        """Return what a piece of work holds, so that none is cleared away under it."""
        return self._lock

    def stop(self) -> None:
        """Ask the work in another thread to end."""
        self._stopped.set()

    def check(self) -> None:
        """Raise `Stopped` where the call is over."""
        if self._stopped.is_set():
            raise Stopped

    def open(self, now: float) -> None:
        """Make the folder, and clear away what killed uploads left beside it.

        Raises:
            OSError: It cannot be made.
            Stopped: The call is over.
        """
        self.check()
        parent = self._folder.parent
        _clear_abandoned(parent, now)
        descriptor = os.open(parent, _FOLDER)
        try:
            self.system.mkdir(Entry(descriptor, self._folder.name))
        finally:
            os.close(descriptor)

    def write(self, name: str, chunks: Iterable[bytes]) -> int:
        """Write a file and wait until it is on the disk; return its bytes.

        Raises:
            OSError: It cannot be written.
            Exception: What the chunks raise; the file is gone again then.
        """
        descriptor = os.open(self._folder, _FOLDER)
        try:
            entry, size = Entry(descriptor, name), 0
            file = self.system.create(entry)
            try:
                for chunk in chunks:
                    self.check()
                    self.system.write(file, chunk, name)
                    size += len(chunk)
                self.system.sync(file, name)
            except Exception:
                self.system.unlink(entry)
                raise
            finally:
                os.close(file)
        finally:
            os.close(descriptor)
        return size

    def drop(self, name: str) -> None:
        """Remove a file that is not wanted after all."""
        (self._folder / name).unlink(missing_ok=True)

    def publish(self, pictures: Sequence[str]) -> None:
        """Give the files their names in the dataset's folder; a picture's caption goes first.

        Raises:
            ConflictError: A name was taken meanwhile; nothing of the upload is visible.
            OSError: The folder cannot be written; nothing of the upload is visible.
            Stopped: The call is over; nothing of the upload is visible.
        """
        waiting = set(os.listdir(self._folder))  # noqa: PTH208 - names, not paths
        pairs = ((stem_of(picture) + CAPTION_EXT, picture) for picture in pictures)
        names = [name for name in dict.fromkeys(chain.from_iterable(pairs)) if name in waiting]
        self.check()
        if self.is_new:
            self._publish_folder()
        else:
            self._publish_files(names)

    def _publish_folder(self) -> None:
        staged, parent = os.open(self._folder, _FOLDER), os.open(self.target.parent, _FOLDER)
        source, target = Entry(parent, self._folder.name), Entry(parent, self.target.name)
        try:
            self.system.sync(staged, source.name)
            try:
                self.system.move(source, target, "atomic")
            except OSError as error:
                if error.errno not in UNSUPPORTED:
                    raise
                # Where a rename cannot refuse, it replaces an empty folder at most (rename(2)).
                self.system.step("rename", source.name)
                os.rename(source.name, target.name, src_dir_fd=parent, dst_dir_fd=parent)
            try:
                self.system.sync(parent, target.name)
            except OSError:
                # Not known to last: what is said to have failed is not to be there either.
                os.rename(target.name, source.name, src_dir_fd=parent, dst_dir_fd=parent)
                raise
        except (FileExistsError, NotADirectoryError) as error:
            raise _taken(self.target.name) from error
        finally:
            os.close(staged)
            os.close(parent)

    def _publish_files(self, names: Sequence[str]) -> None:
        staged, target = os.open(self._folder, _FOLDER), os.open(self.target, _FOLDER)
        moved: list[tuple[str, os.stat_result]] = []
        try:
            method = probe_abilities(self.system, staged, ".probe").method
            for name in names:
                self.check()
                moved.append((name, os.stat(name, dir_fd=staged, follow_symlinks=False)))
                self._move(staged, target, name, method)
            self.system.sync(target, self.target.name)
        except Exception as error:
            for name, status in reversed(moved):
                _take_back(target, name, status)
            if isinstance(error, FileExistsError):
                raise _taken(moved[-1][0]) from error
            raise
        finally:
            os.close(staged)
            os.close(target)

    def _move(self, staged: int, target: int, name: str, method: Method) -> None:
        self.system.move(Entry(staged, name), Entry(target, name), method)

    def discard(self) -> None:
        """Remove the staging folder and what is in it, once other work on it has ended."""
        with self._lock:
            shutil.rmtree(self._folder, ignore_errors=True)


def _take_back(target: int, name: str, status: os.stat_result) -> None:
    """Remove a name that is ours: the very file that moved, and no other's of that name."""
    try:
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
        if os.path.samestat(found, status):
            os.unlink(name, dir_fd=target)
    except FileNotFoundError:
        return


def _taken(name: str) -> ConflictError:
    return ConflictError(
        f"{name!r:.120} was made by somebody else meanwhile; nothing was saved",
        remedy="call again, with other names where they are taken",
    )


def _clear_abandoned(parent: Path, now: float) -> None:
    with os.scandir(parent) as entries:
        for entry in entries:
            if _OURS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode) and now - status.st_mtime > _ABANDONED_S:
                    shutil.rmtree(entry.path, ignore_errors=True)
