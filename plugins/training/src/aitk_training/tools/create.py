"""create-training-config: by architecture, or as a changed copy of a past job's config."""

from __future__ import annotations

from copy import deepcopy
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from aitk_core.configkeys.names import checked_name
from aitk_core.convert import unstructure
from aitk_core.errors import BackendError, ConflictError, InvalidArgumentsError, NotFoundError
from aitk_core.records.results import ToolResult
from aitk_core.services.modelfiles import FoundModel, find_model
from aitk_training.configs.build import ConfigRequest, build_config
from aitk_training.configs.describe import training_info
from aitk_training.configs.paths_dotted import Change, apply_overrides
from aitk_training.configs.validate import check_config
from aitk_training.text import bullets, one_line
from aitk_training.tools.configs import store_of
from aitk_training.tools.models import check_flux_model
from aitk_training.tools.outputs_configs import ConfigChange, CreatedConfig, ValueOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext
    from aitk_training.arguments import CreateTrainingConfig
    from aitk_training.configs.build import BuiltConfig
    from aitk_training.configs.describe import TrainingInfo

_CONTRACT_FOLDER: Final = "/ai-toolkit/outputs"
"""Where the contract's configs train to (contract/TOOLS.md section 1)."""
_DEFAULTS: Final[Mapping[str, Any]] = {
    "resolution": 512,
    "batch_size": 1,
    "learning_rate": 0.0002,
    "steps": 1000,
    "rank": 16,
    "alpha": 16,
    "low_vram": True,
}
"""What automation gets that names no value (contract/TOOLS.md section 1)."""
_LEAST_SAVE_EVERY: Final = 250
_SAVES: Final = 10
"""A tenth of the run, but no less than 250 steps (contract/TOOLS.md section 1)."""

_PATHS: Final[Mapping[str, str]] = {
    "model_name": "process.0.model.name_or_path",
    "dataset_path": "process.0.datasets.0.folder_path",
    "resolution": "process.0.datasets.0.resolution",
    "batch_size": "process.0.train.batch_size",
    "learning_rate": "process.0.train.lr",
    "steps": "process.0.train.steps",
    "rank": "process.0.network.linear",
    "alpha": "process.0.network.linear_alpha",
    "low_vram": "process.0.model.low_vram",
    "trigger_word": "process.0.trigger_word",
    "test_prompts": "process.0.sample.samples",
    "disable_sampling": "process.0.train.disable_sampling",
}
"""Argument to dotted path, as the backend's form has them (backend/API.md section 14.2)."""
_ALSO_TOLD: Final[Mapping[str, str]] = {
    "arch": "process.0.model.arch",
    "save_every": "process.0.save.save_every",
    "sample_every": "process.0.sample.sample_every",
    "training_folder": "process.0.training_folder",
    "optimizer": "process.0.train.optimizer",
    "noise_scheduler": "process.0.train.noise_scheduler",
    "timestep_type": "process.0.train.timestep_type",
    "quantize": "process.0.model.quantize",
}
"""Values without an argument whose source is told too."""


@frozen(kw_only=True)
class _Draft:
    """A config before overrides."""

    config: dict[str, Any]
    sources: dict[str, ValueOrigin]
    notes: list[str] = field(factory=list)
    changes: tuple[Change, ...] = ()
    found: FoundModel | None = None


async def create_training_config(
    arguments: CreateTrainingConfig, context: ToolContext
) -> ToolResult:
    """Build or copy a config, check it and save it; the backend need not be there to build.

    Raises:
        InvalidArgumentsError: A value is missing or cannot be used.
        ConflictError: There is a config of that name and `overwrite` is off.
        JobNotFoundError: There is no job to clone.
    """
    name = checked_name(arguments.name)
    _check_told_once(arguments)
    store = store_of(context)
    existing = await context.run(store.file_name, name)
    if existing is not None and not arguments.overwrite:
        raise ConflictError(
            f"there is a saved config {name!r} already; nothing was changed",
            remedy="choose another name, or say overwrite true",
            name=name,
        )
    if arguments.clone_job_id is None:
        draft = await _built(arguments, context, name)
    else:
        draft = await _cloned(arguments, context, name)
    config, changes = apply_overrides(draft.config, arguments.overrides or {})
    _mark_overrides(draft, changes)
    if changes or arguments.clone_job_id is not None:
        _refresh_metadata(config)
    check_config(config, name=name)
    path = await context.run(lambda: store.write(name, config, overwrite=arguments.overwrite))
    draft.notes.extend(_change_notes(changes))
    draft.notes.extend(_dataset_notes(config))
    data = _record(
        name=name,
        path=str(path),
        draft=draft,
        config=config,
        changes=(*draft.changes, *changes),
        overwritten=existing is not None,
        cloned_from=arguments.clone_job_id,
    )
    return ToolResult(data=unstructure(data), summary=_text(data))


def _check_told_once(arguments: CreateTrainingConfig) -> None:
    overridden = {path.removeprefix("config.") for path in arguments.overrides or {}}
    twice = [
        (key, path)
        for key, path in {**_PATHS, "arch": _ALSO_TOLD["arch"]}.items()
        if path in overridden and getattr(arguments, key) is not None
    ]
    if twice:
        message = f"{twice[0][0]!r} and the override {twice[0][1]!r} are the same value"
        raise InvalidArgumentsError(
            message,
            remedy="tell each value once",
            faults=[{"path": f"/{key}", "message": f"also in {path!r}"} for key, path in twice],
        )


async def _training_folder(context: ToolContext) -> tuple[str, ValueOrigin, str | None]:
    """Return the folder, where it is known from, and what to say about it."""
    try:
        folder = (await context.backend.settings()).training_folder
        why = "it names none"
    except BackendError as error:
        folder, why = None, f"{error.code}"
    if folder:
        return folder, "backend", None
    try:
        outputs, source = str(context.paths.root("outputs")), "server"
    except NotFoundError:
        outputs, source = _CONTRACT_FOLDER, "contract_default"
    note = (
        f"the backend did not tell its training folder ({why}), so {outputs!r} stands in; "
        "start-training puts the backend's own in its place"
    )
    return outputs, "server" if source == "server" else "contract_default", note


async def _built(arguments: CreateTrainingConfig, context: ToolContext, name: str) -> _Draft:
    if arguments.model_name is None or arguments.dataset_path is None:
        missing = [
            each for each in ("model_name", "dataset_path") if getattr(arguments, each) is None
        ]
        raise InvalidArgumentsError(
            f"{' and '.join(missing)} must be given, or clone_job_id",
            remedy="name the model and the dataset folder, or the job whose config to start from",
            faults=[{"path": f"/{each}", "message": "is required"} for each in missing],
        )
    found = await find_model(context, arguments.model_name)
    folder, folder_source, folder_note = await _training_folder(context)
    given = {key: getattr(arguments, key) for key in _DEFAULTS}
    values = {key: _DEFAULTS[key] if each is None else each for key, each in given.items()}
    every = max(_LEAST_SAVE_EVERY, values["steps"] // _SAVES)
    request = ConfigRequest(
        name=name,
        model_name=arguments.model_name if found is None else str(found.path),
        dataset_path=arguments.dataset_path,
        arch=arguments.arch,
        use_wandb=bool(arguments.use_wandb),
        trigger_word=arguments.trigger_word,
        test_prompts=arguments.test_prompts or (),
        disable_sampling=bool(arguments.disable_sampling),
        save_every=every,
        sample_every=every,
        **values,
    )
    built = build_config(request, training_folder=folder)
    check_flux_model(built.match.arch, request.model_name, found, context)
    sources = _sources_of_built(built, given)
    sources["training_folder"] = folder_source
    notes = [*built.notes, *([folder_note] if folder_note else [])]
    if arguments.rank is not None and arguments.alpha is None and arguments.rank != values["alpha"]:
        notes.append(
            f"alpha stays at the contract's {values['alpha']}, so the LoRA's strength is "
            f"{values['alpha'] / arguments.rank:.3g}; pass alpha equal to rank for 1"
        )
    return _Draft(config=built.config, sources=sources, notes=notes, found=found)


def _sources_of_built(built: BuiltConfig, given: Mapping[str, Any]) -> dict[str, ValueOrigin]:
    sources: dict[str, ValueOrigin] = {
        key: "contract_default" if value is None else "argument" for key, value in given.items()
    }
    sources["arch"] = built.match.source
    sources["save_every"] = sources["sample_every"] = "contract_default"
    selected = built.match.arch.selected
    for key in ("optimizer", "noise_scheduler", "timestep_type", "quantize"):
        path = _ALSO_TOLD[key].removeprefix("process.0.")
        sources[key] = "arch_default" if path in selected else "form_default"
    return sources


async def _cloned(arguments: CreateTrainingConfig, context: ToolContext, name: str) -> _Draft:
    if arguments.arch is not None:
        message = "arch cannot be changed in a copy: its other defaults would not fit"
        raise InvalidArgumentsError(
            message,
            remedy="leave clone_job_id out and build a config for that architecture",
            faults=[{"path": "/arch", "message": message}],
        )
    job = await context.backend.job(str(arguments.clone_job_id))
    inner = (job.config or {}).get("config")
    processes = inner.get("process") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(processes, list) or not processes:
        raise ConflictError(
            f"job {job.id!r} has no config that can be copied",
            remedy="build a config from model_name and dataset_path",
            job_id=job.id,
            faults=list(job.faults),
        )
    config = deepcopy(dict(job.config or {}))
    config["config"]["name"] = name
    notes: list[str] = []
    process = config["config"]["process"][0]
    folder, source, note = await _training_folder(context)
    sources: dict[str, ValueOrigin] = dict.fromkeys((*_DEFAULTS, *_ALSO_TOLD), "job")
    if source == "backend" and isinstance(process, dict):
        process["training_folder"] = folder
        sources["training_folder"] = source
    elif note:
        notes.append("the job's own training folder is kept: the backend did not tell its own")
    given = _given(arguments)
    config, changes = apply_overrides(config, {_PATHS[key]: given[key] for key in given})
    sources.update(dict.fromkeys(given, "argument"))
    if isinstance(process, dict):
        notes += _logging(config["config"]["process"][0], name, use_wandb=arguments.use_wandb)
    return _Draft(config=config, sources=sources, notes=notes, changes=changes)


def _given(arguments: CreateTrainingConfig) -> dict[str, Any]:
    """Return what the caller told, as the config holds it."""
    values = {key: getattr(arguments, key) for key in _PATHS if getattr(arguments, key) is not None}
    if "resolution" in values:
        values["resolution"] = [values["resolution"]]
    if "test_prompts" in values:
        values["test_prompts"] = [{"prompt": each} for each in values["test_prompts"]]
    return values


def _logging(process: dict[str, Any], name: str, *, use_wandb: bool | None) -> list[str]:
    """See to it that the copy records metrics, and return what was changed for that."""
    block = process.get("logging")
    block = process["logging"] = dict(block) if isinstance(block, dict) else {}
    if use_wandb is not None:
        block["use_wandb"] = use_wandb
    if block.get("use_wandb"):
        block.update(project_name=f"lora-training-{name}", run_name=name)
        return ["Weights & Biases wins over the backend's own logger: no loss table (use_wandb)"]
    if block.get("use_ui_logger") is True:
        return []
    block["use_ui_logger"] = True
    block.setdefault("log_every", 1)
    return ["logging.use_ui_logger was switched on, so that metrics are recorded"]


def _mark_overrides(draft: _Draft, changes: tuple[Change, ...]) -> None:
    fields = {path: key for key, path in {**_PATHS, **_ALSO_TOLD}.items()}
    for change in changes:
        key = fields.get(change.path)
        if key is not None:
            draft.sources[key] = "override"


def _refresh_metadata(config: dict[str, Any]) -> None:
    """Let the block that other readers of the contract go by say what the config now says."""
    told = training_info({"config": config.get("config")})
    resolution: Any = list(told.resolution)
    config["training_metadata"] = {
        "trigger_word": told.trigger_word or "",
        "test_prompts": list(told.prompts),
        "model_name": told.model,
        "dataset_path": told.dataset_paths[0] if told.dataset_paths else None,
        "resolution": resolution[0] if len(resolution) == 1 else resolution,
        "steps": told.steps,
        "rank": told.rank,
        "alpha": told.alpha,
        "learning_rate": told.learning_rate,
    }


def _change_notes(changes: tuple[Change, ...]) -> list[str]:
    notes = []
    for change in changes:
        if change.added:
            near = "" if change.nearest is None else f", did you mean {change.nearest!r}"
            notes.append(
                f"{change.path!r} was not there before, and the backend ignores keys that it does "
                f"not know{near}"
            )
        if change.path == _ALSO_TOLD["arch"]:
            notes.append("an override of the arch does not bring its other defaults; pass arch")
    return notes


def _dataset_notes(config: Mapping[str, Any]) -> list[str]:
    return [
        f"dataset path {one_line(path)!r} is relative: the trainer takes it from its own folder"
        for path in training_info(config).dataset_paths
        if not PurePosixPath(path).is_absolute() and not PureWindowsPath(path).is_absolute()
    ]


def _record(
    *,
    name: str,
    path: str,
    draft: _Draft,
    config: Mapping[str, Any],
    changes: tuple[Change, ...],
    overwritten: bool,
    cloned_from: str | None,
) -> CreatedConfig:
    told: TrainingInfo = training_info({"config": config["config"]})
    process = config["config"]["process"][0]
    low_vram = process["model"].get("low_vram") if isinstance(process.get("model"), dict) else None
    return CreatedConfig(
        name=name,
        path=path,
        overwritten=overwritten,
        model=told.model or "",
        requested_model=None if draft.found is None else draft.found.requested,
        arch=told.arch,
        dataset_path=told.dataset_paths[0] if told.dataset_paths else None,
        training_folder=str(process.get("training_folder") or ""),
        resolution=told.resolution,
        batch_size=told.batch_size,
        learning_rate=told.learning_rate,
        steps=told.steps,
        rank=told.rank,
        alpha=told.alpha,
        low_vram=low_vram if isinstance(low_vram, bool) else None,
        kept_checkpoints=told.kept_checkpoints,
        value_sources=draft.sources,
        changes=tuple(ConfigChange(path=each.path, old=each.old, new=each.new) for each in changes),
        cloned_from=cloned_from,
        notes=tuple(draft.notes),
    )


def _text(data: CreatedConfig) -> str:
    verb = "replaced" if data.overwritten else "created"
    lines = [f"Training configuration '{data.name}' {verb}.", ""]
    model = one_line(data.model)
    if data.requested_model is not None:
        model = f"{one_line(data.requested_model)}, found as {model}"

    def with_source(key: str, value: object) -> str:
        source = data.value_sources.get(key, "")
        return "" if value is None else f"{value} ({source.replace('_', ' ')})"

    lines += bullets(
        (
            ("Saved to", data.path),
            ("Copied from job", data.cloned_from),
            ("Model", model),
            ("Architecture", with_source("arch", data.arch)),
            ("Dataset", one_line(data.dataset_path)),
            ("Steps", with_source("steps", data.steps)),
            ("Rank", with_source("rank", data.rank)),
            ("Alpha", with_source("alpha", data.alpha)),
            ("Learning rate", with_source("learning_rate", data.learning_rate)),
            ("Resolution", with_source("resolution", ", ".join(map(str, data.resolution)))),
            ("Trains to", one_line(data.training_folder)),
        )
    )
    lines += [
        f"- Changed: {each.path}: {one_line(repr(each.old), 80)} to {one_line(repr(each.new), 80)}"
        for each in data.changes
    ]
    lines += [f"- Note: {one_line(note)}" for note in data.notes]
    return "\n".join([*lines, "", f"Start it with start-training, config_name {data.name!r}."])
