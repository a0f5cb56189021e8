"""The part of an AI Toolkit job config that the sandbox trainer acts on.

Defaults are the trainer's, those that apply when a key is absent
(`toolkit/config_modules.py`), not the web form's. Unknown keys are ignored, as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

TRAINER_TYPES: Final = ("diffusion_trainer", "ui_trainer")
"""Process types that train here and report to the job row."""

_FLOAT_DTYPES: Final[dict[str, str]] = {
    "fp32": "fp32",
    "float32": "fp32",
    "float": "fp32",
    "bf16": "bf16",
    "bfloat16": "bf16",
    "fp16": "fp16",
    "float16": "fp16",
}


@attrs.frozen(kw_only=True)
class DatasetPlan:
    """One entry of `datasets`."""

    folder_path: str
    resolutions: tuple[int, ...] = (512,)
    caption_ext: str = "txt"
    default_caption: str = ""
    caption_dropout_fraction: float = 0.0
    num_repeats: int = 1
    flip_x: bool = False
    is_reg: bool = False
    trigger_word: str | None = None


@attrs.frozen(kw_only=True)
class SavePlan:
    """The `save` block."""

    every: int = 1000
    """Steps between saves; 0 saves only at the end."""
    keep: int = 5
    """Step saves to keep; 0 keeps all."""
    dtype: str = "fp16"


@attrs.frozen(kw_only=True)
class SamplePlan:
    """The `sample` block."""

    every: int = 100
    start_step: int = 0
    width: int = 512
    height: int = 512
    prompts: tuple[str, ...] = ()
    negative: str = ""
    seed: int = 0
    walk_seed: bool = False
    guidance_scale: float = 7.0
    steps: int = 20
    format: str = "jpg"


@attrs.frozen(kw_only=True)
class ValidationPlan:
    """The `train.validation_config` block."""

    items: tuple[tuple[str, str], ...]
    """Image path and prompt of each validation picture."""
    every: int = 10
    sigmas: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)


@attrs.frozen(kw_only=True)
class TrainPlan:
    """One training run as its config asks for it."""

    name: str
    training_folder: Path
    model_name: str
    steps: int = 1000
    batch_size: int = 1
    gradient_accumulation: int = 1
    lr: float = 1e-6
    optimizer: str = "adamw"
    optimizer_params: Mapping[str, Any] = attrs.field(factory=dict)
    lr_scheduler: str = "constant"
    lr_warmup_steps: int = 0
    max_grad_norm: float = 1.0
    max_loss: float | None = None
    dtype: str = "fp32"
    timestep_type: str = "sigmoid"
    content_or_style: str = "balanced"
    skip_first_sample: bool = False
    force_first_sample: bool = False
    disable_sampling: bool = False
    start_step: int | None = None
    seed: int | None = None
    rank: int = 4
    alpha: float = 1.0
    datasets: tuple[DatasetPlan, ...] = ()
    save: SavePlan = attrs.field(factory=SavePlan)
    sample: SamplePlan = attrs.field(factory=SamplePlan)
    validation: ValidationPlan | None = None
    use_ui_logger: bool = False
    log_every: int = 100
    performance_log_every: int = 0
    step_delay_s: float = 0.0
    """Pause after each step, from the sandbox's own key `process[0].sandbox.step_delay_s`."""

    @property
    def job_folder(self) -> Path:
        """Folder that the run writes to."""
        return self.training_folder / self.name


def read_plan(job_config: Mapping[str, Any]) -> TrainPlan:
    """Read the first process of a job config.

    Raises:
        KeyError: The config has no name or no process.
        ValueError: It asks for something that stops the AI Toolkit trainer at start, or for a
            kind of network that the sandbox does not have.
    """
    config = job_config["config"]
    process = config["process"][0]
    train, model = _block(process, "train"), _block(process, "model")
    if not model.get("name_or_path"):
        raise ValueError("model.name_or_path is required")
    name = str(config["name"])
    rank, alpha = _network(process)
    return TrainPlan(
        name=name,
        training_folder=Path(process["training_folder"]),
        model_name=str(model["name_or_path"]),
        rank=rank,
        alpha=alpha,
        datasets=tuple(
            _dataset(entry, process.get("trigger_word")) for entry in process.get("datasets") or ()
        ),
        save=_save(_block(process, "save")),
        sample=_sample(_block(process, "sample"), process.get("trigger_word")),
        validation=_validation(train.get("validation_config")),
        seed=process.get("training_seed"),
        performance_log_every=int(process.get("performance_log_every") or 0),
        step_delay_s=float(_block(process, "sandbox").get("step_delay_s") or 0.0),
        **_logging(_block(process, "logging")),
        **_train(train),
    )


def _block(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, Mapping) else {}


def _given(block: Mapping[str, Any], **kinds: Any) -> dict[str, Any]:
    """Return the keys that are present and not null, each converted by its kind."""
    return {key: kind(block[key]) for key, kind in kinds.items() if block.get(key) is not None}


def _network(process: Mapping[str, Any]) -> tuple[int, float]:
    network = _block(process, "network")
    if not network:
        raise ValueError("the sandbox trains LoRA networks only, the config has no network")
    kind = network.get("type", "lora")
    if kind != "lora":
        raise ValueError(f"the sandbox trains networks of type 'lora' only, not {kind!r}")
    # `rank` is the older name and wins over `linear` (API of the backend, network block).
    rank = int(network.get("rank") or network.get("linear") or 4)
    if rank < 1:
        raise ValueError(f"network.linear must be at least 1, not {rank!r}")
    alpha = network.get("linear_alpha")
    return rank, float(network.get("alpha", 1.0) if alpha is None else alpha)


def _train(train: Mapping[str, Any]) -> dict[str, Any]:
    accumulation = int(train.get("gradient_accumulation") or 1)
    if accumulation > 1 and int(train.get("gradient_accumulation_steps") or 1) != 1:
        raise ValueError(
            "gradient_accumulation and gradient_accumulation_steps are mutually exclusive"
        )
    if train.get("bypass_guidance_embedding") and train.get("do_guidance_loss"):
        raise ValueError("cannot use bypass_guidance_embedding and do_guidance_loss together")
    values = _given(
        train,
        steps=int,
        batch_size=int,
        gradient_accumulation=int,
        lr=float,
        optimizer=str,
        optimizer_params=dict,
        lr_scheduler=str,
        max_grad_norm=float,
        max_loss=float,
        timestep_type=str,
        content_or_style=str,
        skip_first_sample=bool,
        force_first_sample=bool,
        disable_sampling=bool,
        start_step=int,
    )
    scheduler = _block(train, "lr_scheduler_params")
    values["lr_warmup_steps"] = int(scheduler.get("num_warmup_steps") or 0)
    values["dtype"] = _dtype(train.get("dtype"), default="fp32")
    return values


def _dtype(value: object, *, default: str) -> str:
    if value is None:
        return default
    try:
        return _FLOAT_DTYPES[str(value)]
    except KeyError:
        raise ValueError(f"unknown dtype {value!r}") from None


def _logging(logging: Mapping[str, Any]) -> dict[str, Any]:
    return _given(logging, use_ui_logger=bool, log_every=int)


def _dataset(entry: Mapping[str, Any], trigger_word: str | None) -> DatasetPlan:
    resolution = entry.get("resolution") or 512
    resolutions = resolution if isinstance(resolution, list) else [resolution]
    return DatasetPlan(
        folder_path=str(entry.get("folder_path")),
        resolutions=tuple(int(value) for value in resolutions),
        caption_dropout_fraction=float(entry.get("caption_dropout_rate") or 0.0),
        trigger_word=entry.get("trigger_word") or trigger_word,
        **_given(
            entry, caption_ext=str, default_caption=str, num_repeats=int, flip_x=bool, is_reg=bool
        ),
    )


def _save(save: Mapping[str, Any]) -> SavePlan:
    save_format = save.get("save_format", "safetensors")
    if save_format not in ("safetensors", "diffusers"):
        raise ValueError(f"save_format must be safetensors or diffusers, got {save_format}")
    # A null save_every is the final save only, an absent one the default.
    every = save.get("save_every", 1000)
    return SavePlan(
        every=int(every or 0),
        keep=int(save.get("max_step_saves_to_keep", 5) or 0),
        dtype=_dtype(save.get("dtype"), default="fp16"),
    )


def _sample(sample: Mapping[str, Any], trigger_word: str | None) -> SamplePlan:
    prompts = [str(item.get("prompt", "")) for item in sample.get("samples") or ()]
    if "samples" not in sample:
        prompts = [str(prompt) for prompt in sample.get("prompts") or ()]
    values = _given(sample, seed=int, walk_seed=bool, guidance_scale=float, format=str)
    return SamplePlan(
        every=int(sample.get("sample_every", 100) or 0),
        start_step=int(sample.get("sample_start_step") or 0),
        width=_side(sample.get("width")),
        height=_side(sample.get("height")),
        # Everything from the first `--` on is flags (API of the backend, section 14.2).
        prompts=tuple(
            prompt.replace("[trigger]", trigger_word or "").split("--")[0].strip()
            for prompt in prompts
        ),
        negative=str(sample.get("neg") or ""),
        steps=int(sample.get("sample_steps") or 20),
        **values,
    )


def _side(value: object) -> int:
    pixels = 512 if value is None else int(str(value))
    return max(64, pixels // 8 * 8)


def _validation(block: object) -> ValidationPlan | None:
    if not isinstance(block, Mapping):
        return None
    items = tuple(
        (str(item.get("image_path")), str(item.get("prompt") or ""))
        for item in block.get("validation_items") or ()
    )
    if not items:
        return None
    return ValidationPlan(
        items=items,
        every=int(block.get("validate_every_n_steps") or 10),
        sigmas=tuple(
            float(value) for value in block.get("validation_sigmas") or (1, 0.75, 0.5, 0.25)
        ),
    )
