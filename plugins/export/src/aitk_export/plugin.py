"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import Lazy, ResourceSpec, SettingsSpec, ToolSpec, WebRouteSpec
from aitk_export.arguments import (
    DownloadModel,
    ExportModel,
    ExportObservabilityReport,
    ListExportedModels,
)
from aitk_export.download import uris

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable


@hookimpl
def aitk_tools() -> Iterable[ToolSpec]:
    """Declare the export tools."""
    yield ToolSpec(
        name="export-model",
        title="Export a model",
        description=(
            "Finds a run's final, latest or best weights or those of a step, checks every value, "
            "and copies them with their metadata to the export or ComfyUI folder if asked."
        ),
        arguments=ExportModel,
        contract="export-model.v1",
        handler=Lazy("aitk_export.tools.export:export_model"),
        read_only=False,
        hint="When a run is done: export-model.",
    )
    yield ToolSpec(
        name="list-exported-models",
        title="Models",
        description=(
            "Lists the weights that runs left and what was exported: base model, rank, step, "
            "size, trigger word, and SHA-256 if asked. For ComfyUI's models use "
            "list-comfyui-models."
        ),
        arguments=ListExportedModels,
        contract="list-exported-models.v1",
        handler=Lazy("aitk_export.tools.listing:list_exported_models"),
    )
    yield ToolSpec(
        name="download-model",
        title="Download a model",
        description=(
            "Hands over one model: its facts, metadata and SHA-256, its bytes where they are few "
            "or asked for in pieces, and where to fetch the whole file."
        ),
        arguments=DownloadModel,
        contract="download-model.v1",
        handler=Lazy("aitk_export.tools.download:download_model"),
        text="json",
    )
    yield ToolSpec(
        name="export-observability-report",
        title="Report as files",
        description=(
            "Writes a run's health report as JSON, Markdown and one HTML page with curves, "
            "samples, findings and the config's differences to a baseline. To read it at once "
            "use get-training-observability."
        ),
        arguments=ExportObservabilityReport,
        contract="export-observability-report.v1",
        handler=Lazy("aitk_export.tools.report:export_observability_report"),
        text="json",
        read_only=False,
        # Every call writes new files.
        idempotent=False,
    )


@hookimpl
def aitk_resources() -> Iterable[ResourceSpec]:
    """Declare models as resources."""
    yield ResourceSpec(
        uri=uris.MODEL,
        name="model",
        title="Model file",
        description="A model as download-model names it, percent-encoded; small ones only.",
        mime_type="application/octet-stream",
        read=Lazy("aitk_export.download.resource:read_model"),
    )


@hookimpl
def aitk_web_routes() -> Iterable[WebRouteSpec]:
    """Declare the path that models of any size are fetched from."""
    yield WebRouteSpec(
        path=uris.ROUTE,
        handler=Lazy("aitk_export.download.route:serve_model"),
        summary="Download a model",
        responses={
            200: "The whole file.",
            206: "The ranges that were asked for.",
            304: "The caller has it.",
            416: "It has no such range.",
        },
    )


@hookimpl
def aitk_settings() -> Iterable[SettingsSpec]:
    """Declare how much of a model one answer may hold."""
    from aitk_export.settings import ExportSettings

    yield SettingsSpec(section="export", record=ExportSettings)


@hookimpl
def aitk_schemas() -> Iterable[Traversable]:
    """Name the folder of the published contracts."""
    from aitk_schemas import folder

    yield folder()
