"""Arguments of the observability tools; names and bounds are the contract's."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from aitk_core.arguments import arg

_JOB = "Job id, as list-training-jobs shows it."
_SCORING = "evidence_v1 scores what was measured; reference_v1 uses the published formulas."


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
    detail: Literal["full", "brief"] = arg(
        "full", description="brief: verdict, findings, score and next step in few words."
    )
    scoring_method: Literal["evidence_v1", "reference_v1"] = arg(
        "evidence_v1", description=_SCORING
    )
    charts: Literal["auto", "light", "dark", "none"] = arg(
        "auto", description="Picture of the run; auto: where the client takes images, not in brief."
    )


@frozen(kw_only=True)
class RubricWeights:
    """Weights of the rubric in place of its own; one left out keeps its usual weight."""

    convergence: float | None = arg(None, description="Usually 0.35.", minimum=0, maximum=1000)
    stability: float | None = arg(None, description="Usually 0.30.", minimum=0, maximum=1000)
    speed: float | None = arg(None, description="Usually 0.20.", minimum=0, maximum=1000)
    dataset: float | None = arg(None, description="Usually 0.10.", minimum=0, maximum=1000)
    caption_quality: float | None = arg(None, description="Usually 0.05.", minimum=0, maximum=1000)


@frozen(kw_only=True)
class EvaluateLora:
    """Arguments of evaluate-lora."""

    job_id: str = arg(description=_JOB, min_length=1, max_length=128)
    log_lines: int = arg(1000, description="Log lines to read.", minimum=100, maximum=20000)
    include_dataset: bool = arg(True, description="Assess the dataset.")
    include_nlp: bool = arg(True, description="Assess captions.")
    max_dataset_files: int = arg(
        2000, description="Images to scan at most.", minimum=100, maximum=20000
    )
    pass_threshold: float = arg(70, description="Score to pass.", minimum=0, maximum=100)
    rubric_weights: RubricWeights | None = arg(None, description="Other weights.")
    include_samples: bool = arg(True, description="Check the sample images.")
    charts: Literal["auto", "light", "none"] = arg(
        "auto", description="Sheet of the samples; auto: where the client takes images."
    )
    scoring_method: Literal["evidence_v1", "reference_v1"] = arg(
        "evidence_v1", description=_SCORING
    )


@frozen(kw_only=True)
class CompareTrainingRuns:
    """Arguments of compare-training-runs."""

    job_ids: tuple[str, ...] | None = arg(
        None, description="Runs to compare; default: the newest.", min_items=1, max_items=200
    )
    limit: int = arg(5, description="Newest runs, without job_ids.", minimum=1, maximum=50)
    log_lines: int = arg(800, description="Log lines to read of each.", minimum=100, maximum=20000)
    include_dataset: bool = arg(True, description="Assess the datasets.")
    include_nlp: bool = arg(False, description="Assess captions.")
    max_dataset_files: int = arg(
        2000, description="Images to scan at most.", minimum=100, maximum=20000
    )
    only_terminal_runs: bool = arg(False, description="Leave out runs that have not ended.")
    detail: Literal["brief", "full"] = arg(
        "brief", description="full: every run with its whole report and every method's numbers."
    )
    band_policy: str | None = arg(
        None,
        description="How a difference is named: absolute_delta_thresholds_v1 (default), "
        "noise_calibrated_v2, or a plugin's.",
        max_length=100,
    )
    scoring_method: Literal["evidence_v1", "reference_v1"] = arg(
        "evidence_v1", description=_SCORING
    )


@frozen(kw_only=True)
class SuggestNextExperiment:
    """Arguments of suggest-next-experiment."""

    job_id: str | None = arg(None, description=_JOB, min_length=1, max_length=128)
    job_ids: tuple[str, ...] | None = arg(
        None, description="Candidate runs; default: the newest 5.", min_items=1, max_items=50
    )
    log_lines: int = arg(1000, description="Log lines to read of each.", minimum=100, maximum=20000)
    include_dataset: bool = arg(True, description="Assess the datasets.")
    include_nlp: bool = arg(True, description="Assess captions.")
    max_dataset_files: int = arg(
        2000, description="Images to scan at most.", minimum=100, maximum=20000
    )
    pass_threshold: float = arg(70, description="Score to pass.", minimum=0, maximum=100)
    scoring_method: Literal["evidence_v1", "reference_v1"] = arg(
        "evidence_v1", description=_SCORING
    )


@frozen(kw_only=True)
class WatchTrainingTimeseries:
    """Arguments of watch-training-timeseries."""

    job_id: str = arg(description=_JOB, min_length=1, max_length=128)
    duration_seconds: int = arg(
        120,
        description="How long to watch; 0: one look. Ends early where the call's limit is shorter.",
        minimum=0,
        maximum=7200,
    )
    poll_interval_seconds: int = arg(
        10, description="Seconds between two looks.", minimum=2, maximum=300
    )
    log_lines: int = arg(400, description="Log lines to judge.", minimum=100, maximum=20000)
    include_system: bool = arg(True, description="Add GPU, CPU and RAM.")
    include_alerts: bool = arg(True, description="Add alerts where they are new.")
    include_dataset: bool = arg(False, description="Assess the dataset.")
    include_nlp: bool = arg(False, description="Assess captions.")
    dataset_path: str | None = arg(
        None, description="Dataset folder, not the config's.", max_length=1024
    )
    config_name: str | None = arg(
        None, description="Saved config to judge by, not the job's own.", max_length=100
    )
    stop_on_terminal_status: bool = arg(True, description="End when the run has ended.")
    include_raw_log_excerpt: bool = arg(False, description="Add log lines to each point.")
    excerpt_lines: int = arg(80, description="Lines of it at most.", minimum=10, maximum=1000)
    max_dataset_files: int = arg(
        2000, description="Images to scan at most.", minimum=100, maximum=20000
    )


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
