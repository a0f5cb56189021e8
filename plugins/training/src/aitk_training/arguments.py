"""Arguments of the training tools; names are the contract's, what is new is optional.

The contract's defaults of create-training-config are applied by its handler, not written into
the schema: a client that fills them in could not clone a job without changing it.
"""

from __future__ import annotations

from typing import Any, Literal

from attrs import frozen

from aitk_core.arguments import arg

_JOB = "Job id from list-training-jobs."
_NAME = {"min_length": 1, "max_length": 100}
_ID = {"min_length": 1, "max_length": 128}
_TEXT = {"min_length": 1, "max_length": 1024}


@frozen(kw_only=True)
class CreateTrainingConfig:
    """Arguments of create-training-config."""

    name: str = arg(description="Config and job name.", **_NAME)
    model_name: str | None = arg(
        None, description="Hub id, path, or file below the model roots; required to build.", **_TEXT
    )
    dataset_path: str | None = arg(
        None, description="Dataset folder as the backend sees it; required to build.", **_TEXT
    )
    arch: str | None = arg(
        None, description="Backend architecture id; default: by model_name.", max_length=64
    )
    resolution: int | None = arg(
        None, description="Pixels; default 512.", minimum=16, maximum=16384
    )
    batch_size: int | None = arg(None, description="Default 1.", minimum=1, maximum=4096)
    learning_rate: float | None = arg(
        None, description="Default 0.0002.", exclusive_minimum=0, maximum=100
    )
    steps: int | None = arg(None, description="Default 1000.", minimum=1, maximum=10_000_000)
    rank: int | None = arg(None, description="Default 16.", minimum=1, maximum=8192)
    alpha: int | None = arg(None, description="Default 16.", minimum=1, maximum=65536)
    use_wandb: bool | None = arg(
        None, description="Log to Weights & Biases, not to the backend; default false."
    )
    low_vram: bool | None = arg(None, description="Default true.")
    trigger_word: str | None = arg(None, description="Trigger word.", max_length=200)
    test_prompts: tuple[str, ...] | None = arg(
        None,
        description="Sample prompts; default: the trigger word.",
        max_items=100,
        items={"max_length": 4000},
    )
    disable_sampling: bool | None = arg(None, description="Make no samples; default false.")
    overrides: dict[str, Any] | None = arg(
        None, description="Values by dotted path, such as {'process.0.train.steps': 500}."
    )
    clone_job_id: str | None = arg(
        None, description="Start from this job's config; only what is given changes.", **_ID
    )
    overwrite: bool = arg(False, description="Replace a saved config of that name.")


@frozen(kw_only=True)
class ListConfigs:
    """Arguments of list-configs: none."""


@frozen(kw_only=True)
class GetConfig:
    """Arguments of get-config."""

    name: str = arg(description="Name from list-configs.", **_NAME)


@frozen(kw_only=True)
class GetTrainingInfo:
    """Arguments of get-training-info."""

    name: str = arg(description="Name from list-configs.", **_NAME)


@frozen(kw_only=True)
class StartTraining:
    """Arguments of start-training."""

    config_name: str | None = arg(
        None, description="Saved config to train; this or job_id.", **_NAME
    )
    job_id: str | None = arg(None, description="Existing job to start again.", **_ID)
    gpu_ids: str | None = arg(
        None,
        description="GPUs such as '0' or '0,1'; default: the job's own, '0' for a new job.",
        min_length=1,
        max_length=255,
    )
    resume: bool = arg(False, description="Go on from the newest checkpoint of an earlier run.")
    replace_config: bool = arg(
        False, description="Replace the config stored in a job of that name where it differs."
    )


@frozen(kw_only=True)
class StopTraining:
    """Arguments of stop-training."""

    job_id: str = arg(description=_JOB, **_ID)
    recover: bool = arg(
        False, description="Free the row of a run that is stuck or dead; refused while it lives."
    )
    save_first: bool = arg(False, description="Save a checkpoint first, so that no step is lost.")


@frozen(kw_only=True)
class GetTrainingStatus:
    """Arguments of get-training-status."""

    job_id: str | None = arg(
        None, description="Job id; without it: backend, queues, folders.", **_ID
    )
    observe_seconds: float = arg(
        2,
        description="Seconds between two looks where one look cannot tell; 0: never.",
        minimum=0,
        maximum=20,
    )


StatusFilter = Literal["queued", "running", "stopped", "completed", "error", "active"]


@frozen(kw_only=True)
class ListTrainingJobs:
    """Arguments of list-training-jobs."""

    limit: int = arg(50, description="Jobs to return.", minimum=1, maximum=500)
    status: StatusFilter | None = arg(None, description="Only these; active: queued or running.")
    query: str | None = arg(
        None, description="Part of the name, any case.", min_length=1, max_length=100
    )
    cursor: str | None = arg(
        None, description="next_cursor of the page before.", pattern="^[0-9]{1,9}$"
    )
