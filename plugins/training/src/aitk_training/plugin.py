"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import Lazy, ToolSpec
from aitk_training.arguments import (
    CreateTrainingConfig,
    GetConfig,
    GetTrainingInfo,
    GetTrainingStatus,
    ListConfigs,
    ListTrainingJobs,
    StartTraining,
    StopTraining,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable


@hookimpl
def aitk_tools() -> Iterable[ToolSpec]:
    """Declare the training tools."""
    yield from _config_tools()
    yield from _job_tools()


def _config_tools() -> Iterable[ToolSpec]:
    yield ToolSpec(
        name="create-training-config",
        title="Create training config",
        description=(
            "Saves a LoRA training config with the right defaults for the model's architecture, "
            "or a changed copy of a past job's config. Starts nothing; then use start-training."
        ),
        arguments=CreateTrainingConfig,
        contract="create-training-config.v1",
        handler=Lazy("aitk_training.tools.create:create_training_config"),
        read_only=False,
        # With `overwrite` it replaces a file.
        destructive=True,
        hint="To train: create-training-config, then start-training, then get-training-status.",
    )
    yield ToolSpec(
        name="list-configs",
        title="Saved configs",
        description="Lists the saved training configs, also those that cannot be read.",
        arguments=ListConfigs,
        contract="list-configs.v1",
        handler=Lazy("aitk_training.tools.configs:list_configs"),
    )
    yield ToolSpec(
        name="get-config",
        title="Saved config",
        description="Returns a saved training config whole; get-training-info gives the gist.",
        arguments=GetConfig,
        contract="get-config.v1",
        handler=Lazy("aitk_training.tools.configs:get_config"),
    )
    yield ToolSpec(
        name="get-training-info",
        title="What a config trains",
        description=(
            "Says what a saved config would train: model, steps, rank, prompts, and which "
            "checkpoints will survive."
        ),
        arguments=GetTrainingInfo,
        contract="get-training-info.v1",
        handler=Lazy("aitk_training.tools.configs:get_training_info"),
    )


def _job_tools() -> Iterable[ToolSpec]:
    yield ToolSpec(
        name="start-training",
        title="Start or resume training",
        description=(
            "Queues a saved config as a job and starts its queue, or resumes an existing job. "
            "Refuses a job that is queued or running, and never replaces a run unasked."
        ),
        arguments=StartTraining,
        contract="start-training.v1",
        handler=Lazy("aitk_training.tools.start:start_training"),
        read_only=False,
        # With `replace_config` it replaces what the job stored.
        destructive=True,
        idempotent=False,
    )
    yield ToolSpec(
        name="stop-training",
        title="Stop training",
        description=(
            "Stops a running job, takes a queued one out of its queue, or frees the row of one "
            "that hangs (recover); says how many steps are lost."
        ),
        arguments=StopTraining,
        contract="stop-training.v1",
        handler=Lazy("aitk_training.tools.stop:stop_training"),
        read_only=False,
        destructive=True,
    )
    yield ToolSpec(
        name="get-training-status",
        title="Is it alive?",
        description=(
            "Says whether a job is alive, and if not, why: verdict with evidence, phase, "
            "progress, time left, place in the queue. Without job_id: backend, folders, queues, "
            "GPUs, what runs and waits. For the quality of a run use get-training-observability."
        ),
        arguments=GetTrainingStatus,
        contract="get-training-status.v1",
        handler=Lazy("aitk_training.tools.status:get_training_status"),
        hint="Is it alive, what runs, what waits? get-training-status.",
    )
    yield ToolSpec(
        name="list-training-jobs",
        title="Training jobs",
        description="Lists the backend's jobs, newest first, with status, progress and queue.",
        arguments=ListTrainingJobs,
        contract="list-training-jobs.v1",
        handler=Lazy("aitk_training.tools.jobs:list_training_jobs"),
    )


@hookimpl
def aitk_schemas() -> Iterable[Traversable]:
    """Name the folder of the published contracts."""
    from aitk_schemas import folder

    yield folder()
