"""What the header of a file of weights holds, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

ReadBytes: TypeAlias = Callable[[int, int], bytes]
"""Returns the bytes from a start to before a stop, fewer where the file ends."""


@frozen(kw_only=True)
class Tensor:
    """One tensor as the header describes it."""

    dtype: str
    """As the format spells it: `BF16`, `F8_E4M3`, `Q4_K`."""
    shape: tuple[int, ...]
    """Outermost first, also for GGUF, which writes it the other way round."""
    start: int
    """Offset of its first byte in the file."""
    stop: int
    """Offset after its last byte."""

    @property
    def count(self) -> int:
        """Return its number of values."""
        count = 1
        for length in self.shape:
            count *= length
        return count


@frozen(kw_only=True)
class Header:
    """What a file says of itself before its data."""

    format: Literal["safetensors", "gguf"]
    tensors: Mapping[str, Tensor]
    """By name, in the order of the header."""
    metadata: Mapping[str, Any] = field(factory=dict)
    """Strings by key; of a GGUF file also numbers and truth values, and no lists."""
    size_bytes: int
    """Of the file."""

    @property
    def parameters(self) -> int:
        """Return the number of values in all tensors."""
        return sum(tensor.count for tensor in self.tensors.values())

    @property
    def dtypes(self) -> dict[str, int]:
        """Return the number of values of each type, the most frequent first."""
        counts: dict[str, int] = {}
        for tensor in self.tensors.values():
            counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.count
        return dict(sorted(counts.items(), key=lambda item: -item[1]))
