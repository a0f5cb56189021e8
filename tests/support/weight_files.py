"""Files of weights with a real header whose data take no room: they are holes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I64": 8, "U8": 1}


def write_weights(
    path: Path,
    tensors: Mapping[str, tuple[str, tuple[int, ...]]],
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a safetensors file whose data are zeros that take no room on the disk."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        count = 1
        for length in shape:
            count *= length
        stop = at + count * _BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, stop]}
        at = stop
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
    return path


def lora_tensors(
    width: int = 320, rank: int = 16, modules: int = 8
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return a LoRA for SD 1.5 as sd-scripts names it."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for number in range(modules):
        block = f"lora_unet_down_blocks_0_attentions_{number % 2}_transformer_blocks_0"
        name = f"{block}_attn1_to_{'qkv'[number // 2 % 3]}"
        found[f"{name}.lora_down.weight"] = ("F16", (rank, width))
        found[f"{name}.lora_up.weight"] = ("F16", (width, rank))
        found[f"{name}.alpha"] = ("F16", ())
    return found
