"""A large new file that is there whole or not at all, whenever the process ends."""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING, Final, Self

from aitk_core.errors import ConflictError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_LEFT: Final = ".aitk-part"
_STALE_S: Final = 24 * 3600.0


class NewFile:
    """Written under no name, then named; blocking, so through `context.run`.

    Where the system knows files without a name (Linux), one that was begun is gone with the
    process. Elsewhere it has a hidden name until then, and what a killed process left is removed
    a day later by the next one that writes into the folder.
    """

    def __init__(self, path: Path) -> None:
        """Take the path; its folder must be there when it is entered."""
        self.path = path
        self._folder = -1
        self._hidden: Path | None = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Begin the file.

        Raises:
            OSError: The folder is missing, full or read-only.
        """
        parent = self.path.parent
        if hasattr(os, "O_TMPFILE"):
            self._folder = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._descriptor = os.open(parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
            except OSError:  # a file system that has no such files
                os.close(self._folder)
                self._folder = -1
        if self._descriptor < 0:
            _remove_stale(parent)
            self._hidden = parent / f".{self.path.name[:200]}.{secrets.token_hex(6)}{_LEFT}"
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(self._hidden, flags, 0o666)
        return self

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Raises:
            OSError: The disk is full or gone.
        """
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def commit(self) -> None:
        """Give it its name.

        Raises:
            ConflictError: Something else has that name by now; it is left alone.
            OSError: The disk is full or gone.
        """
        os.fsync(self._descriptor)
        try:
            if self._hidden is None:
                # By way of a folder's descriptor: only then does Python follow the link.
                source = f"/proc/self/fd/{self._descriptor}"
                os.link(source, self.path.name, dst_dir_fd=self._folder, follow_symlinks=True)
            else:
                # A link, not a rename: a rename would replace what is there.
                os.link(self._hidden, self.path)
        except FileExistsError as error:
            raise ConflictError(
                f"there is a file {self.path.name!r} already",
                remedy="give another name; nothing is ever replaced",
                name=self.path.name,
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of it; without a commit nothing is left."""
        for descriptor in (self._descriptor, self._folder):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._folder = -1
        if self._hidden is not None:
            self._hidden.unlink(missing_ok=True)


def _remove_stale(folder: Path) -> None:
    for path in folder.glob(f".*{_LEFT}"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_S:
                path.unlink()
        except OSError:
            continue
