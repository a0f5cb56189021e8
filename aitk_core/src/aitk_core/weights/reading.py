"""Reads the header of a local file; blocking, so through `context.run` or `context.stream`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.errors import BrokenWeightsError
from aitk_core.weights import gguf, safetensors

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.weights.header import Header, ReadBytes

READABLE: Final = (".safetensors", ".sft", ".gguf")
"""Files whose header can be read; the others are pickles, which are never opened."""


def read_header(path: Path) -> Header:
    """Return the header of a safetensors or GGUF file, told apart by its first bytes.

    Raises:
        BrokenWeightsError: It is cut off, or neither of them.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:

        def read(start: int, stop: int) -> bytes:
            file.seek(start)
            return file.read(stop - start)

        size_bytes = file.seek(0, 2)
        return header_of(read, size_bytes, name=path.name)


def header_of(read: ReadBytes, size_bytes: int, *, name: str) -> Header:
    """Return the header of what a reader gives.

    Args:
        read: Of the file.
        size_bytes: Of the whole file.
        name: Of the file; its extension tells what it should be.

    Raises:
        BrokenWeightsError: It is cut off, or neither safetensors nor GGUF.
    """
    extension = name[name.rfind(".") :].lower()
    if extension not in READABLE:
        raise BrokenWeightsError(
            f"files named {extension or 'so'} have no header that is read here",
            remedy="pickled files (.ckpt, .pt, .pth, .bin) can run code when opened, so they are "
            "never opened; convert them to safetensors with a tool that you trust",
        )
    if read(0, len(gguf.MAGIC)) == gguf.MAGIC:
        return gguf.read_header(read, size_bytes)
    if extension == ".gguf":
        raise BrokenWeightsError("the file is no GGUF file, whatever its name says")
    return safetensors.read_header(read, size_bytes)
