"""Alerts as lines of JSON in a file below the outputs folder."""

from __future__ import annotations

import json
import os
import stat
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aitk_alerts.alerts import moment
from aitk_core.errors import (
    DeliveryError,
    InvalidArgumentsError,
    NotFoundError,
    PathOutsideRootsError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aitk_core.protocols import ToolContext
    from aitk_core.records.alerts import AlertMessage

LARGEST: Final = 10 * 1024 * 1024
"""Bytes at which a file is put aside; ours."""
KEPT: Final = 5
"""Files put aside that are kept; ours."""
_ENDING: Final = ".jsonl"
_TAIL: Final = 256 * 1024
_FOLDER: Final = "alerts"
_HEAD: Final = b'{"timestamp": '
"""How each line begins."""


class AlertFile:
    """One file; every message is on disk when `deliver` returns."""

    def __init__(self, path: Path, context: ToolContext, *, largest: int = LARGEST) -> None:
        """Take a path inside a root."""
        self._path = path
        self._context = context
        self._largest = largest

    async def deliver(self, message: AlertMessage) -> None:
        """Append a line for each alert, together or not at all as far as a reader sees.

        Raises:
            DeliveryError: The disk does not take it now.
        """
        lines = lines_of(message, self._context.now())
        try:
            await self._context.run(append, self._path, lines, message.message_id, self._largest)
        except OSError as error:
            raise DeliveryError(
                f"the alert file cannot be written: {error.strerror or type(error).__name__}",
                remedy="check that the folder can be written and that the disk has room",
            ) from None


def lines_of(message: AlertMessage, now: float) -> bytes:
    """Return the contract's lines `{timestamp, alert, context?}`, with the message's id."""
    rows = []
    for alert in message.alerts:
        row: dict[str, Any] = {
            "timestamp": moment(now),
            "alert": alert,
            "message_id": message.message_id,
        }
        if message.context is not None:
            row["context"] = message.context
        if message.test:
            row["test"] = True
        rows.append(json.dumps(row, ensure_ascii=False, allow_nan=False))
    return "".join(f"{row}\n" for row in rows).encode("utf-8")


def append(path: Path, lines: bytes, message_id: str, largest: int) -> None:
    """Append lines that are not there yet, whole, and wait for the disk.

    A line that a crash cut off is ended first, and kept. A message whose lines the end of the
    file has already is not written again.

    Raises:
        OSError: Nothing, or a part that the next call ends, was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = f'"message_id": "{message_id}"'.encode()
    with _locked(path):
        # Before a full file is put aside. Fewer than all: a crash in between; then all again.
        if _written(path, mark, 2 * len(lines) + _TAIL) >= lines.count(mark):
            return
        _put_aside(path, len(lines), largest)
        handle = _open(path)
        try:
            tail = _tail(handle, 1)
            torn = bool(tail) and tail != b"\n"
            os.lseek(handle, 0, os.SEEK_END)
            _write(handle, (b"\n" if torn else b"") + lines)
            os.fsync(handle)
        finally:
            os.close(handle)


def _written(path: Path, mark: bytes, size: int) -> int:
    """Return how many whole lines of a message are at the end of the file, or of the one before."""
    found = 0
    for each in (path, path.with_name(f"{path.name}.1")):
        try:
            handle = os.open(each, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            continue
        try:
            tail = _tail(handle, size)
        finally:
            os.close(handle)
        found += _whole_lines(tail).count(mark)
    return found


def _whole_lines(tail: bytes) -> bytes:
    return tail[: tail.rfind(b"\n") + 1]


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(handle)
        raise OSError(None, "it is no plain file of its own")
    return handle


def _tail(handle: int, size: int) -> bytes:
    begin = max(0, os.fstat(handle).st_size - size)
    os.lseek(handle, begin, os.SEEK_SET)
    parts = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _put_aside(path: Path, more: int, largest: int) -> None:
    """Rename a full file to `.1`, and those before it on; the oldest goes."""
    try:
        size = path.lstat().st_size
    except FileNotFoundError:
        return
    if size == 0 or size + more <= largest:
        return
    for number in range(KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        with suppress(FileNotFoundError):
            newer.replace(older)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other servers on this host from writing the file, for one message."""
    lock = path.with_name(f".{path.name}.lock")
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        try:
            import fcntl
        except ImportError:  # without it two servers on Windows may mix lines
            yield
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def place_of(destination: str, context: ToolContext) -> Path:
    """Return the file that a destination means, inside a root.

    Args:
        destination: A name below `alerts/` of the outputs folder (of AITK_HOME where there is
            none), an absolute path inside a root, or nothing for the day's file.
        context: Paths and clock.

    Raises:
        InvalidArgumentsError: It does not end in .jsonl, or there is something else of that name.
        PathOutsideRootsError: It leads out of the roots.
    """
    name = destination.strip() or f"alerts-{moment(context.now())[:10].replace('-', '')}{_ENDING}"
    odd = ".." in Path(name).parts or Path(name).name.startswith(".")
    if not name.endswith(_ENDING) or odd:
        raise InvalidArgumentsError(
            f"an alert file must have a plain name that ends in {_ENDING}",
            remedy="give a name such as alerts.jsonl",
            faults=[{"path": "/destination", "message": f"must end in {_ENDING}"}],
        )
    if Path(name).is_absolute():
        path = context.paths.resolve(name)
        if not path.is_relative_to(context.paths.root(_root(context))):
            # Other roots hold data of which an alert must not become a part.
            raise PathOutsideRootsError(
                f"an alert file lies below the {_root(context)} folder",
                remedy="give a name such as alerts.jsonl",
            )
    else:
        path = context.paths.inside(_root(context), _FOLDER, name)
    _check(path, name, context)
    return path


def _root(context: ToolContext) -> str:
    try:
        context.paths.root("outputs")
    except NotFoundError:
        return "home"
    return "outputs"


def _check(path: Path, name: str, context: ToolContext) -> None:
    written = (
        Path(name)
        if Path(name).is_absolute()
        else context.paths.root(_root(context)) / _FOLDER / name
    )
    # The door resolves links; an alert file is none, and nothing of another kind.
    if written.is_symlink():
        raise PathOutsideRootsError(
            "the alert file is a link, which is not followed", remedy="name a plain file"
        )
    if path.exists() and (not path.is_file() or path.stat().st_nlink != 1):
        raise InvalidArgumentsError(
            "the alert file is no plain file of its own",
            remedy="name another file",
            faults=[{"path": "/destination", "message": "must be a plain file"}],
        )
    if path.exists() and not _holds_alerts(path):
        raise InvalidArgumentsError(
            "the file is there already and holds something else than alerts",
            remedy="name another file",
            faults=[{"path": "/destination", "message": "must be an alert file"}],
        )


def _holds_alerts(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(len(_HEAD))
    # Also the torn beginning of one.
    return head == _HEAD[: len(head)]


@asynccontextmanager
async def open_file(destination: str, context: ToolContext) -> AsyncIterator[AlertFile]:
    """Check where the file lies; nothing is written yet.

    Raises:
        InvalidArgumentsError: It is no alert file.
        PathOutsideRootsError: It leads out of the roots.
    """
    yield AlertFile(await context.run(place_of, destination, context), context)
