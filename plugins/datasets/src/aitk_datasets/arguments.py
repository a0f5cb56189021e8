"""Arguments of the dataset tools; names are the contract's, what is new is optional."""

from __future__ import annotations

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
        5000, description="Most pictures to look at.", minimum=1, maximum=50_000
    )
    max_seconds: float | None = arg(
        None,
        description="Longest time to look at pictures; what was looked at is kept for the next "
        "call. Default: as long as the call may take.",
        minimum=1,
        maximum=3600,
    )
