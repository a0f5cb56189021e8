"""Arguments of the dataset tools; names are the contract's, what is new is optional."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from aitk_core.arguments import arg

_PATH = {"min_length": 1, "max_length": 1024}
_NAME = {"min_length": 1, "max_length": 200}


@frozen(kw_only=True)
class InspectDataset:
    """Arguments of inspect-dataset."""

    dataset_path: str | None = arg(
        None,
        description="Folder: its name below the datasets root, or an absolute path inside a root; "
        "default: the job's or config's first dataset.",
        **_PATH,
    )
    job_id: str | None = arg(
        None, description="Job whose config says how the folder is read.", **_NAME
    )
    config_name: str | None = arg(
        None, description="Saved config that says how the folder is read.", **_NAME
    )
    compare_with: tuple[str, ...] = arg(
        (),
        description="Folders whose pictures must not be trained, such as a validation set.",
        max_items=8,
        items=_PATH,
    )
    max_dataset_files: int = arg(
        5000, description="Most pictures to look at.", minimum=1, maximum=1_000_000
    )
    max_seconds: float | None = arg(
        None,
        description="Longest time to look at pictures; what was looked at is kept for the next "
        "call. Default: as long as the call may take.",
        minimum=1,
        maximum=3600,
    )
    charts: Literal["auto", "light", "dark", "none"] = arg(
        "auto", description="Charts and sheets of pictures; auto: where the client takes images."
    )


@frozen(kw_only=True)
class AutoImproveDataset:
    """Arguments of auto-improve-dataset."""

    dataset_path: str | None = arg(
        None,
        description="Folder: its name below the datasets root, or an absolute path inside a root; "
        "default: the config's first dataset.",
        **_PATH,
    )
    config_name: str | None = arg(
        None, description="Saved config that says how the folder is read.", **_NAME
    )
    job_id: str | None = arg(
        None, description="Job whose config says how the folder is read.", **_NAME
    )
    max_dataset_files: int = arg(
        5000, description="Most pictures; a larger folder is refused.", minimum=100, maximum=50_000
    )
    apply: bool = arg(False, description="Do it; otherwise only the plan is answered.")
    plan_hash: str | None = arg(
        None,
        description="Hash of the plan that was looked at; another plan is then refused.",
        pattern="^[0-9a-f]{64}$",
    )
    undo: str | None = arg(
        None, description="Take back the operation of this id; nothing else is done.", **_NAME
    )
    empty_quarantine: str | None = arg(
        None,
        description="Delete for good what the operation of this id keeps in its quarantine; "
        "without apply only shown, with apply its hash must be given as plan_hash.",
        **_NAME,
    )
    refuse_captions: bool = arg(
        False,
        description="Take away captions that were made from file names and not edited since; "
        "nothing else is done.",
    )
    trigger_word: str | None = arg(
        None, description="Put in front of generated captions; default: the job's.", **_NAME
    )
    fill_missing_captions: bool = arg(True, description="Make captions from file names.")
    fill_empty_captions: bool = arg(True, description="The same for empty caption files.")
    quarantine_corrupt: bool = arg(True, description="Move files that give no picture away.")
    quarantine_duplicates: bool = arg(False, description="Move all but one of equal pictures away.")
    near_duplicates: bool = arg(
        False, description="With quarantine_duplicates: also recompressed or resized copies."
    )
    apply_rotation: bool = arg(False, description="Turn pixels as EXIF says.")
    convert_formats: bool = arg(False, description="16 bits to 8, CMYK and palettes to RGB.")
    reencode_captions: bool = arg(False, description="Write captions as UTF-8.")
    resize_above: int | None = arg(
        None, description="Reduce longer pictures to this long side, pixels.", minimum=256
    )
    force: bool = arg(False, description="Also while a job that uses the folder runs or waits.")


@frozen(kw_only=True)
class ListDatasets:
    """Arguments of list-datasets."""

    limit: int = arg(50, description="Datasets to return.", minimum=1, maximum=500)
    cursor: str | None = arg(
        None, description="next_cursor of the page before.", pattern="^[0-9]{1,9}$"
    )


@frozen(kw_only=True)
class UploadImage:
    """One picture in an upload."""

    filename: str = arg(
        description="Plain name that ends in .jpg, .jpeg, .png or .webp; no folders."
    )
    content: str = arg(description="The file, base64.")
    caption: str | None = arg(None, description="Its caption; without one no file is made.")


@frozen(kw_only=True)
class UploadDataset:
    """Arguments of upload-dataset."""

    dataset_name: str = arg(
        description="Folder directly below the datasets root; made where there is none.",
        min_length=1,
        max_length=200,
    )
    images: tuple[UploadImage, ...] = arg((), description="Pictures; this or source_path.")
    source_path: str | None = arg(
        None,
        description="In place of images: absolute path, inside a root, of a folder or .zip on the "
        "server's machine; captions are .txt files beside the pictures.",
        **_PATH,
    )
    allow_partial: bool = arg(
        False, description="Save what is sound and name the rest; otherwise all or nothing."
    )
