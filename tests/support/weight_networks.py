"""Headers of LoRA files, derived from the layout of the model that they are for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aitk_core.weights.header import Header, Tensor
from aitk_core.weights.layouts import model_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from aitk_core.weights.recognition import Recognition
    from support.weight_layouts import Layout

Shape = tuple[int, ...]
RANK: Final = 16

STYLES: Final = {
    "kohya": ("lora_unet_", "_"),
    "kohya_transformer": ("lora_transformer_", "_"),
    "lycoris": ("lycoris_", "_"),
    "peft": ("transformer.", "."),
    "peft_unet": ("unet.", "."),
    "peft_saved": ("base_model.model.", "."),
    "comfy": ("diffusion_model.", "."),
    "comfy_checkpoint": ("model.diffusion_model.", "."),
    "plain": ("", "."),
}
"""Style: prefix, and what joins the parts of a name."""
KOHYA: Final = ("lora_down.weight", "lora_up.weight")
PEFT: Final = ("lora_A.weight", "lora_B.weight")

_NO_TARGETS: Final = ("embed", "shared")


def models_of(found: Recognition) -> set[str]:
    """Return the model, or all candidates."""
    return set(found.candidates) | ({found.model} if found.model else set())


def counted(models: tuple[str, ...]) -> set[str]:
    """Return models as a LoRA for them is counted."""
    return {model_table()[each].lora_as for each in models}


def header_of(
    tensors: Mapping[str, tuple[str, Shape]],
    *,
    form: Literal["safetensors", "gguf"] = "safetensors",
    metadata: Mapping[str, Any] | None = None,
) -> Header:
    """Return a header with tensors of no data."""
    return Header(
        format=form,
        tensors={
            name: Tensor(dtype=dtype, shape=shape, start=0, stop=0)
            for name, (dtype, shape) in tensors.items()
        },
        metadata=metadata or {},
        size_bytes=0,
    )


def linear_layers(layout: Layout) -> dict[str, tuple[int, int]]:
    """Return the sizes of the layers that a network can be put on."""
    return {
        name.removesuffix(".weight"): (shape[0], shape[1])
        for name, (_, shape) in layout.tensors.items()
        if name.endswith(".weight")
        and len(shape) == 2
        and min(shape) > RANK
        and not any(part in name for part in _NO_TARGETS)
    }


def attention_layers(layers: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {name: size for name, size in layers.items() if re.search(r"att|qkv|to_[qkv]\b", name)}


def lora(
    layers: Mapping[str, tuple[int, int]], style: str, rank: int = RANK
) -> dict[str, tuple[str, Shape]]:
    """Return the tensors of a LoRA over some layers, named in a style."""
    prefix, joint = STYLES[style]
    down, up = KOHYA if joint == "_" else PEFT
    tensors: dict[str, tuple[str, Shape]] = {}
    for name, (rows, columns) in layers.items():
        module = prefix + name.replace(".", joint)
        tensors[f"{module}.{down}"] = ("BF16", (rank, columns))
        tensors[f"{module}.{up}"] = ("BF16", (rows, rank))
        if joint == "_":
            tensors[f"{module}.alpha"] = ("BF16", ())
    return tensors


def of_roles(
    layers: Mapping[str, tuple[int, int]], style: str, algorithm: str
) -> dict[str, tuple[str, Shape]]:
    """Return the tensors of another algorithm's network."""
    prefix, joint = STYLES[style]
    tensors: dict[str, tuple[str, Shape]] = {}
    for name, (rows, columns) in layers.items():
        factor = next(each for each in (16, 8, 4, 2, 1) if not rows % each and not columns % each)
        roles: dict[str, dict[str, Shape]] = {
            "dora": {
                "lora_down.weight": (RANK, columns),
                "lora_up.weight": (rows, RANK),
                "dora_scale": (rows, 1),
            },
            "loha": {
                "hada_w1_a": (rows, RANK),
                "hada_w1_b": (RANK, columns),
                "hada_w2_a": (rows, RANK),
                "hada_w2_b": (RANK, columns),
            },
            "lokr": {
                "lokr_w1": (factor, factor),
                "lokr_w2_a": (rows // factor, RANK),
                "lokr_w2_b": (RANK, columns // factor),
            },
            "oft": {"oft_blocks": (4, rows // 4, rows // 4)},
            "boft": {"oft_blocks": (2, 4, rows // 4, rows // 4)},
            "glora": {
                "a1.weight": (RANK, columns),
                "a2.weight": (columns, RANK),
                "b1.weight": (RANK, columns),
                "b2.weight": (rows, RANK),
            },
            "ia3": {"weight": (rows,), "on_input": (1,)},
            "full_diff": {"diff": (rows, columns), "diff_b": (rows,)},
        }
        module = prefix + name.replace(".", joint)
        tensors |= {f"{module}.{role}": ("F16", shape) for role, shape in roles[algorithm].items()}
    return tensors
