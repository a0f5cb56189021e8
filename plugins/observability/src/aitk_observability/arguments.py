"""Arguments of the observability tools; names and bounds are the contract's."""

from __future__ import annotations

from attrs import frozen

from aitk_core.arguments import arg

_JOB = "Job id, as list-training-jobs shows it."


@frozen(kw_only=True)
class GetTrainingObservability:
    """Arguments of get-training-observability."""

    job_id: str = arg(description=_JOB, min_length=1, max_length=128)
    lines: int = arg(500, description="Log lines to report on.", minimum=10, maximum=20000)
    config_name: str | None = arg(
        None, description="Saved config to judge by, not the job's own.", max_length=100
    )
    dataset_path: str | None = arg(
        None, description="Dataset folder, not the config's.", max_length=1024
    )
    include_dataset: bool = arg(True, description="Assess the dataset.")
    include_nlp: bool = arg(True, description="Assess captions.")
    include_raw_log_excerpt: bool = arg(False, description="Add the log's end.")
    excerpt_lines: int = arg(120, description="Lines of it.", minimum=10, maximum=1000)
    max_dataset_files: int = arg(
        5000, description="Images to scan at most.", minimum=100, maximum=20000
    )
    include_evaluation: bool = arg(True, description="Add score and grade.")
    include_next_experiment: bool = arg(True, description="Add what to try next.")
    pass_threshold: float = arg(70, description="Score to pass.", minimum=0, maximum=100)
    include_baseline_comparison: bool = arg(False, description="Compare with other runs.")
    baseline_job_ids: tuple[str, ...] | None = arg(
        None, description="Runs to compare with; default: recent ones.", max_items=50
    )
    baseline_limit: int = arg(5, description="Runs at most.", minimum=1, maximum=50)


@frozen(kw_only=True)
class GetTrainingLogs:
    """Arguments of get-training-logs."""

    job_id: str = arg(description=_JOB, min_length=1, max_length=128)
    lines: int = arg(
        100,
        description="Lines from the end; one progress bar's redraws count once.",
        minimum=1,
        maximum=20000,
    )


@frozen(kw_only=True)
class GetSystemStats:
    """Arguments of get-system-stats: none."""
