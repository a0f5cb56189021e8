"""The values of a file of weights, looked at as they stream by: NaN, infinities, zeros, alphas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.weights.header import Header, Tensor

Bits = NDArray[Any]

_SHOWN: Final = 10


def _is_bad_float(bits: Bits, exponent: int) -> Bits:
    bad: Bits = (bits & exponent) == exponent
    return bad


def _e4m3(bits: Bits) -> Bits:
    # The type without infinities: all ones is NaN (Micikevicius et al., arXiv 2209.05433, table 1).
    return _is_bad_float(bits, 0x7F)


_KINDS: Final[dict[str, tuple[str, int, Callable[[Bits], Bits]]]] = {
    # integer type of the same width, mask of the magnitude, which patterns are not finite
    "F16": ("<u2", 0x7FFF, lambda bits: _is_bad_float(bits, 0x7C00)),
    "BF16": ("<u2", 0x7FFF, lambda bits: _is_bad_float(bits, 0x7F80)),
    "F32": ("<u4", 0x7FFFFFFF, lambda bits: _is_bad_float(bits, 0x7F800000)),
    "F64": ("<u8", 0x7FFFFFFFFFFFFFFF, lambda bits: _is_bad_float(bits, 0x7FF0000000000000)),
    "F8_E5M2": ("<u1", 0x7F, lambda bits: _is_bad_float(bits, 0x7C)),
    "F8_E4M3": ("<u1", 0x7F, _e4m3),
}
"""The floats that are judged, by the names of safetensors and GGUF."""
_READ_AS: Final = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


@frozen(kw_only=True)
class Numbers:
    """What the values of a file are like."""

    judged: int
    """Values looked at: floats that are not packed."""
    not_judged: int
    """Values of other types: quantised, whole numbers."""
    nonfinite: int
    """NaN and infinities."""
    nonfinite_tensors: int
    nonfinite_examples: tuple[str, ...]
    """Names of the first of them."""
    zero_tensors: int
    """Tensors of nothing but zeros."""
    zero_examples: tuple[str, ...]
    alphas: dict[float, int]
    """Values of the scalar tensors named `.alpha`, and how many have each."""


class NumberScan:
    """Takes a file's bytes in order and counts; blocking, so through `context.run`."""

    def __init__(self, header: Header) -> None:
        """Take what the file says of itself."""
        self._order = sorted(header.tensors.items(), key=lambda item: item[1].start)
        self._next = 0
        self._rest = b""
        """Bytes of a value, or of a small tensor, that goes on in the next piece."""
        self._at = 0
        self._is_zero = True
        self._bad = 0
        self._judged = self._not_judged = self._nonfinite = 0
        self._bad_names: list[str] = []
        self._zero_names: list[str] = []
        self._alphas: dict[float, int] = {}

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        view = memoryview(data)
        start = self._at
        self._at += len(data)
        while self._next < len(self._order):
            name, tensor = self._order[self._next]
            if tensor.start >= self._at and tensor.stop > tensor.start:
                return
            piece = view[max(0, tensor.start - start) : max(0, tensor.stop - start)]
            self._look(name, tensor, piece)
            if tensor.stop > self._at:
                return
            self._close(name, tensor)
            self._next += 1

    def result(self) -> Numbers:
        """Return what was found so far."""
        return Numbers(
            judged=self._judged,
            not_judged=self._not_judged,
            nonfinite=self._nonfinite,
            nonfinite_tensors=len(self._bad_names),
            nonfinite_examples=tuple(self._bad_names[:_SHOWN]),
            zero_tensors=len(self._zero_names),
            zero_examples=tuple(self._zero_names[:_SHOWN]),
            alphas=dict(sorted(self._alphas.items())),
        )

    def _look(self, name: str, tensor: Tensor, piece: memoryview) -> None:
        kind = _KINDS.get(tensor.dtype)
        if kind is None:
            return
        integer, magnitude, is_bad = kind
        data: bytes | memoryview = self._rest + bytes(piece) if self._rest else piece
        width = np.dtype(integer).itemsize
        whole = len(data) // width * width
        self._rest = bytes(data[whole:])
        bits = np.frombuffer(data, dtype=integer, count=whole // width)
        if tensor.count == 1 and whole and name.endswith(".alpha"):
            self._alpha(tensor, bytes(data[:whole]))
        self._judged += len(bits)
        self._bad += int(np.count_nonzero(is_bad(bits)))
        self._is_zero = self._is_zero and not np.any(bits & np.array(magnitude, bits.dtype))

    def _alpha(self, tensor: Tensor, data: bytes) -> None:
        if tensor.dtype == "BF16":
            value = float(np.frombuffer(b"\0\0" + data, dtype="<f4")[0])
        elif tensor.dtype in _READ_AS:
            value = float(np.frombuffer(data, dtype=_READ_AS[tensor.dtype])[0])
        else:
            return
        if np.isfinite(value):
            self._alphas[value] = self._alphas.get(value, 0) + 1

    def _close(self, name: str, tensor: Tensor) -> None:
        if tensor.dtype not in _KINDS:
            self._not_judged += tensor.count
        elif tensor.count:
            if self._bad:
                self._bad_names.append(name)
            if self._is_zero:
                self._zero_names.append(name)
        self._nonfinite += self._bad
        self._bad, self._is_zero, self._rest = 0, True, b""
