"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import AnalyzerSpec, Lazy, ResourceSpec, SettingsSpec, ToolSpec
from aitk_datasets.arguments import (
    AutoImproveDataset,
    InspectDataset,
    ListDatasets,
    UploadDataset,
)
from aitk_datasets.resources import uris

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable

_COMPLETE: Final[Lazy[Any]] = Lazy("aitk_datasets.resources.all:complete")


@hookimpl
def aitk_tools() -> Iterable[ToolSpec]:
    """Declare the dataset tools."""
    yield ToolSpec(
        name="inspect-dataset",
        title="Dataset check",
        description=(
            "Says what spoils a training set and what it costs: broken, duplicate, blurred or "
            "odd pictures, leaks into validation, missing or unreadable captions, sizes. Changes "
            "nothing. A second call reads only what changed."
        ),
        arguments=InspectDataset,
        contract="inspect-dataset.v1",
        handler=Lazy("aitk_datasets.tools.inspect:inspect_dataset"),
        text="json",
        hint="Before training, and where a run goes wrong: inspect-dataset.",
    )
    yield ToolSpec(
        name="auto-improve-dataset",
        title="Dataset repair",
        description=(
            "Plans the repair of a training set and, with apply, does it: broken files and copies "
            "into a quarantine that the trainer skips, captions, rotation, formats. Every "
            "operation can be taken back with undo until empty_quarantine deletes its files. To "
            "only look use inspect-dataset."
        ),
        arguments=AutoImproveDataset,
        contract="auto-improve-dataset.v1",
        handler=Lazy("aitk_datasets.tools.improve:auto_improve_dataset"),
        text="json",
        read_only=False,
        destructive=True,
    )
    yield ToolSpec(
        name="list-datasets",
        title="Datasets",
        description=(
            "Lists the dataset folders with pictures, captions, what file names and sizes alone "
            "show to be wrong, and the jobs that use them. To look into one use inspect-dataset."
        ),
        arguments=ListDatasets,
        contract="list-datasets.v1",
        handler=Lazy("aitk_datasets.tools.list:list_datasets"),
    )
    yield ToolSpec(
        name="upload-dataset",
        title="Upload pictures",
        description=(
            "Makes a dataset folder, or adds to one, from base64 pictures with captions, or from "
            "a folder or .zip on the server's machine. Every picture is decoded first; nothing is "
            "ever overwritten, and one fault refuses all unless allow_partial is set."
        ),
        arguments=UploadDataset,
        contract="upload-dataset.v1",
        handler=Lazy("aitk_datasets.tools.upload:upload_dataset"),
        read_only=False,
        # A second call finds its names taken.
        idempotent=False,
    )


@hookimpl
def aitk_analyzers() -> Iterable[AnalyzerSpec]:
    """Declare the analyzers of datasets."""
    for name in ("buckets", "captions", "counts", "duplicates", "files", "looks"):
        yield AnalyzerSpec(
            name=name,
            subject="dataset",
            analyze=Lazy(f"aitk_datasets.analyzers.{name}:analyze"),
            proofs=Lazy(f"aitk_datasets.proofs.{name}:cases"),
        )


@hookimpl
def aitk_resources() -> Iterable[ResourceSpec]:
    """Declare the list of datasets, and what can be seen of each."""
    yield ResourceSpec(
        uri=uris.DATASETS,
        name="datasets",
        title="Datasets",
        description="The folders below the datasets root, and the URIs of each one's resources.",
        mime_type="application/json",
        read=Lazy("aitk_datasets.resources.all:read_datasets"),
    )
    yield ResourceSpec(
        uri=uris.REPORT,
        name="dataset-report",
        title="Check of a dataset",
        description=(
            "What inspect-dataset answers for a folder directly below the datasets root, read as "
            "by the newest job that trains it."
        ),
        mime_type="application/json",
        read=Lazy("aitk_datasets.resources.all:read_report"),
        complete=_COMPLETE,
    )
    yield ResourceSpec(
        uri=uris.PAGE,
        name="dataset-page",
        title="Page of a dataset",
        description=(
            "One HTML page for a person: verdict, findings with pictures and remedies, duplicates "
            "side by side, charts. It holds all it needs, runs no script, and has at most 8 MB."
        ),
        mime_type="text/html",
        read=Lazy("aitk_datasets.resources.one:read_page"),
        complete=_COMPLETE,
    )
    yield ResourceSpec(
        uri=uris.CHART,
        name="dataset-chart",
        title="Chart of a dataset",
        description=(
            "Resolution, side ratios, buckets or caption length, by the name of the chart; "
            "overview has one of each. Buckets are those of the newest job that trains the folder."
        ),
        mime_type="image/png",
        read=Lazy("aitk_datasets.resources.one:read_chart"),
        complete=_COMPLETE,
    )
    yield ResourceSpec(
        uri=uris.SHEET,
        name="dataset-sheet",
        title="Sheet of a dataset's pictures",
        description=(
            "The pictures of one finding side by side, by its code, such as IMAGE_BLURRED; "
            "`duplicates` shows all groups, the one to keep first."
        ),
        mime_type="image/jpeg",
        read=Lazy("aitk_datasets.resources.one:read_sheet"),
        complete=_COMPLETE,
    )


@hookimpl
def aitk_settings() -> Iterable[SettingsSpec]:
    """Declare the limits of uploads."""
    from aitk_datasets.upload.settings import UploadSettings

    yield SettingsSpec(section="upload", record=UploadSettings)


@hookimpl
def aitk_schemas() -> Iterable[Traversable]:
    """Name the folder of the published contracts."""
    from aitk_schemas import folder

    yield folder()
