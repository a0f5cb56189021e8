"""Headers of safetensors files: eight bytes of length, a JSON object, the data.

Read here and not by the library, which maps whole local files and keeps the offsets for itself:
headers are also read by ranges from the backend, and checks stream the data. What the library
refuses is refused here as well (a test compares the two).

Source: the format's description in the README of github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import BrokenWeightsError
from aitk_core.weights.header import Header, Tensor

if TYPE_CHECKING:
    from aitk_core.weights.header import ReadBytes

MAX_HEADER_BYTES: Final = 100_000_000
"""The format's own limit."""
_BITS: Final = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
_LENGTH_BYTES: Final = 8


def read_header(read: ReadBytes, size_bytes: int) -> Header:
    """Return the header of a safetensors file.

    Args:
        read: Of the file.
        size_bytes: Of the whole file.

    Raises:
        BrokenWeightsError: It is cut off, or no safetensors file.
    """
    prefix = read(0, _LENGTH_BYTES)
    if len(prefix) < _LENGTH_BYTES:
        raise _broken("it is shorter than the length of its header")
    length = int.from_bytes(prefix, "little")
    data_at = _LENGTH_BYTES + length
    if length > MAX_HEADER_BYTES:
        raise _broken(f"its header would have {length} bytes, more than the format allows")
    text = read(_LENGTH_BYTES, data_at)
    if len(text) < length:
        raise _broken("it ends inside its header")
    document = _document(text)
    metadata = _metadata(document.pop("__metadata__", {}))
    tensors = {name: _tensor(name, entry, data_at) for name, entry in document.items()}
    _check_layout(tensors, data_at, size_bytes)
    return Header(format="safetensors", tensors=tensors, metadata=metadata, size_bytes=size_bytes)


def _document(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise _broken("its header is no JSON object")
    try:
        document = json.loads(text.decode(), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise _broken("its header is no JSON") from error
    if not isinstance(document, dict):
        raise _broken("its header is no JSON object")
    return document


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _broken("its metadata are not texts")
    return value


def _tensor(name: str, entry: Any, data_at: int) -> Tensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _broken(f"tensor {name[:200]!r} is not described as one")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _broken(f"tensor {name[:200]!r} has an unknown type {str(dtype)[:40]!r}")
    if not _numbers(shape) or not _numbers(offsets) or len(offsets) != len(("start", "stop")):
        raise _broken(f"tensor {name[:200]!r} has no fit shape or offsets")
    start, stop = offsets
    tensor = Tensor(dtype=dtype, shape=tuple(shape), start=data_at + start, stop=data_at + stop)
    if tensor.count * _BITS[dtype] != (stop - start) * 8:
        raise _broken(f"tensor {name[:200]!r} has not the bytes that its shape needs")
    return tensor


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _check_layout(tensors: dict[str, Tensor], data_at: int, size_bytes: int) -> None:
    at = data_at
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if tensor.start != at:
            raise _broken(f"tensor {name[:200]!r} overlaps another one or leaves a hole")
        at = tensor.stop
    if at != size_bytes:
        missing = at - size_bytes
        raise _broken(
            f"{missing} bytes are missing at its end" if missing > 0 else "it goes on after its end"
        )


def _broken(why: str) -> BrokenWeightsError:
    return BrokenWeightsError(
        f"the file is no sound safetensors file: {why}",
        remedy="copy, download or save it again; weights that were still being written are fine "
        "a moment later",
    )
