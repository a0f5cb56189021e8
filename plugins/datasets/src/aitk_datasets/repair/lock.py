"""One change to a dataset at a time."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import ConflictError
from aitk_datasets.repair.faults import typed_errors
from aitk_datasets.repair.tree import OWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitk_datasets.repair.tree import Tree

LOCK: Final = f"{OWN}/lock"


def start_of(pid: int) -> str | None:
    """Return when a process of this machine started, in the system's own measure, or None.

    Field 22 of `/proc/<pid>/stat` (proc_pid_stat(5)), after the name, which may hold anything.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _is_alive(owner: Mapping[str, Any]) -> bool:
    """Tell whether the process that wrote a lock may still run; of another host: yes."""
    pid = owner.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    if owner.get("host") != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return owner.get("start") in (None, start_of(pid))


def _take(descriptor: int) -> bool | None:
    """Take the kernel's lock: whether it is ours, or None where the file system has none."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
            return None
        raise
    return True


@contextmanager
def locked(tree: Tree) -> Iterator[None]:
    """Hold the dataset's lock.

    The kernel's lock goes with the process, so that a killed one leaves nothing to break; process
    id and start time say who holds it, and decide where the file system has no such lock.

    Raises:
        ConflictError: Somebody else holds it.
    """
    with typed_errors(tree):
        descriptor = _open(tree)
    try:
        owner = _owner(descriptor)
        taken = _take(descriptor)
        if taken is False or (taken is None and _is_alive(owner)):
            raise ConflictError(
                "another change to this dataset is under way",
                remedy="wait until it has ended, then try again",
                pid=owner.get("pid"),
                host=owner.get("host"),
            )
        pid = os.getpid()
        mine = {"pid": pid, "start": start_of(pid), "host": socket.gethostname()}
        try:
            tree.system.truncate(descriptor, 0, "lock")
            os.lseek(descriptor, 0, os.SEEK_SET)
            tree.system.write(descriptor, json.dumps(mine).encode("utf-8"), "lock")
        except OSError:
            # With the kernel's lock this only says who: a full disk may not bar the way back.
            if not taken:
                raise
        try:
            yield
        finally:
            with suppress(OSError):
                tree.system.truncate(descriptor, 0, "lock")
    finally:
        os.close(descriptor)


def is_held(tree: Tree) -> bool:
    """Tell whether somebody seems to hold the lock, by the name in it: nothing is taken for it."""
    try:
        descriptor = tree.open_to_read(LOCK)
    except (OSError, ConflictError):
        return False
    try:
        return _is_alive(_owner(descriptor))
    finally:
        os.close(descriptor)


def _open(tree: Tree) -> int:
    entry = tree.entry(LOCK)
    tree.system.step("open", entry.name)
    # Never removed: whoever removes a lock may remove the next owner's.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(entry.name, flags, 0o666, dir_fd=entry.folder)


def _owner(descriptor: int) -> Mapping[str, Any]:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}
