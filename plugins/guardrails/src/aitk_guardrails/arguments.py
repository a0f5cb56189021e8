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
        None, description="Object, or JSON or YAML text; wins over the name."
    )
    name: str | None = arg(None, description="Draft: job name.", **_NAME)
    model_name: str | None = arg(None, description="Draft: Hub id, path or file.", **_TEXT)
    dataset_path: str | None = arg(None, description="Draft: dataset folder.", **_TEXT)
    arch: str | None = arg(None, description="Draft; default: by model.", max_length=64)
    resolution: int = arg(512, description="Draft: pixels.")
    batch_size: int = arg(1, description="Draft.")
    steps: int = arg(1000, description="Draft.")
    learning_rate: float = arg(0.0002, description="Draft.")
    rank: int = arg(16, description="Draft.")
    alpha: int = arg(16, description="Draft.")
    low_vram: bool = arg(True, description="Draft.")
    trigger_word: str | None = arg(None, description="Draft.", max_length=200)
    test_prompts: tuple[str, ...] = arg(
        (), description="Draft: sample prompts.", max_items=100, items={"max_length": 4000}
    )
    use_wandb: bool = arg(False, description="Draft.")
    disable_sampling: bool = arg(False, description="Draft.")
    check_dataset: bool = arg(True, description="Look into the dataset folders.")
    max_dataset_files: int = arg(2000, description="Pictures looked at per folder.", **_FILES)


@frozen(kw_only=True)
class _Guarded:
    """What a watch is asked to do."""

    rules: dict[str, Any] | None = arg(
        None,
        description="off, warn or stop, by rule (as inspect-watch names them) or finding code.",
    )
    overfitting_margin: float = arg(
        0.05, description="Rise of the validation loss, share.", minimum=0, maximum=10
    )
    min_free_disk_gb: float = arg(5.0, description="Warn below.", minimum=0)
    max_hours: float | None = arg(None, description="Stop then.", exclusive_minimum=0)
    max_steps: int | None = arg(None, description="Stop there.", minimum=1)
    cost_per_hour: float | None = arg(None, description="Your currency.", minimum=0)
    max_cost: float | None = arg(None, description="Stop then.", minimum=0)
    repair_stuck: bool = arg(False, description="Free the row of a run that hangs.")
    poll_interval_seconds: int = arg(10, description="Between looks.", minimum=2, maximum=300)


@frozen(kw_only=True)
class RunTrainingWithGuardrails(_Guarded):
    """Arguments of run-training-with-guardrails."""

    config_name: str = arg(description="Saved config.", **_NAME)
    check_dataset: bool = arg(True, description="Look into datasets.")
    max_dataset_files: int = arg(2000, description="Per folder.", **_FILES)
    block_on_validation_fail: bool = arg(True, description="Never start with errors.")
    monitor_seconds: int = arg(
        120, description="This call waits so long; the watch goes on.", minimum=0, maximum=3600
    )
    stop_on_nan: bool = arg(True, description="When the loss is no number.")
    stop_on_repeated_oom: bool = arg(True, description="When memory runs out often.")
    stop_on_stalled_progress: bool = arg(True, description="When it stands still.")
    stop_on_throughput_collapse: bool = arg(True, description="When it crawls.")
    oom_threshold: int = arg(3, description="Times.", minimum=1, maximum=100)
    stall_window_seconds: int = arg(
        120, description="Or what the phase allows, if more.", minimum=10, maximum=3600
    )
    min_step_delta: int = arg(1, description="Counts as progress.", minimum=1, maximum=1000)
    throughput_floor_iter_per_sec: float = arg(0.02, description="Steps/s.", minimum=0)
    low_speed_consecutive_polls: int = arg(2, description="In a row.", minimum=1, maximum=20)
    gpu_ids: str | None = arg(None, description="Such as '0,1'.", min_length=1, max_length=255)
    resume: bool = arg(False, description="Go on from the newest checkpoint.")
    replace_config: bool = arg(False, description="Replace the job's stored config.")
    log_lines: int | None = arg(
        None, description="Unused: all new lines are read.", minimum=100, maximum=20_000
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


@frozen(kw_only=True)
class RecommendTrainingPlan:
    """Arguments of recommend-training-plan."""

    goal: str = arg("", description="What is to be learnt.", max_length=4000)
    base_model: str | None = arg(
        None, description="Hub id, folder or file; wins over model_name.", **_TEXT
    )
    model_name: str | None = arg(None, description="Same.", **_TEXT)
    arch: str | None = arg(None, description="Default: by the model's name.", max_length=64)
    dataset_path: str | None = arg(None, description="As the backend sees it.", **_TEXT)
    control_path: str | None = arg(
        None, description="Control images, for models that edit.", **_TEXT
    )
    config_name: str | None = arg(
        None,
        description="Saved config for what is not given.",
        min_length=1,
        max_length=100,
    )
    time_budget_minutes: float | None = arg(
        None,
        description="Checked where runs here were measured.",
        exclusive_minimum=0,
        maximum=1_000_000,
    )
    target_vram_gb: float | None = arg(
        None,
        description="GiB; default: the first GPU's.",
        exclusive_minimum=0,
        maximum=10_000,
    )
    include_dataset_scan: bool = arg(True, description="Look at the dataset.")
    max_dataset_files: int = arg(
        2000, description="Pictures looked at.", minimum=100, maximum=20000
    )
