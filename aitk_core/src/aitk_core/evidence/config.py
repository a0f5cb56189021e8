"""What a job's config says that analysis needs, read tolerantly: a wrong value is a missing one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from attrs import frozen

from aitk_core.configkeys.facts import FLOW_SCHEDULERS


@frozen(kw_only=True)
class RunConfig:
    """The first process of a job config; None where the config does not say, or says nonsense."""

    name: str | None = None
    arch: str | None = None
    model_name: str | None = None
    steps: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    gradient_accumulation: int | None = None
    rank: int | None = None
    alpha: float | None = None
    resolution: tuple[int, ...] = ()
    low_vram: bool | None = None
    optimizer: str | None = None
    noise_scheduler: str | None = None
    dtype: str | None = None
    save_every: int | None = None
    max_step_saves_to_keep: int | None = None
    sample_every: int | None = None
    dataset_paths: tuple[str, ...] = ()
    uses_metrics: bool = False
    """Whether `logging.use_ui_logger` records metrics."""
    validates: bool = False
    """Whether `train.validation_config` is set."""

    @property
    def effective_batch(self) -> int:
        """Return samples averaged in one logged loss; 1 where the config does not say."""
        return (self.batch_size or 1) * (self.gradient_accumulation or 1)

    @property
    def prediction(self) -> Literal["noise", "flow"] | None:
        """Return `noise` or `flow`, or None where the scheduler is not known."""
        if self.noise_scheduler is None:
            return None
        return "flow" if self.noise_scheduler in FLOW_SCHEDULERS else "noise"


def first_process(config: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the first process of a job config; empty where there is none."""
    processes = _mapping(_mapping(config).get("config")).get("process")
    return _mapping(processes[0] if isinstance(processes, list) and processes else None)


def read_config(config: Mapping[str, Any] | None) -> RunConfig:
    """Return what a job config says.

    Args:
        config: As the backend stores it: `{"job", "config": {"name", "process": [...]}}`.
    """
    inner = _mapping(_mapping(config).get("config"))
    process = first_process(config)
    train, model = _mapping(process.get("train")), _mapping(process.get("model"))
    network, save = _mapping(process.get("network")), _mapping(process.get("save"))
    datasets = process.get("datasets")
    sets = [_mapping(item) for item in datasets] if isinstance(datasets, list) else []
    logging = _mapping(process.get("logging"))
    return RunConfig(
        name=_text(inner.get("name")),
        arch=_text(model.get("arch")),
        model_name=_text(model.get("name_or_path")),
        steps=_positive(train.get("steps")),
        learning_rate=_number(train.get("lr")),
        batch_size=_positive(train.get("batch_size")),
        gradient_accumulation=_positive(train.get("gradient_accumulation")),
        # The older name wins in the trainer, too.
        rank=_positive(network.get("rank")) or _positive(network.get("linear")),
        alpha=_number(network.get("linear_alpha", network.get("alpha"))),
        resolution=_resolutions(sets),
        low_vram=model["low_vram"] if isinstance(model.get("low_vram"), bool) else None,
        optimizer=_text(train.get("optimizer")),
        noise_scheduler=_text(train.get("noise_scheduler")),
        dtype=_text(train.get("dtype")),
        save_every=_positive(save.get("save_every")),
        max_step_saves_to_keep=_whole(save.get("max_step_saves_to_keep")),
        sample_every=_positive(_mapping(process.get("sample")).get("sample_every")),
        dataset_paths=tuple(
            path
            for item in sets
            # The trainer's own order: `dataset_path` wins where both are given.
            if (path := _text(item.get("dataset_path")) or _text(item.get("folder_path")))
        ),
        uses_metrics=logging.get("use_ui_logger") is True,
        validates=bool(_mapping(train.get("validation_config")).get("validation_items")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _positive(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _number(value: Any) -> float | None:
    if type(value) not in (int, float) or not math.isfinite(value):
        return None
    return float(value)


def _resolutions(sets: list[Mapping[str, Any]]) -> tuple[int, ...]:
    found: set[int] = set()
    for item in sets:
        value = item.get("resolution")
        values = value if isinstance(value, list) else [value]
        found |= {v for v in values if type(v) is int and v > 0}
    return tuple(sorted(found))
