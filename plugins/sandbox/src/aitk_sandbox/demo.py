"""A complete job config that the sandbox trains in a few seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

MODEL_NAME: Final = "aitk-sandbox/tiny-denoiser"
DATASET: Final = "demo_pictures"
VALIDATION_DATASET: Final = "demo_pictures_validation"
VALIDATION_COUNT: Final = 4

_PROMPTS: Final = (
    "a red lantern over dark water at night",
    "a gold lantern over dark water at night",
)


def demo_config(
    name: str,
    *,
    steps: int = 300,
    lr: float = 2e-3,
    training_folder: Path | str,
    datasets_folder: Path | str,
    validation: bool = True,
    **overrides: Any,
) -> dict[str, Any]:
    """Return a job config in the AI Toolkit's own form.

    Args:
        name: Job name, also folder and file name.
        steps: Training steps; 300 take about 10 s.
        lr: Learning rate; around 2e-3 is good, 0.5 diverges.
        training_folder: The backend's training folder.
        datasets_folder: The backend's datasets folder, which holds the demo pictures.
        validation: Whether to measure the loss on held-out pictures with fixed noise.
        overrides: Blocks of the process to change: a mapping is merged into the block of that
            name (`train={"dtype": "fp16"}`), anything else replaces the value.
    """
    train: dict[str, Any] = {
        "batch_size": 1,
        "steps": steps,
        "gradient_accumulation": 1,
        "train_unet": True,
        "train_text_encoder": False,
        "gradient_checkpointing": False,
        "noise_scheduler": "ddpm",
        "optimizer": "adamw",
        "optimizer_params": {"weight_decay": 0.0001},
        "timestep_type": "sigmoid",
        "content_or_style": "balanced",
        "lr": lr,
        "dtype": "fp32",
        "loss_type": "mse",
        "skip_first_sample": False,
        "disable_sampling": False,
    }
    if validation:
        train["validation_config"] = _validation_config(Path(datasets_folder))
    process: dict[str, Any] = {
        "type": "diffusion_trainer",
        "training_folder": str(training_folder),
        "sqlite_db_path": "./aitk_db.db",
        "device": "cpu",
        "trigger_word": None,
        "performance_log_every": 10,
        "training_seed": 42,
        "network": {"type": "lora", "linear": 16, "linear_alpha": 16},
        "save": {
            "dtype": "float16",
            "save_every": max(1, steps // 3),
            "max_step_saves_to_keep": 4,
            "save_format": "safetensors",
            "push_to_hub": False,
        },
        "datasets": [
            {
                "folder_path": str(Path(datasets_folder) / DATASET),
                "caption_ext": "txt",
                "caption_dropout_rate": 0.05,
                "resolution": [64],
                "num_repeats": 1,
                "is_reg": False,
            }
        ],
        "train": train,
        "logging": {"log_every": 1, "use_ui_logger": True},
        "model": {"name_or_path": MODEL_NAME, "arch": "sd1", "quantize": False},
        "sample": {
            "sampler": "ddpm",
            "sample_every": max(1, steps // 3),
            "width": 256,
            "height": 256,
            "samples": [{"prompt": prompt} for prompt in _PROMPTS],
            "neg": "",
            "seed": 42,
            "walk_seed": True,
            "guidance_scale": 2,
            "sample_steps": 16,
            "format": "png",
        },
        # A pause after each step, so that a run is long enough to be watched.
        "sandbox": {"step_delay_s": 0.02},
    }
    for key, value in overrides.items():
        block = process.get(key)
        process[key] = {**block, **value} if isinstance(block, dict) else value
    return {
        "job": "extension",
        "config": {"name": name, "process": [process]},
        "meta": {"name": "[name]", "version": "1.0"},
    }


def _validation_config(datasets_folder: Path) -> dict[str, Any]:
    folder = datasets_folder / VALIDATION_DATASET
    return {
        "validation_items": [
            {
                "image_path": str(folder / f"lantern_{number:02d}.png"),
                "prompt": "a lantern over dark water at night",
            }
            for number in range(VALIDATION_COUNT)
        ],
        "resolution": 64,
        "validate_every_n_steps": 10,
        "validation_sigmas": [1, 0.75, 0.5, 0.25],
    }
