"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import SettingsSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def aitk_settings() -> Iterable[SettingsSpec]:
    """Declare destinations and their secrets."""
    from aitk_alerts.settings import AlertSettings

    yield SettingsSpec(section="alerts", record=AlertSettings)
