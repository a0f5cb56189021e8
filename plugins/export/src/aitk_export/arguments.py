"""Arguments of the export tools; names are the contract's, what is new is optional."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from aitk_core.arguments import arg

_JOB = "Job id, as list-training-jobs shows it."


@frozen(kw_only=True)
class ExportModel:
    """Arguments of export-model."""

    job_id: str = arg(description=_JOB, min_length=1, max_length=128)
    format: Literal["safetensors", "ckpt"] = arg(
        "safetensors", description="ckpt is refused where the run left none."
    )
    checkpoint: str | int | None = arg(
        None,
        description="final, latest, best (by validation loss) or a step; default: final or latest.",
        max_length=20,
    )
    copy_to: Literal["none", "exports", "comfyui"] = arg(
        "none", description="Also copy it there; never replaces."
    )
    subfolder: str | None = arg(None, description="Folder in it.", min_length=1, max_length=200)
    name: str | None = arg(None, description="Name of the copy.", min_length=1, max_length=150)
    verify: Literal["full", "header"] = arg("full", description="full: every value, SHA-256.")


@frozen(kw_only=True)
class ListExportedModels:
    """Arguments of list-exported-models."""

    query: str | None = arg(
        None, description="Part of name, run or base model.", min_length=1, max_length=200
    )
    where: Literal["all", "outputs", "exports"] = arg("all", description="Where from.")
    kind: Literal["all", "final", "step"] = arg("all", description="Which weights.")
    sort: Literal["modified", "name", "size", "step"] = arg("modified", description="Order.")
    descending: bool | None = arg(None, description="Default: all but names.")
    limit: int = arg(50, description="At most.", minimum=1, maximum=500)
    cursor: str | None = arg(
        None, description="Where the last answer ended.", pattern="^[0-9]{1,9}$"
    )
    with_hash: bool = arg(False, description="Compute SHA-256.")


@frozen(kw_only=True)
class DownloadModel:
    """Arguments of download-model."""

    model_path: str = arg(
        description="As list-exported-models shows it.", min_length=1, max_length=1024
    )
    include_metadata: bool = arg(True, description="Add metadata and training config.")
    content: Literal["auto", "none"] = arg(
        "auto", description="auto: base64 of a small file or a piece."
    )
    offset: int | None = arg(None, description="First byte of a piece.", minimum=0)
    max_bytes: int | None = arg(None, description="Longest piece.", minimum=1)


@frozen(kw_only=True)
class ExportObservabilityReport:
    """Arguments of export-observability-report."""

    job_id: str = arg(description=_JOB, min_length=1, max_length=128)
    config_name: str | None = arg(
        None, description="Saved config, not the job's own.", max_length=100
    )
    dataset_path: str | None = arg(
        None, description="Dataset folder, not the config's.", max_length=1024
    )
    output_dir: str | None = arg(
        None,
        description="Folder inside a root; default: reports/ of the outputs.",
        min_length=1,
        max_length=1024,
    )
    filename_prefix: str = arg("observability", description="Begins the names.", max_length=80)
    lines: int = arg(800, description="Log lines.", minimum=100, maximum=20000)
    max_dataset_files: int = arg(2000, description="Images at most.", minimum=100, maximum=20000)
    include_dataset: bool = arg(True, description="Assess the dataset.")
    include_nlp: bool = arg(True, description="Assess captions.")
    include_evaluation: bool = arg(True, description="Add score and grade.")
    include_raw_log_excerpt: bool = arg(False, description="Add 120 log lines.")
    include_samples: bool = arg(True, description="Add the sample sheet.")
    baseline_job_id: str | None = arg(
        None, description="Run to compare with.", min_length=1, max_length=128
    )
    plugin_page: bool = arg(
        False, description="Also show the page in the AI Toolkit's Plugin tab of the job."
    )
