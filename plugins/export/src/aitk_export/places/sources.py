"""Reading a file of weights wherever it is, piece by piece."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from attrs import frozen

from aitk_core.errors import BrokenWeightsError, ConflictError, FileMissingError
from aitk_core.protocols import ToolContext
from aitk_core.weights.reading import header_of
from aitk_core.weights.safetensors import MAX_HEADER_BYTES

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from aitk_core.weights.header import Header

PIECE_BYTES: Final = 8 * 1024 * 1024
"""Ours: what is held of a file at a time."""
_HEAD_BYTES: Final = 256 * 1024
"""Ours: most headers of LoRA files lie in it."""


class Source(Protocol):
    """A file that can be read by ranges."""

    @property
    def name(self) -> str:
        """Return the file's name."""
        ...

    @property
    def size_bytes(self) -> int:
        """Return its size when it was found."""
        ...

    async def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from a start to before a stop, fewer at the end.

        Raises:
            FileMissingError: It is gone.
            BackendError: In its kinds.
        """
        ...


@frozen(kw_only=True)
class LocalSource:
    """A file on this machine, inside a root."""

    context: ToolContext
    path: Path
    """Absolute, links resolved."""
    size_bytes: int
    modified_ns: int
    """Nanoseconds since 1970."""

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.path.name

    async def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from a start to before a stop, fewer at the end.

        Raises:
            FileMissingError: It is gone.
        """
        return await self.context.run(_read, self.path, start, stop)


@frozen(kw_only=True)
class BackendSource:
    """A file that the backend hands out."""

    context: ToolContext
    path: str
    """Absolute, on the backend's machine."""
    name: str
    size_bytes: int

    async def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from a start to before a stop, fewer at the end.

        Raises:
            FileMissingError: It is gone.
            BackendError: In its kinds.
        """
        return (await self.context.backend.read_file(self.path, start, stop)).data


async def local_source(context: ToolContext, path: Path) -> LocalSource:
    """Return a file that lies inside a root.

    Raises:
        FileMissingError: There is none, or it is no plain file.
    """
    found = await context.run(_stat, path)
    return LocalSource(
        context=context, path=path, size_bytes=found.st_size, modified_ns=found.st_mtime_ns
    )


async def pieces(source: Source) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the file's bytes from its beginning to its end, with their offsets.

    Raises:
        ConflictError: The file became shorter meanwhile.
    """
    for start in range(0, source.size_bytes, PIECE_BYTES):
        stop = min(start + PIECE_BYTES, source.size_bytes)
        data = await source.read(start, stop)
        if len(data) != stop - start:
            raise ConflictError(
                f"{source.name!r} changed while it was read",
                remedy="it is being written; try again a moment later",
            )
        yield start, data


async def header(source: Source) -> Header:
    """Return the header of a file of weights.

    Raises:
        BrokenWeightsError: It is cut off, or not of the format that its name says.
    """
    head = await source.read(0, min(_HEAD_BYTES, source.size_bytes))
    needed = 8 + int.from_bytes(head[:8], "little")
    if len(head) < needed <= min(source.size_bytes, 8 + MAX_HEADER_BYTES):
        rest = [
            await source.read(start, min(start + PIECE_BYTES, needed))
            for start in range(len(head), needed, PIECE_BYTES)
        ]
        head = b"".join([head, *rest])

    def parsed() -> Header:
        return header_of(lambda start, stop: head[start:stop], source.size_bytes, name=source.name)

    if not source.name.lower().endswith(".safetensors"):
        raise BrokenWeightsError(
            f"{source.name!r} is no safetensors file, and only those are checked here",
            remedy="export the safetensors file of the run",
        )
    return await source.context.run(parsed) if isinstance(source, LocalSource) else parsed()


def _stat(path: Path) -> os.stat_result:
    try:
        found = path.stat()
    except OSError as error:
        raise _missing(path.name) from error
    if not stat.S_ISREG(found.st_mode):
        raise _missing(path.name)
    return found


def _read(path: Path, start: int, stop: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)
    except OSError as error:
        raise _missing(path.name) from error


def _missing(name: str) -> FileMissingError:
    return FileMissingError(
        f"there is no readable file {name[:200]!r}",
        remedy="list-exported-models shows the models that there are",
    )
