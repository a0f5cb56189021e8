"""Files of weights with a real header whose data take no room: they are holes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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


def lora_tensors(rank: int = 16, modules: int = 8) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return a LoRA for SD 1.5 as sd-scripts names it, of at most 120 modules."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, inner, outer in list(_attention())[:modules]:
        found[f"lora_unet_{name}.lora_down.weight"] = ("F16", (rank, inner))
        found[f"lora_unet_{name}.lora_up.weight"] = ("F16", (outer, rank))
        found[f"lora_unet_{name}.alpha"] = ("F16", ())
    return found


def _attention() -> Iterator[tuple[str, int, int]]:
    """Yield the attention layers of SD 1.5's U-Net: name, width in, width out."""
    places = [("down", block, 2, 320 << block) for block in range(3)]
    places += [("up", block, 3, 1280 >> block - 1) for block in range(1, 4)]
    for side, block, attentions, width in places:
        for attention in range(attentions):
            for kind in ("attn1", "attn2"):
                for layer in ("to_q", "to_k", "to_v", "to_out_0"):
                    path = f"{side}_blocks_{block}_attentions_{attention}_transformer_blocks_0"
                    is_text = kind == "attn2" and layer in ("to_k", "to_v")
                    yield f"{path}_{kind}_{layer}", 768 if is_text else width, width
