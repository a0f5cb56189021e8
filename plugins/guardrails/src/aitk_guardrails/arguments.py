"""Arguments of the guardrail tools; names are the contract's, what is new is optional."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from aitk_core.arguments import arg

_NAME = {"min_length": 1, "max_length": 100}
_TEXT = {"min_length": 1, "max_length": 1024}
_FILES = {"minimum": 100, "maximum": 20_000}


@frozen(kw_only=True)
class ValidateTrainingConfig:
    """Arguments of validate-training-config."""

    config_name: str | None = arg(None, description="Saved config from list-configs.", **_NAME)
    config: dict[str, Any] | str | None = arg(
        None, description="The config itself: an object, or JSON or YAML text; wins over the name."
    )
    name: str | None = arg(None, description="Of a draft: job name.", **_NAME)
    model_name: str | None = arg(
        None, description="Of a draft: Hub id, path, or file below the model roots.", **_TEXT
    )
    dataset_path: str | None = arg(None, description="Of a draft: dataset folder.", **_TEXT)
    arch: str | None = arg(
        None, description="Of a draft: backend architecture id; default: by model.", max_length=64
    )
    resolution: int = arg(512, description="Of a draft: pixels.")
    batch_size: int = arg(1, description="Of a draft.")
    steps: int = arg(1000, description="Of a draft.")
    learning_rate: float = arg(0.0002, description="Of a draft.")
    rank: int = arg(16, description="Of a draft.")
    alpha: int = arg(16, description="Of a draft.")
    low_vram: bool = arg(True, description="Of a draft.")
    trigger_word: str | None = arg(None, description="Of a draft.", max_length=200)
    test_prompts: tuple[str, ...] = arg(
        (), description="Of a draft: sample prompts.", max_items=100, items={"max_length": 4000}
    )
    use_wandb: bool = arg(False, description="Of a draft.")
    disable_sampling: bool = arg(False, description="Of a draft.")
    check_dataset: bool = arg(True, description="Look into the dataset folders.")
    max_dataset_files: int = arg(2000, description="Pictures looked at per folder.", **_FILES)
