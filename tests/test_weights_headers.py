"""Headers of weights are read, and refused, as the formats' own libraries do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import pytest
from gguf import constants
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from aitk_core.errors import BrokenWeightsError
from aitk_core.weights import gguf as ours
from aitk_core.weights.reading import header_of, read_header

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.weights.header import Header

DTYPES = ("float32", "float16", "int64", "uint8", "bool")
NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name != "__metadata__")
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
TENSORS = st.dictionaries(NAMES, st.tuples(st.sampled_from(DTYPES), SHAPES), max_size=5)
TEXTS = st.dictionaries(st.text(max_size=10), st.text(max_size=30), max_size=4)


def header_in(data: bytes, name: str = "a.safetensors") -> Header:
    return header_of(lambda start, stop: data[start:stop], len(data), name=name)


def arrays_of(described: dict[str, tuple[str, tuple[int, ...]]]) -> dict[str, Any]:
    return {
        name: np.arange(int(np.prod(shape))).astype(dtype).reshape(shape)
        for name, (dtype, shape) in described.items()
    }


def library_refuses(data: bytes, folder: Path) -> bool:
    path = folder / "a.safetensors"
    path.write_bytes(data)
    try:
        with safe_open(path, framework="np"):
            return False
    except SafetensorError:
        return True


@given(described=TENSORS, metadata=TEXTS)
def test_a_header_says_what_the_library_wrote(
    described: dict[str, tuple[str, tuple[int, ...]]], metadata: dict[str, str]
) -> None:
    arrays = arrays_of(described)
    data = save(arrays, metadata=metadata or None)
    header = header_in(data)
    assert header.metadata == metadata
    assert set(header.tensors) == set(arrays)
    assert header.parameters == sum(array.size for array in arrays.values())
    for name, array in arrays.items():
        tensor = header.tensors[name]
        assert tensor.shape == array.shape
        assert data[tensor.start : tensor.stop] == array.tobytes()


@settings(max_examples=300)
@given(data=st.data())
def test_a_changed_byte_is_refused_where_the_library_refuses_it(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    arrays = arrays_of({"a": ("float32", (2, 3)), "b": ("float16", (4,))})
    sound = save(arrays, metadata={"k": "v"})
    end = 8 + int.from_bytes(sound[:8], "little")
    at = data.draw(st.integers(0, end - 1))
    changed = sound[:at] + bytes([data.draw(st.integers(0, 255))]) + sound[at + 1 :]
    refused = library_refuses(changed, tmp_path_factory.mktemp("f"))
    try:
        header_in(changed)
    except BrokenWeightsError:
        return  # stricter is fine, such as a name that stands twice
    assert not refused


@pytest.mark.parametrize("cut", [0, 7, 8, 20, -1])
def test_a_file_that_is_cut_off_is_refused_and_says_so(cut: int, tmp_path: Path) -> None:
    data = save(arrays_of({"a": ("float32", (8,))}))[:cut]
    assert library_refuses(data, tmp_path)
    with pytest.raises(
        BrokenWeightsError, match=r"no sound safetensors file: .*(ends|missing|short)"
    ):
        header_in(data)


def document(**changes: Any) -> bytes:
    entry: dict[str, Any] = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes
    text = json.dumps({"a": entry}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(8)


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "F33"},
        {"dtype": ["F32"]},
        {"shape": [3]},
        {"shape": [-2]},
        {"shape": [2.0]},
        {"shape": [True, 2]},
        {"shape": None},
        {"shape": [2**70]},
        {"data_offsets": [8, 0]},
        {"data_offsets": [8, 16]},
        {"data_offsets": [0]},
        {"more": 1},
    ],
)
def test_a_tensor_that_does_not_fit_its_bytes_is_refused(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    assert header_in(document()).tensors["a"].shape == (2,)
    data = document(**changes)
    assert library_refuses(data, tmp_path) or "more" in changes
    with pytest.raises(BrokenWeightsError, match="no sound safetensors"):
        header_in(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 16,
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"\xff{",
        (200_000).to_bytes(8, "little") + b'{"a":' * 40_000,
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    ],
)
def test_what_is_no_safetensors_file_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenWeightsError, match="no sound safetensors"):
        header_in(data)


def test_a_pickle_is_never_opened() -> None:
    with pytest.raises(BrokenWeightsError, match="no header") as refusal:
        header_in(b"\x80\x02}q\x00.", "a.ckpt")
    assert "run code" in refusal.value.remedy


def written_gguf(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "flux")
    writer.add_string("general.name", "a model")
    writer.add_uint32("flux.block_count", 19)
    writer.add_bool("flux.guidance", val=True)
    writer.add_array("tokenizer.ggml.tokens", [f"token{n}" for n in range(1000)])
    writer.add_array("tokenizer.ggml.scores", [0.5] * 1000)
    writer.add_tensor("img_in.weight", np.zeros((4, 64), dtype=np.float16))
    quantized = np.zeros((8, 2 * 144), dtype=np.uint8)
    writer.add_tensor("double_blocks.0.weight", quantized, raw_dtype=gguf.GGMLQuantizationType.Q4_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_header_says_what_the_library_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    written_gguf(path)
    header = read_header(path)
    reader = gguf.GGUFReader(path)
    assert header.metadata == {
        "general.architecture": "flux",
        "general.name": "a model",
        "flux.block_count": 19,
        "flux.guidance": True,
    }
    assert set(header.tensors) == {tensor.name for tensor in reader.tensors}
    for tensor in reader.tensors:
        read = header.tensors[tensor.name]
        # The library keeps the order of the file, innermost first.
        assert read.shape == tuple(int(each) for each in tensor.shape)[::-1]
        assert (read.start, read.stop - read.start) == (tensor.data_offset, tensor.n_bytes)
        assert read.dtype == tensor.tensor_type.name


def test_the_sizes_of_gguf_types_are_those_of_the_library() -> None:
    theirs = {int(kind): (kind.name, *size) for kind, size in constants.GGML_QUANT_SIZES.items()}
    assert theirs == ours._TYPES


@pytest.mark.parametrize("cut", [3, 8, 24, 60, 9000, -1])
def test_a_gguf_file_that_is_cut_off_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    written_gguf(path)
    with pytest.raises(BrokenWeightsError, match=r"no sound GGUF|no GGUF"):
        header_in(path.read_bytes()[:cut], "a.gguf")


@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_gguf_file_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("f") / "a.gguf"
    written_gguf(path)
    sound = path.read_bytes()
    at = data.draw(st.integers(0, 400))
    piece = data.draw(st.binary(min_size=1, max_size=8))
    message = ""
    try:
        header_in(sound[:at] + piece + sound[at + len(piece) :], "a.gguf")
    except BrokenWeightsError as refusal:
        message = str(refusal)
    assert len(message) < 500
