"""What a LoRA file's header says of its network: algorithm, naming, ranks, modules.

A name is a module and a role: `lora_unet_mid_block_..._to_q.lora_down.weight` is the input side of
one module's pair. The size of the module follows from the shapes of its roles.

Sources of the roles: networks/lora.py and networks/oft.py of kohya-ss/sd-scripts; lycoris/modules
of KohakuBlueleaf/LyCORIS; comfy/weight_adapter and comfy/lora.py of comfyanonymous/ComfyUI;
src/diffusers/loaders/lora_conversion_utils.py of huggingface/diffusers; src/peft/tuners of
huggingface/peft.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from attrs import Factory, define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.weights.header import Tensor

Algorithm: TypeAlias = Literal[
    "lora", "dora", "loha", "lokr", "oft", "boft", "glora", "ia3", "full_diff", "unknown"
]
Naming: TypeAlias = Literal[
    "kohya", "lycoris", "peft", "diffusers_old", "comfy", "xlabs", "plain", "unknown"
]
Shape: TypeAlias = tuple[int, ...]

_DOWN: Final = "down"
_UP: Final = "up"
_SINGLE: Final = {
    "alpha": "alpha",
    "dora_scale": "dora",
    "lora_magnitude_vector": "dora",
    "lora_A": _DOWN,
    "lora_B": _UP,
    "lora_down": _DOWN,
    "lora_up": _UP,
    "hada_w1_a": "hada_1a",
    "hada_w1_b": "hada_1b",
    "hada_w2_a": "hada_2a",
    "hada_w2_b": "hada_2b",
    "hada_t1": "hada_t1",
    "hada_t2": "hada_t2",
    "lokr_w1": "kr_1",
    "lokr_w1_a": "kr_1a",
    "lokr_w1_b": "kr_1b",
    "lokr_w2": "kr_2",
    "lokr_w2_a": "kr_2a",
    "lokr_w2_b": "kr_2b",
    "lokr_t1": "kr_t1",
    "lokr_t2": "kr_t2",
    "oft_blocks": "oft",
    "oft_diag": "oft",
    "on_input": "ia3",
    "diff": "diff",
    "diff_b": "diff_b",
    "w_norm": "diff",
    "b_norm": "diff_b",
}
"""Last part of a name: role."""
_DOUBLE: Final = {
    "lora_down": _DOWN,
    "lora_up": _UP,
    "lora_mid": "mid",
    "lora_A": _DOWN,
    "lora_B": _UP,
    "lora_magnitude_vector": "dora",
    "oft_R": "oft",
    "a1": "glora_a1",
    "a2": "glora_a2",
    "b1": "glora_b1",
    "b2": "glora_b2",
}
"""The part before a last `weight` (or `bias`): role."""
_OLD: Final = {"down": _DOWN, "up": _UP}
"""The same, if what stands before it speaks of LoRA."""
_ADAPTER: Final = "default"
"""The name that `peft` gives an adapter."""
_NAMED: Final = frozenset((*_OLD, _ADAPTER))
_RANKED: Final = (_DOWN, "hada_1b", "kr_2b", "kr_1b")
"""Roles whose first length is the rank."""
_OLD_ENDINGS: Final = (".lora", ".lora_linear_layer")
_LEAVES: Final = ("weight", "bias")
_BOFT_DIMENSIONS: Final = 4
_MATRIX: Final = 2

_XLABS: Final = {
    "qkv_lora1": "img_attn.qkv",
    "qkv_lora2": "txt_attn.qkv",
    "proj_lora1": "img_attn.proj",
    "proj_lora2": "txt_attn.proj",
    "qkv_lora": "linear1",
    "proj_lora": "linear2",
}
"""Source: _convert_xlabs_flux_lora_to_diffusers of diffusers."""


@frozen(kw_only=True)
class Network:
    """The network of a LoRA file."""

    algorithm: Algorithm
    naming: Naming
    """Style of its names."""
    rank: int | None
    """The one rank of its linear layers, None where they differ or have none."""
    ranks: dict[int, int]
    """Rank to number of modules, convolutions included."""
    alpha_tensors: int
    """Tensors that hold an alpha; their values are data and not in the header."""
    targets: dict[str, int]
    """`diffusion_model`, `text_encoder`, `text_encoder_2`: number of modules."""
    modules: int


@define
class Module:
    """The tensors of one module."""

    roles: dict[str, Shape] = field(default=Factory(dict))

    @property
    def size(self) -> tuple[int, int] | None:
        """Return the width of the output and of the input, None where the roles leave it open."""
        roles = self.roles
        if _DOWN in roles and _UP in roles:
            return _size(roles[_UP][:1], roles[_DOWN][1:2])
        if "hada_1a" in roles and "hada_1b" in roles and "hada_t1" not in roles:
            return _size(roles["hada_1a"][:1], roles["hada_1b"][1:2])
        if "diff" in roles:
            return _size(roles["diff"][:1], roles["diff"][1:2])
        return self._kronecker_size()

    @property
    def rank(self) -> int | None:
        """Return its rank."""
        for role in _RANKED:
            shape = self.roles.get(role)
            if shape:
                return shape[0]
        return None

    @property
    def is_linear(self) -> bool:
        """Return whether it is no convolution, as far as its roles tell."""
        return len(self.roles.get(_DOWN, ())) <= _MATRIX

    def _kronecker_size(self) -> tuple[int, int] | None:
        factors = []
        if "kr_t2" in self.roles:
            return None
        for whole, left, right in (("kr_1", "kr_1a", "kr_1b"), ("kr_2", "kr_2a", "kr_2b")):
            factor = self.roles.get(whole) or (
                *self.roles.get(left, ())[:1],
                *self.roles.get(right, ())[1:2],
            )
            if len(factor) < _MATRIX:
                return None
            factors.append(factor)
        # A convolution's second factor may have its kernel in its columns.
        return (
            None
            if any(len(each) > _MATRIX for each in factors)
            else (
                prod(each[0] for each in factors),
                prod(each[1] for each in factors),
            )
        )


def _size(rows: Shape, columns: Shape) -> tuple[int, int] | None:
    return (rows[0], columns[0]) if rows and columns else None


def modules_in(tensors: Mapping[str, Tensor]) -> dict[str, Module]:
    """Return the modules of a network by their names in the file, empty where it holds none."""
    found: dict[str, Module] = {}
    for name, tensor in tensors.items():
        head, _, tail = name.rpartition(".")
        role = _SINGLE.get(tail)
        if role is None:
            if tail not in _LEAVES:
                continue
            before, _, last = head.rpartition(".")
            role = _DOUBLE.get(last)
            if role is None and last in _NAMED:
                before, role = _double(head)
            if role is None:
                continue
            head = before
            if tail == "bias":
                role = "bias"
        if head:
            module = found.get(head)
            if module is None:
                module = found[head] = Module()
            module.roles[role] = tensor.shape
    # An alpha or a scale alone makes no network, nor do the vectors of a single direction.
    return {name: module for name, module in found.items() if module.roles.keys() - _ADDITIONS}


_ADDITIONS: Final = frozenset({"alpha", "dora", "bias", "diff_b"})


def _double(head: str) -> tuple[str, str | None]:
    module, _, tail = head.rpartition(".")
    if tail == _ADAPTER:
        module, _, tail = module.rpartition(".")
    if tail in _OLD:
        if module.endswith(_OLD_ENDINGS):
            return module.rpartition(".")[0], _OLD[tail]
        if "_lora" in module.rpartition(".")[2]:
            return module, _OLD[tail]
        return module, None
    return module, _DOUBLE.get(tail)


def algorithm_of(modules: Mapping[str, Module]) -> Algorithm:
    """Return the algorithm that most modules have."""
    alike: dict[tuple[str, ...], list[Module]] = {}
    for module in modules.values():
        alike.setdefault(tuple(module.roles), []).append(module)
    counts: Counter[Algorithm] = Counter()
    for same in alike.values():
        counts[_algorithm(same[0])] += len(same)
    if counts["dora"]:  # some of its layers have no scale
        return "dora"
    return counts.most_common(1)[0][0] if counts else "unknown"


def _algorithm(module: Module) -> Algorithm:
    roles = module.roles
    named: tuple[tuple[str, Algorithm], ...] = (
        ("hada_1a", "loha"),
        ("glora_a1", "glora"),
        ("ia3", "ia3"),
    )
    for role, algorithm in named:
        if role in roles:
            return algorithm
    if any(role.startswith("kr_") for role in roles):
        return "lokr"
    if "oft" in roles:
        return "boft" if len(roles["oft"]) == _BOFT_DIMENSIONS else "oft"
    if _DOWN in roles or _UP in roles:
        return "dora" if "dora" in roles else "lora"
    return "full_diff" if "diff" in roles else "unknown"


def plain_name(name: str) -> str:
    """Return a module's name without what old trainers put between it and its role."""
    if ".processor." not in name:
        return name
    before, _, last = name.rpartition(".processor.")
    if last in _XLABS:
        return f"{before}.{_XLABS[last]}"
    if not last.endswith("_lora"):  # a processor of the model's own
        return name
    last = last.removesuffix("_lora")
    return f"{before}.{last}.0" if last == "to_out" else f"{before}.{last}"


def naming_of(names: Mapping[str, Module], tensors: Mapping[str, Tensor]) -> Naming:
    """Return the style of naming of a network."""
    first = next(iter(names), "")
    starts: tuple[tuple[tuple[str, ...], Naming], ...] = (
        (("lora_unet_", "lora_te", "lora_transformer_", "lora_prior_"), "kohya"),
        (("lycoris_",), "lycoris"),
        (("diffusion_model.", "model.diffusion_model."), "comfy"),
    )
    for start, naming in starts:
        if first.startswith(start):
            return naming
    if plain_name(first) != first:
        return "xlabs" if first.rpartition(".")[2] in _XLABS else "diffusers_old"
    if any(f"{first}.{old}.weight" in tensors for old in ("lora.down", "lora_linear_layer.down")):
        return "diffusers_old"
    if first.startswith(("transformer.", "unet.", "text_encoder", "base_model.")):
        return "peft"
    return "plain" if first else "unknown"
