"""What a file of weights is, from its header alone and never from its name.

    header ──► network? ──► modules and their sizes ──► models whose layers they fit
           └─► layouts under each prefix ──► parts ──► one file's kind and model

Unknown is an answer, and so are several candidates: nothing is said that the tensors do not show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from aitk_core.weights import claims, targets
from aitk_core.weights.layouts import Kind, find, model_table
from aitk_core.weights.networks import (
    Network,
    algorithm_of,
    modules_in,
    naming_of,
    plain_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitk_core.weights.header import Header
    from aitk_core.weights.layouts import Finding, Layout, Model
    from aitk_core.weights.networks import Module

_SHOWN: Final = 3
"""Tensors named in a reason."""
_MAX_NAME: Final = 100
"""Characters of a tensor's name that are shown."""
_MAX_SHARD: Final = 20_000
"""Tensors of a file in which single modules are looked for, if no layout stands out."""
_MIN_SHARD: Final = 8
_SHARDED: Final[tuple[Kind, ...]] = ("diffusion_model", "text_encoder")
_TRAINED: Final = frozenset({"checkpoint", "diffusion_model", "lora", "text_encoder"})
"""Kinds whose metadata speak of the model itself."""
_EMBEDDED: Final = {768: "embedding-sd15", 1024: "embedding-sd2"}
"""Width of a lone vector: whose text encoder has it."""
_MAX_VECTORS: Final = 256
_OPTIMIZER: Final = frozenset({"exp_avg", "exp_avg_sq", "momentum_buffer", "exp_avg_res_row"})
"""Last parts of the names of optimizer states (torch.optim and ostris/ai-toolkit's own)."""

# Encoders that a LoRA changes, without anything else: the models that have them. Source: the
# text encoders that comfy/supported_models.py of comfyanonymous/ComfyUI lists for each model.
_BY_ENCODER: Final = {
    "clip-l": ("sd15", "sdxl", "flux1", "sd3-medium", "sd35-medium", "sd35-large"),
    "clip-g": ("sdxl", "sd3-medium", "sd35-medium", "sd35-large"),
    "clip-h": ("sd2",),
}
_SINGLE_ENCODER: Final = "lora_te_"
"""How sd-scripts names the text encoder of models that have one only."""


@frozen(kw_only=True)
class Recognition:
    """What a file of weights is."""

    kind: Kind
    """`checkpoint` is a diffusion model with a VAE or text encoders in the same file."""
    model: str | None = None
    """Our id of the model, None where the header cannot tell."""
    label: str | None = None
    """For people; of all candidates where there are several."""
    archs: tuple[str, ...] = ()
    """Ids of the trainer's architectures that fit; empty for parts and for what it cannot train."""
    candidates: tuple[str, ...] = ()
    """Ids of the models that fit, where these are several."""
    parts: tuple[str, ...] = ()
    """Of a checkpoint: `diffusion_model`, `vae`, `text_encoder:clip_l`."""
    why: str = ""
    """The tensors that decided, for a person."""
    network: Network | None = None
    """Of a LoRA."""
    said: str | None = None
    """What the file's own metadata call its base; not to be trusted."""
    agrees: bool | None = None
    """Whether that is what the tensors show, None where either is missing or not understood."""


def recognise(header: Header) -> Recognition:
    """Return what a file is.

    Args:
        header: Of the file.
    """
    said = claims.said_by(header.metadata)
    if not header.tensors:
        return Recognition(kind="unknown", why="the file holds no tensors", said=said)
    modules = modules_in(header.tensors)
    findings = find(header)
    if modules and all(finding.kind not in ("ip_adapter", "controlnet") for finding in findings):
        return _network(header, modules, said)
    if findings:
        return _parts(header, findings, said)
    return _other(header, said)


def _chosen(
    kind: Kind, ids: Iterable[str], why: str, said: str | None, *, parts: tuple[str, ...] = ()
) -> Recognition:
    models = [model_table()[each] for each in dict.fromkeys(ids)]
    names = tuple(model.id for model in models)
    archs = dict.fromkeys(arch for model in models for arch in model.archs)
    return Recognition(
        kind=kind,
        model=names[0] if len(names) == 1 else None,
        label=_label(models),
        archs=tuple(archs),
        candidates=names if len(names) > 1 else (),
        parts=parts,
        why=why,
        said=said,
        agrees=claims.agrees(said, names) if kind in _TRAINED else None,
    )


def _label(models: list[Model]) -> str | None:
    if len(models) == 1:
        return models[0].label
    return " or ".join(dict.fromkeys(model.family for model in models)) or None


# Full models ------------------------------------------------------------------------------------


def _parts(header: Header, findings: tuple[Finding, ...], said: str | None) -> Recognition:
    diffusion = [each for each in findings if each.kind == "diffusion_model"]
    main = diffusion[0] if diffusion else findings[0]
    parts = tuple(dict.fromkeys(_part(each) for each in findings))
    kind: Kind = main.kind
    if diffusion and len(parts) > 1:
        kind = "checkpoint"
    elif not diffusion and main.prefix and _has_unknown_model(header):
        return Recognition(
            kind="checkpoint",
            parts=("diffusion_model", *parts),
            why=f"has {_shown(header, main)} beside a diffusion model of an unknown layout",
            said=said,
        )
    shown = parts if len(parts) > 1 else ()
    if main.strangers:
        label = _label([model_table()[each] for each in main.models])
        more = ", ".join(name[:_MAX_NAME] for name in main.strangers)
        why = f"is like {label}, but that has no {more}"
        return Recognition(kind=kind, parts=shown, why=why, said=said)
    return _chosen(kind, main.models, _shown(header, main), said, parts=shown)


def _part(finding: Finding) -> str:
    if finding.kind in ("text_encoder", "clip_vision"):
        return f"{finding.kind}:{finding.models[0].replace('-', '_')}"
    return "audio_vae" if "audio" in finding.models[0] else finding.kind


def _has_unknown_model(header: Header) -> bool:
    return any(name.startswith("model.diffusion_model.") for name in header.tensors)


def _shown(header: Header, finding: Finding) -> str:
    layout = finding.layouts[0]
    shown = []
    for name, _ in layout.has[:_SHOWN]:
        tensor = header.tensors.get(finding.prefix + name)
        if tensor is not None:
            shown.append(f"{(finding.prefix + name)[:_MAX_NAME]} {_sizes(tensor.shape)}")
    return ", ".join(shown)


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "(one number)"


def _other(header: Header, said: str | None) -> Recognition:
    tails = {name.rpartition(".")[2] for name in header.tensors}
    if tails & _OPTIMIZER:
        tail = next(iter(sorted(tails & _OPTIMIZER)))
        return Recognition(kind="optimizer", why=f"has tensors named .{tail}", said=said)
    embedding = _embedding(header, said)
    if embedding is not None:
        return embedding
    if _MIN_SHARD <= len(header.tensors) <= _MAX_SHARD:
        names = {
            name.removesuffix(".weight"): (tensor.shape[0], tensor.shape[1])
            for name, tensor in header.tensors.items()
            if name.endswith(".weight") and len(tensor.shape) > 1
        }
        pairs = [(targets.target_of(name)[1], size) for name, size in names.items()]
        for kind in _SHARDED:
            fit = targets.fit(pairs, kind, joined=False)
            # Any layer that is left over would make it a relative, and no part of the model.
            if fit.layouts and fit.whole:
                why = f"{fit.known} of its layers fit, such as {fit.example}"
                return _chosen(kind, _counted(fit.layouts, loras=False), why, said)
    return Recognition(kind="unknown", why="its tensors are of no layout known here", said=said)


def _embedding(header: Header, said: str | None) -> Recognition | None:
    """Return a textual inversion as `diffusers` writes it: one tensor, named by its word."""
    if len(header.tensors) != 1:
        return None
    name, tensor = next(iter(header.tensors.items()))
    rows, width = ((1, *tensor.shape) if len(tensor.shape) == 1 else tensor.shape)[-2:] or (0, 0)
    if len(tensor.shape) not in (1, 2) or rows > _MAX_VECTORS or width not in _EMBEDDED:
        return None
    if name.rpartition(".")[2] in ("weight", "bias"):
        return None
    why = f"its one tensor is {name[:_MAX_NAME]} {_sizes(tensor.shape)}"
    return _chosen("embedding", [_EMBEDDED[width]], why, said)


# Networks ---------------------------------------------------------------------------------------


def _network(header: Header, modules: Mapping[str, Module], said: str | None) -> Recognition:
    by_target: dict[str, list[tuple[str, tuple[int, int] | None]]] = {}
    counts: dict[str, int] = {}
    raw: list[tuple[str, tuple[int, int] | None]] = []
    joined = False
    for name, module in modules.items():
        plain = plain_name(name)
        target, inner, is_joined = targets.target_of(plain)
        # XLabs' modules are parts of the model's own, so that their sizes differ.
        size = module.size if plain == name or "linear" not in inner else None
        joined = joined or is_joined
        by_target.setdefault(target, []).append((inner, size))
        raw.append((plain, size))
        counts[target] = counts.get(target, 0) + 1
    joined = joined or not any("." in name for name in modules)
    network = _described(header, modules, counts)
    fit, models = _fitting(by_target, raw, modules, joined=joined)
    if not models:
        recognition = Recognition(
            kind="lora", why=f"its {len(modules)} modules are of no model known here", said=said
        )
    else:
        why = f"{fit.known} of its {len(modules)} modules fit"
        if fit.example:
            why += f", such as {fit.example[:_MAX_NAME]}"
        recognition = _chosen("lora", models, why, said)
    return _with_network(recognition, network)


def _fitting(
    by_target: Mapping[str, list[tuple[str, tuple[int, int] | None]]],
    raw: list[tuple[str, tuple[int, int] | None]],
    names: Mapping[str, Module],
    *,
    joined: bool,
) -> tuple[targets.Fit, list[str]]:
    """Return what the modules of the diffusion model fit, or those of the encoders alone."""
    wanted = by_target.get("diffusion_model")
    if wanted is None:
        everything = [pair for pairs in by_target.values() for pair in pairs]
        fit = targets.fit(everything, "text_encoder", joined=joined)
        return fit, _by_encoders(by_target, names, joined=joined)
    fit = targets.fit(wanted, "diffusion_model", joined=joined)
    if not fit.layouts:  # what looked like a wrapper may be a part of the model's own names
        fit = targets.fit(raw, "diffusion_model", joined=joined)
    return fit, _counted(fit.layouts, loras=True)


def _counted(layouts: Iterable[Layout], *, loras: bool) -> list[str]:
    """Return the models of layouts in the order of the table, as LoRAs are counted."""
    table = model_table()
    ids = {model for layout in layouts for model in layout.models}
    counted = {table[each].lora_as if loras else each for each in ids}
    return [each for each in table if each in counted]


def _by_encoders(
    by_target: Mapping[str, list[tuple[str, tuple[int, int] | None]]],
    names: Mapping[str, Module],
    *,
    joined: bool,
) -> list[str]:
    left: list[str] | None = None
    for pairs in by_target.values():
        encoders = _counted(targets.fit(pairs, "text_encoder", joined=joined).layouts, loras=True)
        models = [model for each in encoders for model in _BY_ENCODER.get(each, ())]
        left = models if left is None else [model for model in left if model in models]
    if left and "sd15" in left:
        alone = next(iter(names)).startswith(_SINGLE_ENCODER)
        left = ["sd15"] if alone else left
    return left or []


def _described(header: Header, modules: Mapping[str, Module], counts: dict[str, int]) -> Network:
    ranks: dict[int, int] = {}
    linear: set[int] = set()
    for module in modules.values():
        rank = module.rank
        if rank is not None:
            ranks[rank] = ranks.get(rank, 0) + 1
            if module.is_linear:
                linear.add(rank)
    return Network(
        algorithm=algorithm_of(modules),
        naming=naming_of(modules, header.tensors),
        rank=next(iter(linear)) if len(linear) == 1 else None,
        ranks=dict(sorted(ranks.items())),
        alpha_tensors=sum(name.endswith(".alpha") for name in header.tensors),
        targets=counts,
        modules=len(modules),
    )


def _with_network(recognition: Recognition, network: Network) -> Recognition:
    return evolve(recognition, network=network)
