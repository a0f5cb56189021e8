"""Checkpoints of a run: weights, optimizer state, pruning, and finding the newest to resume.

Names, numbers and the metadata `training_info` are those of the AI Toolkit trainer
(`jobs/process/BaseSDTrainProcess.py`); the weights use the key names of kohya's LoRA files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import attrs
import numpy as np

from aitk_sandbox.model import LAYERS, Array, round_bf16

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aitk_sandbox.optimizers import Optimizer

SOFTWARE: Final = "aitk-sandbox"

_NAMES: Final[dict[str, str]] = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}


@attrs.frozen(kw_only=True, eq=False)
class Checkpoint:
    """What a weights file holds."""

    adapters: dict[str, Array]
    step: int | None
    """Step in the metadata, or None if there is none."""
    epoch: int


def save_weights(
    path: Path,
    adapters: Mapping[str, Array],
    *,
    alpha: float,
    dtype: str,
    metadata: Mapping[str, str],
) -> None:
    """Write the adapters as a LoRA file.

    Args:
        path: File to write; replaced in one go.
        adapters: As in `Network.adapters`.
        alpha: Stored beside each layer.
        dtype: `fp32`, `fp16` or `bf16`.
        metadata: Header entries.
    """
    arrays: dict[str, Array] = {}
    for layer in LAYERS:
        arrays[f"lora_unet_{layer}.lora_down.weight"] = adapters[f"{layer}.down"]
        arrays[f"lora_unet_{layer}.lora_up.weight"] = adapters[f"{layer}.up"]
        arrays[f"lora_unet_{layer}.alpha"] = np.asarray(alpha, dtype=np.float32)
    write_arrays(path, arrays, dtype=dtype, metadata=metadata)


def load_weights(path: Path) -> Checkpoint:
    """Read a weights file back.

    Raises:
        ValueError: It does not hold the adapters of this network.
    """
    arrays = read_arrays(path)
    adapters: dict[str, Array] = {}
    for layer in LAYERS:
        for part in ("down", "up"):
            key = f"lora_unet_{layer}.lora_{part}.weight"
            if key not in arrays:
                raise ValueError(f"{path} has no {key}")
            adapters[f"{layer}.{part}"] = arrays[key]
    info = json.loads(read_metadata(path).get("training_info", "{}"))
    return Checkpoint(adapters=adapters, step=info.get("step"), epoch=int(info.get("epoch", 0)))


def save_optimizer(path: Path, optimizer: Optimizer) -> None:
    """Write the optimizer's state: a safetensors file of our own under the trainer's name."""
    write_arrays(
        path,
        optimizer.state,
        dtype="fp32",
        metadata={"format": "aitk-sandbox-optimizer", "updates": str(optimizer.updates)},
    )


def load_optimizer(path: Path, optimizer: Optimizer) -> None:
    """Put a stored state into an optimizer; arrays of another shape are the caller's fault."""
    optimizer.state = read_arrays(path)
    optimizer.updates = int(read_metadata(path).get("updates", "0"))


def write_arrays(
    path: Path, arrays: Mapping[str, Array], *, dtype: str, metadata: Mapping[str, str]
) -> None:
    """Write named arrays as safetensors, replacing the file in one go.

    Written here, not by the library: its numpy side has no bfloat16, and its plain serializer
    changed between 0.5 and 0.8. The format is eight bytes of header length, the header as
    JSON padded to eight bytes, and the data.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    blocks: list[bytes] = []
    end = 0
    for name, array in arrays.items():
        blocks.append(_encoded(array, dtype))
        start, end = end, end + len(blocks[-1])
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    waiting = path.with_name(f".{path.name}.part")
    waiting.write_bytes(b"".join([len(text).to_bytes(8, "little"), text, *blocks]))
    waiting.replace(path)


def read_arrays(path: Path) -> dict[str, Array]:
    """Read the arrays of a safetensors file as float32.

    Raises:
        ValueError: One of them is no float.
    """
    with path.open("rb") as stream:
        header = _read_header(stream)
        data = stream.read()
    return {
        name: _decoded(data[slice(*entry["data_offsets"])], entry["dtype"]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata in the header of a safetensors file."""
    with path.open("rb") as stream:
        return dict(_read_header(stream).get("__metadata__", {}))


def _read_header(stream: BinaryIO) -> dict[str, Any]:
    length = int.from_bytes(stream.read(8), "little")
    header: dict[str, Any] = json.loads(stream.read(length))
    return header


def _encoded(array: Array, dtype: str) -> bytes:
    if dtype == "bf16":
        return (round_bf16(array).view(np.uint32) >> 16).astype("<u2").tobytes()
    # A diverged run holds weights beyond float16; they become infinite, as in the real one.
    with np.errstate(over="ignore"):
        return array.astype("<f2" if dtype == "fp16" else "<f4").tobytes()


def _decoded(data: bytes, name: str) -> Array:
    match name:
        case "BF16":
            return (np.frombuffer(data, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
        case "F16":
            return np.frombuffer(data, dtype="<f2").astype(np.float32)
        case "F32":
            return np.frombuffer(data, dtype="<f4").astype(np.float32)
        case _:
            raise ValueError(f"unexpected dtype {name!r}")


def weights_metadata(
    *, name: str, step: int, epoch: int, training: Mapping[str, Any]
) -> dict[str, str]:
    """Return the header entries of a checkpoint; nested values are JSON strings, as there."""
    return {
        "format": "pt",
        "name": name,
        "version": "1.0",
        "ss_base_model_version": SOFTWARE,
        "ss_output_name": name,
        "software": json.dumps({"name": SOFTWARE}),
        "training_info": json.dumps({"step": step, "epoch": epoch}),
        **{key: str(value) for key, value in training.items()},
    }


def newest(folder: Path, name: str) -> Path | None:
    """Return the newest weights of a run by change time, final or step save, or None."""
    # The trainer globs `<name>*`, so a name with glob characters never resumes.
    found = [path for path in folder.glob(f"{name}*") if path.suffix == ".safetensors"]
    return max(found, key=lambda path: path.stat().st_ctime_ns, default=None)


def prune(folder: Path, name: str, *, keep: int) -> list[Path]:
    """Remove the oldest step saves beyond `keep`, by change time; 0 keeps all.

    Returns:
        The files removed.
    """
    if keep <= 0:
        return []
    saves = sorted(folder.glob(f"{name}_*.safetensors"), key=lambda path: path.stat().st_ctime_ns)
    removed = saves[:-keep]
    for path in removed:
        path.unlink()
    return removed
