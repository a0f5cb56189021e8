"""Layouts of tensors by which files of weights are known, and which of them a header has.

The table `data/layouts.json` is reduced from recorded headers (tests/recordings/headers says how
each was made); `data/models.toml` says what the models are called. A layout is told by a few of
its tensors, name and shape, and by tensors that only a larger relative has. They are looked up
under each wrapper that the names could have, so a header costs the same however long it is.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.weights.header import Header, Tensor

Kind: TypeAlias = Literal[
    "checkpoint",
    "diffusion_model",
    "lora",
    "vae",
    "text_encoder",
    "clip_vision",
    "controlnet",
    "ip_adapter",
    "embedding",
    "upscaler",
    "optimizer",
    "unknown",
]
Shape: TypeAlias = tuple[int, ...]

ANY: Final = -1
"""In the shape of a layout: any length."""
_PACKED: Final = {"U8": (1, 2), "I8": (1, 2), "F4": (1, 2), "I32": (4, 8)}
"""Types of quantised data, in shapes of their own: how many values one number can hold."""
_PACKED_SUFFIX: Final = "._data"
"""Of the tensor that `optimum-quanto` writes in place of a weight."""
_WRAPPERS: Final = (
    "model.diffusion_model.",
    "diffusion_model.",
    "model.model.",
    "model.language_model.",
    "model.",
    "net.",
    "transformer.",
    "unet.",
    "dit.",
    "module.",
    "first_stage_model.",
    "vae.",
    "audio_vae.",
    "cond_stage_model.transformer.",
    "cond_stage_model.model.",
    "cond_stage_model.",
    "conditioner.embedders.0.transformer.",
    "conditioner.embedders.0.model.",
    "conditioner.embedders.1.transformer.",
    "conditioner.embedders.1.model.",
    "text_encoder.",
    "text_encoder_2.",
    "text_encoder_3.",
    "language_model.model.",
    "language_model.",
    "control_model.",
    "controlnet.",
    "params_ema.",
    "params.",
)
"""Source: unet_prefix_from_state_dict of comfy/model_detection.py and the prefixes in
comfy/supported_models.py (comfyanonymous/ComfyUI); CHECKPOINT_KEY_NAMES of
src/diffusers/loaders/single_file_utils.py (huggingface/diffusers)."""
_ENCODERS: Final = "text_encoders"
"""Wraps the text encoders of checkpoints that ComfyUI saved, each under its own name."""
_MAX_ENCODERS: Final = 8
_BESIDE: Final = frozenset(
    ("vae", "first_stage_model", "cond_stage_model", "conditioner", "text_encoders", "model_ema")
)
"""Groups that may stand beside a model without a wrapper."""
_WEIGHT: Final = ".weight"
_SHOWN_STRANGERS: Final = 3


@frozen(kw_only=True)
class Model:
    """A model that a file can hold."""

    id: str
    kind: Kind
    label: str
    family: str
    """Label of a LoRA that fits several of its relatives."""
    archs: tuple[str, ...]
    """Ids of the trainer's architectures that train it."""
    lora_as: str
    """The model that a LoRA for it is counted as."""


@frozen(kw_only=True)
class Layout:
    """One way in which a model's tensors are named."""

    models: tuple[str, ...]
    """Several where they cannot be told apart."""
    has: tuple[tuple[str, Shape], ...]
    lacks: tuple[str, ...]
    groups: frozenset[str]
    """First parts of all its names, empty where others are no reason for doubt."""
    modules: Mapping[str, str]
    """Modules that a LoRA can hold, `#` for numbers: highest first number, then sizes."""


@frozen(kw_only=True)
class Finding:
    """Layouts that fit what stands under one prefix."""

    prefix: str
    layouts: tuple[Layout, ...]
    strangers: tuple[str, ...]
    """Groups of weights that none of the layouts has: a relative, or more than the model alone."""

    @property
    def models(self) -> tuple[str, ...]:
        """Return the ids of the models that it can be."""
        return tuple(dict.fromkeys(model for layout in self.layouts for model in layout.models))

    @property
    def kind(self) -> Kind:
        """Return what it is a file of."""
        return model_table()[self.models[0]].kind


@cache
def model_table() -> Mapping[str, Model]:
    """Return all models by id."""
    text = files("aitk_core").joinpath("weights/data/models.toml").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            key: Model(
                id=key,
                kind=row["kind"],
                label=row["label"],
                family=row.get("family", row["label"]),
                archs=tuple(row.get("archs", ())),
                lora_as=row.get("lora_as", key),
            )
            for key, row in tomllib.loads(text).items()
        }
    )


@cache
def layout_table() -> tuple[Layout, ...]:
    """Return all layouts."""
    text = files("aitk_core").joinpath("weights/data/layouts.json").read_text(encoding="utf-8")
    rows: dict[str, Any] = json.loads(text)
    return tuple(
        Layout(
            models=tuple(row["models"]),
            has=tuple((name, tuple(shape)) for name, shape in row["has"].items()),
            lacks=tuple(row["lacks"]),
            groups=frozenset(row.get("groups", ())),
            modules=MappingProxyType(row.get("modules", {})),
        )
        for row in rows.values()
    )


@cache
def _by_anchor() -> Mapping[str, tuple[Layout, ...]]:
    found: dict[str, list[Layout]] = {}
    for layout in layout_table():
        found.setdefault(layout.has[0][0], []).append(layout)
    return {anchor: tuple(layouts) for anchor, layouts in found.items()}


def find(header: Header) -> tuple[Finding, ...]:
    """Return what layouts a header has, each with its prefix, none inside of another."""
    found: list[Finding] = []
    for prefix in prefixes(header.tensors):
        if any(prefix.startswith(other.prefix) for other in found):
            continue
        layouts = tuple(
            layout
            for anchor, layouts in _by_anchor().items()
            if prefix + anchor in header.tensors
            or prefix + anchor + _PACKED_SUFFIX in header.tensors
            for layout in layouts
            if _fits(header, prefix, layout)
        )
        if layouts:
            found.append(_finding(header, prefix, layouts))
    return tuple(found)


def _finding(header: Header, prefix: str, layouts: tuple[Layout, ...]) -> Finding:
    """Return the layouts that explain every group of weights, or all with what they leave."""
    start = len(prefix)
    pairs = {
        ".".join(name[start:].split(".", 2)[:2]): name
        for name in header.tensors
        if name.startswith(prefix) and name.endswith(_WEIGHT)
    }
    left = [
        (layout, [name for pair, name in pairs.items() if _is_strange(pair, name, header, layout)])
        for layout in layouts
    ]
    whole = tuple(layout for layout, strange in left if not strange)
    if whole:
        return Finding(prefix=prefix, layouts=whole, strangers=())
    return Finding(prefix=prefix, layouts=layouts, strangers=tuple(left[0][1][:_SHOWN_STRANGERS]))


def _is_strange(pair: str, name: str, header: Header, layout: Layout) -> bool:
    first = pair.partition(".")[0]
    if (
        not layout.groups
        or first in _BESIDE
        or len(header.tensors[name].shape) < len(("out", "in"))
    ):
        return False
    return first not in layout.groups and pair not in layout.groups


def prefixes(names: Iterable[str]) -> tuple[str, ...]:
    """Return the wrappers that the names could have, the shortest first and none at all first."""
    names = list(names)
    firsts = {name.partition(".")[0] for name in names}
    found = [wrapper for wrapper in _WRAPPERS if wrapper.partition(".")[0] in firsts]
    if _ENCODERS in firsts:
        found += _encoder_prefixes(names)
    if len(firsts) == 1:
        found.append(f"{next(iter(firsts))}.")
    return ("", *sorted(dict.fromkeys(found), key=len))


def _encoder_prefixes(names: list[str]) -> list[str]:
    encoders: dict[str, None] = {}
    for name in names:
        if name.startswith(f"{_ENCODERS}."):
            encoders[name.split(".", 2)[1]] = None
            if len(encoders) == _MAX_ENCODERS:
                break
    return [
        f"{_ENCODERS}.{encoder}.{inner}"
        for encoder in encoders
        for inner in ("", "transformer.", "transformer.model.", "model.")
    ]


def _fits(header: Header, prefix: str, layout: Layout) -> bool:
    tensors = header.tensors
    if any(prefix + name in tensors for name in layout.lacks):
        return False
    for name, shape in layout.has:
        tensor = tensors.get(prefix + name) or tensors.get(prefix + name + _PACKED_SUFFIX)
        if tensor is None or not _has_shape(tensor, shape, reshaped=header.format == "gguf"):
            return False
    return True


def _has_shape(tensor: Tensor, shape: Shape, *, reshaped: bool) -> bool:
    if tensor.shape == shape:
        return True
    if ANY in shape:
        return len(shape) == len(tensor.shape) and all(
            expected in (ANY, length) for expected, length in zip(shape, tensor.shape, strict=True)
        )
    if tensor.dtype in _PACKED and len(shape) > 1:
        return prod(shape) in (prod(tensor.shape) * values for values in _PACKED[tensor.dtype])
    # Quantised convolutions of GGUF files have their values in rows of another length; source:
    # handle_tensors of tools/convert.py, city96/ComfyUI-GGUF.
    return reshaped and prod(tensor.shape) == prod(shape)
