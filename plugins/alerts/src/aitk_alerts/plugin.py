"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_alerts.arguments import AlertRouting, AlertRules, ListAlerts
from aitk_core.hookspecs import hookimpl
from aitk_core.specs import Lazy, ServiceSpec, SettingsSpec, SinkSpec, ToolSpec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable


@hookimpl
def aitk_tools() -> Iterable[ToolSpec]:
    """Declare the alert tools."""
    yield ToolSpec(
        name="alert-routing",
        title="Tell somebody",
        description=(
            "Delivers a run's alerts, or given ones, to a file, a webhook or the configured "
            "services. Repeats are dropped; what is not taken is kept and tried again."
        ),
        arguments=AlertRouting,
        contract="alert-routing.v1",
        handler=Lazy("aitk_alerts.tools.route:alert_routing"),
        read_only=False,
        open_world=True,
        text="json",
        hint="To be told: alert-rules, then alert-routing with test true.",
    )
    yield ToolSpec(
        name="alert-rules",
        title="Who is told what",
        description="Lists, sets or removes rules: which alerts go to which destinations, when.",
        arguments=AlertRules,
        contract="alert-rules.v1",
        handler=Lazy("aitk_alerts.tools.rules:alert_rules"),
        read_only=False,
    )
    yield ToolSpec(
        name="list-alerts",
        title="What was told",
        description="Lists messages: delivered, waiting, and those nobody took.",
        arguments=ListAlerts,
        contract="list-alerts.v1",
        handler=Lazy("aitk_alerts.tools.listing:list_alerts"),
    )


@hookimpl
def aitk_sinks() -> Iterable[SinkSpec]:
    """Declare the kinds of destination."""
    yield SinkSpec(kind="file", open=Lazy("aitk_alerts.sinks.file:open_file"))
    yield SinkSpec(kind="webhook", open=Lazy("aitk_alerts.sinks.webhook:open_webhook"))
    yield SinkSpec(
        kind="apprise", open=Lazy("aitk_alerts.sinks.notify:open_notifier"), shows_charts=True
    )


@hookimpl
def aitk_services() -> Iterable[ServiceSpec]:
    """Declare the service that delivers in every server."""
    yield ServiceSpec(name="alerts", run=Lazy("aitk_alerts.delivery:serve"))


@hookimpl
def aitk_schemas() -> Iterable[Traversable]:
    """Name the folder of the published contracts."""
    from aitk_schemas import folder

    yield folder()


@hookimpl
def aitk_settings() -> Iterable[SettingsSpec]:
    """Declare destinations and their secrets."""
    from aitk_alerts.settings import AlertSettings

    yield SettingsSpec(section="alerts", record=AlertSettings)
