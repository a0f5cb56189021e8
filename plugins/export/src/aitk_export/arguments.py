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
        "safetensors", description="Nothing is converted: ckpt is refused where the run left none."
    )
    checkpoint: str | int | None = arg(
        None,
        description="final, latest, best (by validation loss) or a step; default: final, else the "
        "latest.",
        max_length=20,
    )
    copy_to: Literal["none", "exports", "comfyui"] = arg(
        "none", description="Also copy it, with a metadata file, to a folder; never replaces."
    )
    subfolder: str | None = arg(
        None, description="Folder inside that folder.", min_length=1, max_length=200
    )
    name: str | None = arg(
        None, description="Name of the copy, without extension.", min_length=1, max_length=150
    )
    verify: Literal["full", "header"] = arg(
        "full", description="full reads every value and computes SHA-256."
    )


@frozen(kw_only=True)
class ListExportedModels:
    """Arguments of list-exported-models."""

    query: str | None = arg(
        None, description="Part of the name, run or base model.", min_length=1, max_length=200
    )
    where: Literal["all", "outputs", "exports"] = arg(
        "all", description="The trainer's outputs, or what was exported."
    )
    kind: Literal["all", "final", "step"] = arg("all", description="Final weights, or step saves.")
    sort: Literal["modified", "name", "size", "step"] = arg("modified", description="Order.")
    descending: bool | None = arg(
        None, description="Default: newest, largest, highest first; names from A."
    )
    limit: int = arg(50, description="Models in this answer.", minimum=1, maximum=500)
    cursor: str | None = arg(
        None, description="Where the last answer ended.", pattern="^[0-9]{1,9}$"
    )
    with_hash: bool = arg(False, description="Compute SHA-256; kept for the next call.")


@frozen(kw_only=True)
class DownloadModel:
    """Arguments of download-model."""

    model_path: str = arg(
        description="As list-exported-models shows it.", min_length=1, max_length=1024
    )
    include_metadata: bool = arg(True, description="Add metadata and training config.")
    content: Literal["auto", "none"] = arg(
        "auto", description="auto: base64 where the file is small, or a piece is asked for."
    )
    offset: int | None = arg(None, description="First byte of a piece.", minimum=0)
    max_bytes: int | None = arg(None, description="Longest piece.", minimum=1)
