"""The calls that change the file system, one step each, and what a system offers of them."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Final, Literal

from attrs import frozen

Check = Callable[[int, int], None]
"""Called between actions with how many are done and how many there are; what it raises stops."""

Method = Literal["atomic", "link", "reserve"]
"""How a name moves without replacing another (datasets.md C2).

`atomic`: one call that refuses an existing name; `link`: a second name, then the first one goes;
`reserve`: the name is created empty, then renamed over (FAT and some network folders).
"""

METHODS: Final[tuple[Method, ...]] = ("atomic", "link", "reserve")

_NOREPLACE = 1
_EXCHANGE = 2
"""`RENAME_NOREPLACE`, `RENAME_EXCHANGE` of renameat2(2)."""
_DARWIN_FLAGS = {_NOREPLACE: 4, _EXCHANGE: 2}
"""`RENAME_EXCL`, `RENAME_SWAP` of renameatx_np(2)."""

UNSUPPORTED: Final = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK}
)
"""What a file system answers to a call that it does not have."""


@cache
def _rename_call() -> Callable[..., int] | None:
    """Return the C library's rename with flags, or None."""
    name = "renameatx_np" if sys.platform == "darwin" else "renameat2"
    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError, TypeError):
        return None
    call.argtypes = [
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    ]
    call.restype = ctypes.c_int
    return call  # type: ignore[no-any-return]  # ctypes has no types for what a library holds


def _flagged_rename(source: Entry, target: Entry, flag: int) -> None:
    call = _rename_call()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if sys.platform == "darwin":
        flag = _DARWIN_FLAGS[flag]
    old, new = os.fsencode(source.name), os.fsencode(target.name)
    if call(source.folder, old, target.folder, new, flag) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), source.name, None, target.name)


@frozen
class Entry:
    """A name in an open folder."""

    folder: int
    """Descriptor."""
    name: str


def _no_step(_kind: str, _name: str) -> None:
    return


@frozen(kw_only=True)
class FileSystem:
    """Every call that changes something, announced before it is made."""

    step: Callable[[str, str], None] = _no_step
    """Called with the kind of call and the name; what it raises takes the call's place."""
    durable: bool = True
    """False leaves out the waiting for the disk, for tests: a killed process loses no call."""
    methods: tuple[Method, ...] = METHODS
    """The methods to try; tests leave the better ones out."""

    def create(self, entry: Entry, mode: int = 0o666) -> int:
        """Create a file that is not there yet, and return its descriptor."""
        self.step("open", entry.name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(entry.name, flags, mode, dir_fd=entry.folder)

    def write(self, descriptor: int, data: bytes, name: str) -> None:
        """Write all of the bytes."""
        self.step("write", name)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int, name: str) -> None:
        """Wait until a file or a folder is on the disk."""
        self.step("fsync", name)
        if not self.durable:
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            # Some network folders cannot sync a folder; their renames are in order anyhow.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise

    def mkdir(self, entry: Entry) -> None:
        """Make a folder that is not there yet."""
        self.step("mkdir", entry.name)
        os.mkdir(entry.name, dir_fd=entry.folder)

    def rmdir(self, entry: Entry) -> None:
        """Remove an empty folder."""
        self.step("rmdir", entry.name)
        os.rmdir(entry.name, dir_fd=entry.folder)

    def unlink(self, entry: Entry) -> None:
        """Remove a name."""
        self.step("unlink", entry.name)
        os.unlink(entry.name, dir_fd=entry.folder)

    def truncate(self, descriptor: int, length: int, name: str) -> None:
        """Cut a file of our own."""
        self.step("truncate", name)
        os.ftruncate(descriptor, length)

    def exchange(self, first: Entry, second: Entry) -> None:
        """Exchange what two names stand for, in one call."""
        self.step("exchange", first.name)
        _flagged_rename(first, second, _EXCHANGE)

    def move(self, source: Entry, target: Entry, method: Method) -> None:
        """Give a file another name; fails with `FileExistsError` where the name is taken."""
        if method == "atomic":
            self.step("rename", source.name)
            _flagged_rename(source, target, _NOREPLACE)
        elif method == "link":
            self.step("link", source.name)
            os.link(
                source.name,
                target.name,
                src_dir_fd=source.folder,
                dst_dir_fd=target.folder,
                follow_symlinks=False,
            )
            # The new name lasts before the old one goes (datasets.md C1, 4a before 4b).
            self.sync(target.folder, target.name)
            self.unlink(source)
        else:
            descriptor = self.create(target)
            reserved = os.fstat(descriptor)
            os.close(descriptor)
            found = os.stat(target.name, dir_fd=target.folder, follow_symlinks=False)
            if found.st_size or not os.path.samestat(found, reserved):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target.name)
            self.step("rename", source.name)
            os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)


REAL: Final = FileSystem()


@frozen(kw_only=True)
class Abilities:
    """What a file system was seen to do, tried in our own folder."""

    method: Method
    can_exchange: bool


def probe_abilities(system: FileSystem, folder: int, stem: str) -> Abilities:
    """Try the ways to move a file inside a folder of ours, and leave nothing behind."""
    first, second = Entry(folder, f"{stem}-1"), Entry(folder, f"{stem}-2")
    for entry in (first, second):
        remove_if_there(system, entry)
    os.close(system.create(first))
    try:
        method = next(found for found in system.methods if _can(system, first, second, found))
        can_exchange = False
        if "atomic" in system.methods:
            os.close(system.create(first))
            can_exchange = _can_exchange(system, first, second)
    finally:
        for entry in (first, second):
            remove_if_there(system, entry)
    return Abilities(method=method, can_exchange=can_exchange)


def remove_if_there(system: FileSystem, entry: Entry) -> None:
    """Remove a name of our own."""
    try:
        os.stat(entry.name, dir_fd=entry.folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    system.unlink(entry)


def _can(system: FileSystem, source: Entry, target: Entry, method: Method) -> bool:
    try:
        system.move(source, target, method)
    except OSError as error:
        if error.errno not in UNSUPPORTED or method == "reserve":
            raise
        return False
    return True


def _can_exchange(system: FileSystem, first: Entry, second: Entry) -> bool:
    try:
        system.exchange(first, second)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return False
    return True
