"""A job config as the backend's new-job form would make it, with the caller's values on top."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import attrs

from aitk_core.configkeys.archs import ArchMatch, resolve_arch
from aitk_core.configkeys.form import CONTROL_KEYS, form_process, put
from aitk_core.configkeys.names import checked_name
from aitk_core.errors import InvalidArgumentsError
from aitk_training.configs.notes import notes_of
from aitk_training.configs.validate import check_config

if TYPE_CHECKING:
    from aitk_core.configkeys.archs import Arch

JobConfig: TypeAlias = dict[str, Any]
ValueSource: TypeAlias = Literal["argument", "arch_default", "form_default", "rank"]


_CALLER_KEYS: Final[Mapping[str, str]] = {
    "batch_size": "train.batch_size",
    "learning_rate": "train.lr",
    "steps": "train.steps",
    "rank": "network.linear",
    "alpha": "network.linear_alpha",
    "low_vram": "model.low_vram",
    "save_every": "save.save_every",
    "sample_every": "sample.sample_every",
}
"""Field of the request to dotted key below `process[0]`."""


@attrs.frozen(kw_only=True)
class ValidationImage:
    """One held-out picture whose loss the trainer follows."""

    image_path: str
    """As the backend sees it."""
    prompt: str


@attrs.frozen(kw_only=True)
class ConfigRequest:
    """What a caller wants; None leaves a value to the form's default for the architecture."""

    name: str
    model_name: str
    dataset_path: str
    """Absolute, as the backend sees it."""
    arch: str | None = None
    resolution: int | tuple[int, ...] | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    steps: int | None = None
    rank: int | None = None
    alpha: float | None = None
    use_wandb: bool = False
    low_vram: bool | None = None
    trigger_word: str | None = None
    test_prompts: tuple[str, ...] = ()
    disable_sampling: bool = False
    save_every: int | None = None
    sample_every: int | None = None
    control_paths: tuple[str, ...] = ()
    """Folders of control images, for architectures that take them."""
    validation_images: tuple[ValidationImage, ...] = ()
    validate_every: int | None = None


@attrs.frozen(kw_only=True)
class BuiltConfig:
    """A config, and what its author should know."""

    config: JobConfig
    match: ArchMatch
    sources: Mapping[str, ValueSource]
    """Where each value that a caller may give comes from, by field of the request."""
    notes: tuple[str, ...]


def build_config(request: ConfigRequest, *, training_folder: str) -> BuiltConfig:
    """Build the config of a new job.

    The process is the form's for the architecture; the caller's values come last.

    Args:
        request: What the caller wants.
        training_folder: The backend's own `TRAINING_FOLDER`.

    Raises:
        InvalidArgumentsError: The name, a number or a text cannot be used, the architecture
            cannot be told, or takes no such control images.
    """
    request = attrs.evolve(request, name=checked_name(request.name))
    match = resolve_arch(request.model_name, request.arch)
    process = form_process(match.arch)
    process["training_folder"] = training_folder
    sources = _apply_request(process, request, match.arch)
    config: JobConfig = {
        "job": "extension",
        "config": {"name": request.name, "process": [process]},
        "meta": {"name": "[name]", "version": "1.0"},
        "training_metadata": _metadata(process, request),
    }
    check_config(config, name=request.name)
    notes = notes_of(process, match, use_wandb=request.use_wandb)
    return BuiltConfig(config=config, match=match, sources=sources, notes=notes)


def _apply_request(
    process: dict[str, Any], request: ConfigRequest, arch: Arch
) -> dict[str, ValueSource]:
    sources: dict[str, ValueSource] = {}
    for name, path in _CALLER_KEYS.items():
        value = getattr(request, name)
        if value is not None:
            put(process, path, value)
        sources[name] = _source(path, arch, given=value is not None)
    if request.rank is not None:
        _follow_rank(process["network"], request.rank)
        if request.alpha is None:
            process["network"]["linear_alpha"] = request.rank
            sources["alpha"] = "rank"
    _apply_dataset(process["datasets"][0], request, arch)
    sources["resolution"] = "argument" if request.resolution is not None else "form_default"
    process["model"]["name_or_path"] = request.model_name.strip()
    process["train"]["disable_sampling"] = request.disable_sampling
    process["trigger_word"] = (request.trigger_word or "").strip() or None
    prompts = request.test_prompts or tuple(filter(None, [process["trigger_word"]]))
    process["sample"]["samples"] = [{"prompt": prompt} for prompt in prompts]
    if request.validation_images:
        _apply_validation(process["train"], request)
    if request.use_wandb:
        _apply_wandb(process, request.name)
    return sources


def _source(path: str, arch: Arch, *, given: bool) -> ValueSource:
    if given:
        return "argument"
    block, _, leaf = path.partition(".")
    whole = arch.selected.get(block)
    named = path in arch.selected or (isinstance(whole, Mapping) and leaf in whole)
    return "arch_default" if named else "form_default"


def _follow_rank(network: dict[str, Any], rank: int) -> None:
    # Half the rank for convolutions, as in the contract and in the form's own skeleton (32, 16);
    # architectures without such layers have no key for them.
    for key in ("conv", "conv_alpha"):
        if key in network:
            network[key] = max(1, rank // 2)


def _apply_dataset(dataset: dict[str, Any], request: ConfigRequest, arch: Arch) -> None:
    dataset["folder_path"] = request.dataset_path
    if isinstance(request.resolution, int):
        dataset["resolution"] = [request.resolution]
    elif request.resolution is not None:
        dataset["resolution"] = list(request.resolution)
    if not request.control_paths:
        return
    keys = tuple(key for key in ("control_path", *CONTROL_KEYS) if key in dataset)
    if len(request.control_paths) > len(keys):
        message = f"arch {arch.id!r} takes {len(keys)} control folders"
        others = f"; {arch.id} trains on plain images" if not keys else ""
        raise InvalidArgumentsError(
            f"{message}, not {len(request.control_paths)}{others}",
            remedy="pass the arch of the edit model, or fewer control folders",
            faults=[{"path": "/control_paths", "message": message}],
        )
    dataset.update(zip(keys, request.control_paths, strict=False))


def _apply_validation(train: dict[str, Any], request: ConfigRequest) -> None:
    items = [attrs.asdict(image) for image in request.validation_images]
    train["validation_config"] = {"validation_items": items}
    if request.validate_every is not None:
        train["validation_config"]["validate_every_n_steps"] = request.validate_every


def _apply_wandb(process: dict[str, Any], name: str) -> None:
    project = f"lora-training-{name}"
    # The contract's block, which the trainer does not read, and the keys that it does read.
    process["wandb"] = {"enabled": True, "project": project, "run_name": name}
    process["logging"].update(use_wandb=True, project_name=project, run_name=name)


def _metadata(process: Mapping[str, Any], request: ConfigRequest) -> dict[str, Any]:
    resolution = request.resolution
    if not isinstance(resolution, int):
        resolution = process["datasets"][0]["resolution"]
    return {
        "trigger_word": process["trigger_word"] or "",
        "test_prompts": list(request.test_prompts),
        "model_name": request.model_name.strip(),
        "dataset_path": request.dataset_path,
        "resolution": deepcopy(resolution),
        "steps": process["train"]["steps"],
        "rank": process["network"]["linear"],
        "alpha": process["network"]["linear_alpha"],
        "learning_rate": process["train"]["lr"],
    }
