"""The values of a file are counted as numpy counts them, however the file is cut into pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from aitk_core.weights.header import Header, Tensor
from aitk_core.weights.numbers import NumberScan
from aitk_core.weights.reading import header_of

if TYPE_CHECKING:
    from aitk_core.weights.numbers import Numbers

SPECIAL = [0.0, -0.0, 1.0, -2.5, float("nan"), float("inf"), -float("inf"), 6e-8]


def scanned(data: bytes, pieces: list[int]) -> Numbers:
    header = header_of(lambda start, stop: data[start:stop], len(data), name="a.safetensors")
    scan = NumberScan(header)
    at = 0
    for length in pieces:
        scan.feed(data[at : at + length])
        at += length
    scan.feed(data[at:])
    return scan.result()


@settings(max_examples=200)
@given(
    tensors=st.dictionaries(
        st.text("abc.", min_size=1, max_size=5),
        st.tuples(
            st.sampled_from(["float16", "float32", "float64", "int32"]),
            st.lists(st.sampled_from(SPECIAL), max_size=12),
        ),
        min_size=1,
        max_size=5,
    ),
    pieces=st.lists(st.integers(0, 60), max_size=20),
)
def test_counts_do_not_depend_on_the_pieces(
    tensors: dict[str, tuple[str, list[float]]], pieces: list[int]
) -> None:
    with np.errstate(invalid="ignore"):
        arrays = {name: np.array(v).astype(dtype) for name, (dtype, v) in tensors.items()}
    floats = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
    numbers = scanned(save(arrays), pieces)
    assert numbers.judged == sum(array.size for array in floats.values())
    assert numbers.not_judged == sum(array.size for array in arrays.values()) - numbers.judged
    assert numbers.nonfinite == sum((~np.isfinite(array)).sum() for array in floats.values())
    zero = {name for name, array in floats.items() if array.size and not array.any()}
    assert set(numbers.zero_examples) == zero
    bad = {name for name, array in floats.items() if not np.isfinite(array).all()}
    assert set(numbers.nonfinite_examples) == bad


def raw(dtype: str, width: int, patterns: list[int]) -> Numbers:
    data = b"".join(pattern.to_bytes(width, "little") for pattern in patterns)
    tensor = Tensor(dtype=dtype, shape=(len(patterns),), start=0, stop=len(data))
    scan = NumberScan(Header(format="safetensors", tensors={"a": tensor}, size_bytes=len(data)))
    for byte in data:
        scan.feed(bytes([byte]))
    return scan.result()


@pytest.mark.parametrize(
    ("dtype", "width", "patterns", "bad"),
    [
        ("BF16", 2, [0x3F80, 0x7F80, 0xFF80, 0x7FC0, 0x7F7F, 0x8000], 3),
        ("F8_E4M3", 1, [0x7F, 0xFF, 0x7E, 0x00, 0x80], 2),
        ("F8_E5M2", 1, [0x7C, 0xFC, 0x7D, 0x7B, 0x00], 3),
    ],
)
def test_types_that_numpy_lacks_are_judged_by_their_bits(
    dtype: str, width: int, patterns: list[int], bad: int
) -> None:
    assert raw(dtype, width, patterns).nonfinite == bad


def test_a_packed_type_is_counted_as_not_judged() -> None:
    tensor = Tensor(dtype="Q8_0", shape=(32,), start=0, stop=34)
    scan = NumberScan(Header(format="gguf", tensors={"a": tensor}, size_bytes=34))
    scan.feed(b"\xff" * 34)
    assert (scan.result().judged, scan.result().not_judged) == (0, 32)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_alphas_are_read_and_counted(dtype: str) -> None:
    arrays: dict[str, Any] = {
        "x.alpha": np.array(16, dtype=dtype),
        "y.alpha": np.array(16, dtype=dtype),
        "z.alpha": np.array(8, dtype=dtype),
        "z.weight": np.ones((2, 2), dtype=dtype),
    }
    assert scanned(save(arrays), [1] * 400).alphas == {8.0: 1, 16.0: 2}
