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


@frozen(kw_only=True)
class _Guarded:
    """What a watch is asked to do."""

    stop_on_nan: bool = arg(True, description="Stop when the loss is no number.")
    stop_on_repeated_oom: bool = arg(True, description="Stop when memory runs out too often.")
    stop_on_stalled_progress: bool = arg(True, description="Stop when it stands still.")
    stop_on_throughput_collapse: bool = arg(True, description="Stop when it crawls.")
    oom_threshold: int = arg(
        3, description="Times that memory may run out.", minimum=1, maximum=100
    )
    stall_window_seconds: int = arg(
        120,
        description="Silence before it counts as stalled; never less than a healthy run shows.",
        minimum=10,
        maximum=3600,
    )
    min_step_delta: int = arg(
        1, description="Steps that count as progress.", minimum=1, maximum=1000
    )
    throughput_floor_iter_per_sec: float = arg(
        0.02, description="Steps per second at which it crawls.", minimum=0
    )
    low_speed_consecutive_polls: int = arg(
        2, description="Looks in a row at or below the floor.", minimum=1, maximum=20
    )
    rules: dict[str, Any] | None = arg(
        None,
        description="off, warn or stop by rule (nan, divergence, oom, stall, throughput, "
        "slow_down, overfitting, disk, process_gone, hours, steps, cost) or by the code of any "
        "finding.",
    )
    overfitting_margin: float = arg(
        0.05, description="Share above the lowest validation loss.", minimum=0, maximum=10
    )
    min_free_disk_gb: float = arg(5.0, description="Free space to warn below.", minimum=0)
    max_hours: float | None = arg(None, description="Stop after so long.", exclusive_minimum=0)
    max_steps: int | None = arg(None, description="Stop at this step.", minimum=1)
    cost_per_hour: float | None = arg(None, description="In your currency.", minimum=0)
    max_cost: float | None = arg(None, description="Stop when so much is spent.", minimum=0)
    repair_stuck: bool = arg(
        False, description="Free the row of a run that hangs and does not stop."
    )
    poll_interval_seconds: int = arg(10, description="Between looks.", minimum=2, maximum=300)


@frozen(kw_only=True)
class RunTrainingWithGuardrails(_Guarded):
    """Arguments of run-training-with-guardrails."""

    config_name: str = arg(description="Saved config from list-configs.", **_NAME)
    check_dataset: bool = arg(True, description="Look into the dataset folders.")
    max_dataset_files: int = arg(2000, description="Pictures looked at per folder.", **_FILES)
    block_on_validation_fail: bool = arg(True, description="Do not start a config with errors.")
    monitor_seconds: int = arg(
        120,
        description="How long this call waits and tells; the watch goes on until the run ends.",
        minimum=0,
        maximum=3600,
    )
    gpu_ids: str | None = arg(
        None, description="GPUs such as '0' or '0,1'.", min_length=1, max_length=255
    )
    resume: bool = arg(False, description="Go on from the newest checkpoint of an earlier run.")
    replace_config: bool = arg(
        False, description="Replace the config stored in a job of that name where it differs."
    )
    log_lines: int | None = arg(
        None,
        description="Kept for the contract: the log is read on from where the last look ended.",
        minimum=100,
        maximum=20_000,
    )


@frozen(kw_only=True)
class GuardTrainingJob(_Guarded):
    """Arguments of guard-training-job."""

    job_id: str = arg(description="Job that runs or waits.", min_length=1, max_length=128)


@frozen(kw_only=True)
class ListWatches:
    """Arguments of list-watches."""

    include_ended: bool = arg(False, description="Also those that have ended.")
    limit: int = arg(50, description="Watches to return.", minimum=1, maximum=500)
    cursor: str | None = arg(
        None, description="next_cursor of the page before.", pattern="^[0-9]{1,9}$"
    )


@frozen(kw_only=True)
class InspectWatch:
    """Arguments of inspect-watch."""

    watch_id: str | None = arg(None, description="From list-watches; or job_id.", **_NAME)
    job_id: str | None = arg(
        None, description="The watch that goes on over this job.", min_length=1, max_length=128
    )


@frozen(kw_only=True)
class EndWatch:
    """Arguments of end-watch."""

    watch_id: str = arg(description="From list-watches. The run goes on, unwatched.", **_NAME)
