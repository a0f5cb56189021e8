"""A dataset's folder, opened once: every file is reached from its descriptor, through no link."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from attrs import frozen

from aitk_core.errors import (
    ConflictError,
    FileMissingError,
    InvalidArgumentsError,
    NotPermittedError,
    TooLargeError,
)
from aitk_datasets.digests import sha256_of_file
from aitk_datasets.repair.system import REAL, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_datasets.repair.system import FileSystem

OWN: Final = ".aitk"
"""The folder of ours in a dataset; the trainer passes over names that begin with a dot."""

_OPEN_FOLDERS = 64
_CHUNK = 1 << 20
MAX_FILE: Final = 1 << 30
"""Bytes of the largest file that is read whole. Ours: ten times the largest picture seen."""


@frozen(kw_only=True)
class Identity:
    """Which file it is, and what is in it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    sha256: str

    def is_exactly(self, found: os.stat_result) -> bool:
        """Tell whether it is the same file, unchanged, without reading it.

        Device numbers change when a disk is mounted anew, so they do not count here.
        """
        return (self.inode, self.size, self.mtime_ns) == (
            found.st_ino,
            found.st_size,
            found.st_mtime_ns,
        )


def split(path: str) -> tuple[str, str]:
    """Return the folder and the name of a path inside the dataset.

    Raises:
        InvalidArgumentsError: It is absolute, holds `.`, `..`, an empty part or NUL.
    """
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise InvalidArgumentsError(
            f"{path[:200]!r} is no path inside a dataset",
            remedy="give the path of a file relative to the dataset, with / between its parts",
        )
    return "/".join(parts[:-1]), parts[-1]


def describe(found: os.stat_result, sha256: str) -> Identity:
    """Return the identity of a file of which the system's facts and the content are known."""
    return Identity(
        device=found.st_dev,
        inode=found.st_ino,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        sha256=sha256,
    )


class Tree:
    """Files below a dataset's folder. A context manager: it holds descriptors."""

    def __init__(self, root: Path, system: FileSystem = REAL) -> None:
        """Open the folder, links on the way to it resolved this once.

        Raises:
            FileMissingError: There is no such folder.
            NotPermittedError: This system cannot open files relative to a folder.
        """
        if os.open not in os.supports_dir_fd:
            raise NotPermittedError(
                "repair needs a system that opens files relative to a folder",
                remedy="run the server on Linux or macOS",
            )
        self.system = system
        self.path = Path(os.path.realpath(root))
        try:
            self._root = os.open(self.path, _FOLDER_FLAGS)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileMissingError(
                f"there is no folder {self.path.name!r}", remedy="name an existing dataset"
            ) from error
        except PermissionError as error:
            raise not_permitted(self.path.name, error) from error
        self._folders: OrderedDict[str, int] = OrderedDict()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of every descriptor."""
        for descriptor in self._folders.values():
            os.close(descriptor)
        self._folders.clear()
        os.close(self._root)

    def identity(self) -> tuple[int, int]:
        """Return device and inode of the dataset's folder."""
        found = os.fstat(self._root)
        return found.st_dev, found.st_ino

    def folder(self, path: str) -> int:
        """Return the descriptor of a folder, which stays the tree's.

        Raises:
            ConflictError: A part of the path is a link or no folder.
            FileNotFoundError: A part does not exist.
        """
        if not path:
            return self._root
        if path in self._folders:
            self._folders.move_to_end(path)
            return self._folders[path]
        above, name = split(path)
        parent = self.folder(above)
        try:
            descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
                raise link_in_the_way(path) from error
            raise
        self._folders[path] = descriptor
        if len(self._folders) > _OPEN_FOLDERS:
            # Never the newest: a move holds two at once.
            os.close(self._folders.popitem(last=False)[1])
        return descriptor

    def forget(self, path: str) -> None:
        """Close a folder that goes away."""
        if path in self._folders:
            os.close(self._folders.pop(path))

    def entry(self, path: str) -> Entry:
        """Return the name in its open folder."""
        folder, name = split(path)
        return Entry(self.folder(folder), name)

    def lstat(self, path: str) -> os.stat_result | None:
        """Return the facts of a name, of the link itself where it is one; None where nothing is."""
        try:
            entry = self.entry(path)
            return os.stat(entry.name, dir_fd=entry.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder, sorted, names as the file system holds them."""
        with os.scandir(self.folder(folder)) as entries:
            return sorted(entry.name for entry in entries)

    def open_to_read(self, path: str) -> int:
        """Open a regular file, through no link, and return the descriptor.

        Raises:
            ConflictError: It is a link, or no regular file.
            FileNotFoundError: It does not exist.
        """
        entry = self.entry(path)
        # Without O_NONBLOCK a named pipe would wait for a writer for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(entry.name, flags, dir_fd=entry.folder)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
                raise link_in_the_way(path) from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise link_in_the_way(path)
        return descriptor

    def read(self, path: str, limit: int = MAX_FILE) -> tuple[bytes, os.stat_result]:
        """Return a regular file's bytes and its facts.

        Raises:
            ConflictError: It is a link, no regular file, or changed while it was read.
            TooLargeError: It has more bytes than `limit`.
        """
        descriptor = self.open_to_read(path)
        try:
            before = os.fstat(descriptor)
            if before.st_size > limit:
                raise TooLargeError(f"{path!r} is larger than {limit} bytes", path=path)
            chunks = []
            while chunk := os.read(descriptor, _CHUNK):
                chunks.append(chunk)
            self._still(path, before, os.fstat(descriptor))
        finally:
            os.close(descriptor)
        return b"".join(chunks), before

    def identify(self, path: str) -> Identity:
        """Return the identity of a regular file, which is read for it.

        Raises:
            ConflictError: It is a link, no regular file, or changed while it was read.
        """
        with os.fdopen(self.open_to_read(path), "rb") as opened:
            before = os.fstat(opened.fileno())
            digest = sha256_of_file(opened)
            self._still(path, before, os.fstat(opened.fileno()))
        return describe(before, digest)

    @staticmethod
    def _still(path: str, before: os.stat_result, after: os.stat_result) -> None:
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise ConflictError(
                f"{path!r} changed while it was read", remedy="try again", path=path
            )

    def mount(self, folder: str) -> tuple[int, int]:
        """Return which mount a folder lies in: its device and, on Linux, the mount's number.

        A bind mount has the device of what it shows, and yet nothing can be renamed into it.
        """
        descriptor = self.folder(folder)
        number = 0
        if sys.platform == "linux":
            try:
                # Not a file: lines that the kernel makes of a descriptor (proc_pid_fdinfo(5)).
                lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
            except OSError:
                lines = ""
            found = (line.split()[1] for line in lines.splitlines() if line.startswith("mnt_id:"))
            number = int(next(found, "0"))
        return os.fstat(descriptor).st_dev, number

    def store(self, folder: str) -> str:
        """Return the topmost folder of the dataset in the same mount: where `.aitk` goes."""
        here = self.mount(folder)
        while folder:
            above = folder.rpartition("/")[0]
            if self.mount(above) != here:
                break
            folder = above
        return folder

    def make_folders(self, path: str) -> list[str]:
        """Make a folder and those above it where they are missing.

        Returns:
            The folders in which one was made, to be synced.
        """
        parts, changed = path.split("/"), []
        for depth in range(1, len(parts) + 1):
            here = "/".join(parts[:depth])
            if self.lstat(here) is None:
                self.system.mkdir(self.entry(here))
                changed.append("/".join(parts[: depth - 1]))
        self.folder(path)
        return changed

    def sync(self, folders: Iterable[str]) -> None:
        """Make names in these folders last."""
        for folder in sorted(set(folders)):
            self.system.sync(self.folder(folder), folder or ".")


_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def link_in_the_way(path: str) -> ConflictError:
    """Return the error for what is a link, or otherwise no plain file or folder."""
    return ConflictError(
        f"{path!r} is a link, or no regular file or folder",
        remedy="put the file itself in its place; links are never followed or moved",
        path=path,
    )


def not_permitted(path: str, error: OSError) -> NotPermittedError:
    """Return the error for what the system forbids."""
    return NotPermittedError(
        f"{path!r}: {error.strerror}",
        remedy="let the server's user write in the dataset's folders",
        path=path,
    )
