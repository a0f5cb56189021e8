"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_comfyui.arguments import ListComfyuiModels
from aitk_core.hookspecs import hookimpl
from aitk_core.specs import Lazy, SettingsSpec, ToolSpec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable


@hookimpl
def aitk_tools() -> Iterable[ToolSpec]:
    """Declare the list of models."""
    yield ToolSpec(
        name="list-comfyui-models",
        title="ComfyUI's models",
        description=(
            "Lists ComfyUI's models by what their headers show: kind, base model, rank, trigger "
            "words, and files that lie in the wrong folder. For what runs left use "
            "list-exported-models."
        ),
        arguments=ListComfyuiModels,
        contract="list-comfyui-models.v1",
        handler=Lazy("aitk_comfyui.tool:list_comfyui_models"),
    )


@hookimpl
def aitk_settings() -> Iterable[SettingsSpec]:
    """Declare where ComfyUI is."""
    from aitk_comfyui.settings import ComfySettings

    yield SettingsSpec(section="comfyui", record=ComfySettings)


@hookimpl
def aitk_schemas() -> Iterable[Traversable]:
    """Name the folder of the published contracts."""
    from aitk_schemas import folder

    yield folder()
