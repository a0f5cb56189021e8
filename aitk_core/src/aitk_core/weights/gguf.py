"""Headers of GGUF files: counts, key-value pairs, descriptions of tensors.

Read here and not by the `gguf` package, which makes an array of every element of a tokenizer's
vocabulary, takes any length for granted, and maps local files only.

Source: the format's description, docs/gguf.md of github.com/ggml-org/ggml; sizes of the types:
enum ggml_type and the block sizes of `gguf.constants.GGML_QUANT_SIZES` (gguf 0.19).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import BrokenWeightsError
from aitk_core.weights.header import Header, Tensor

if TYPE_CHECKING:
    from aitk_core.weights.header import ReadBytes

MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_MAX_HEADER_BYTES: Final = 256 * 1024 * 1024
"""Ours: vocabularies of text encoders take some 10 MB."""
_MAX_TENSORS: Final = 200_000
_MAX_PAIRS: Final = 10_000
_MAX_TEXT: Final = 1_000_000
"""Bytes of a value that is kept; a longer one is passed over."""
_MAX_DIMENSIONS: Final = 8
_CHUNK: Final = 1024 * 1024
_ALIGNMENT: Final = 32

_SCALARS: Final = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING: Final = 8
_ARRAY: Final = 9

# type: name, values in a block, bytes of a block
_TYPES: Final = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}


class _Cursor:
    """Reads forward, a chunk at a time."""

    def __init__(self, read: ReadBytes) -> None:
        self._read = read
        self._buffer = b""
        self._start = 0
        self.at = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes.

        Raises:
            BrokenWeightsError: The file, or what we read of it, ends before.
        """
        self._check(count)
        begin = self.at - self._start
        if begin + count > len(self._buffer):
            self._buffer = self._read(self.at, self.at + max(count, _CHUNK))
            self._start, begin = self.at, 0
        found = self._buffer[begin : begin + count]
        if len(found) < count:
            raise _broken("it ends inside its header")
        self.at += count
        return found

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        self._check(count)
        self.at += count
        if self.at - self._start > len(self._buffer):
            self._buffer, self._start = b"", self.at

    def number(self, form: str) -> Any:
        """Return a number of a `struct` form."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str | None:
        """Return a text, None where it is too long to be kept."""
        length = self.number("<Q")
        if length > _MAX_TEXT:
            self.skip(length)
            return None
        return self.take(length).decode("utf-8", "replace")

    def _check(self, count: int) -> None:
        if self.at + count > _MAX_HEADER_BYTES:
            raise _broken(f"its header has more than {_MAX_HEADER_BYTES} bytes")


def read_header(read: ReadBytes, size_bytes: int) -> Header:
    """Return the header of a GGUF file, versions 2 and 3, little-endian.

    Args:
        read: Of the file.
        size_bytes: Of the whole file.

    Raises:
        BrokenWeightsError: It is cut off, of another version, or no GGUF file.
    """
    cursor = _Cursor(read)
    if cursor.take(4) != MAGIC:
        raise _broken("it does not begin as one")
    version = cursor.number("<I")
    if version not in _VERSIONS:
        raise _broken(f"its version {version} is none of 2 and 3, little-endian")
    tensor_count, pair_count = cursor.number("<Q"), cursor.number("<Q")
    if tensor_count > _MAX_TENSORS or pair_count > _MAX_PAIRS:
        raise _broken(f"it would have {tensor_count} tensors and {pair_count} keys")
    metadata: dict[str, Any] = {}
    for _ in range(pair_count):
        key = cursor.text()
        value = _value(cursor, cursor.number("<I"))
        if key is not None and value is not None:
            metadata[key] = value
    described = [_described(cursor) for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", _ALIGNMENT)
    if type(alignment) is not int or alignment < 1:
        raise _broken("its alignment is no number of bytes")
    data_at = -(-cursor.at // alignment) * alignment
    tensors: dict[str, Tensor] = {}
    for name, tensor in described:
        if name in tensors:
            raise _broken(f"tensor {name[:200]!r} stands twice")
        moved = Tensor(
            dtype=tensor.dtype,
            shape=tensor.shape,
            start=data_at + tensor.start,
            stop=data_at + tensor.stop,
        )
        if moved.stop > size_bytes:
            raise _broken(f"{moved.stop - size_bytes} bytes of {name[:200]!r} are missing")
        tensors[name] = moved
    return Header(format="gguf", tensors=tensors, metadata=metadata, size_bytes=size_bytes)


def _value(cursor: _Cursor, kind: int) -> Any:
    if kind in _SCALARS:
        return cursor.number(_SCALARS[kind])
    if kind == _STRING:
        return cursor.text()
    if kind != _ARRAY:
        raise _broken(f"a value has an unknown type {kind}")
    inner, count = cursor.number("<I"), cursor.number("<Q")
    if inner in _SCALARS:
        cursor.skip(struct.calcsize(_SCALARS[inner]) * count)
    elif inner == _STRING:
        # Each takes its length at least, so a count beyond the file ends at the file's end.
        for _ in range(count):
            cursor.skip(cursor.number("<Q"))
    else:
        raise _broken("a list holds lists or an unknown type")
    return None


def _described(cursor: _Cursor) -> tuple[str, Tensor]:
    name = cursor.text()
    dimensions = cursor.number("<I")
    if name is None or dimensions > _MAX_DIMENSIONS:
        raise _broken("a tensor has no fit name or shape")
    shape = tuple(cursor.number("<Q") for _ in range(dimensions))[::-1]
    kind, offset = cursor.number("<I"), cursor.number("<Q")
    if kind not in _TYPES:
        raise _broken(f"tensor {name[:200]!r} has an unknown type {kind}")
    dtype, block, block_bytes = _TYPES[kind]
    tensor = Tensor(dtype=dtype, shape=shape, start=offset, stop=offset)
    if tensor.count % block:
        raise _broken(f"tensor {name[:200]!r} does not fill its blocks")
    stop = offset + tensor.count // block * block_bytes
    return name, Tensor(dtype=dtype, shape=shape, start=offset, stop=stop)


def _broken(why: str) -> BrokenWeightsError:
    return BrokenWeightsError(
        f"the file is no sound GGUF file: {why}", remedy="copy or download it again"
    )
