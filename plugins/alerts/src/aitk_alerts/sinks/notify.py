"""Alerts through Apprise: chat, mail, phone and desktop services by one URL.

Apprise is the transport only: what is told once, tried again and kept is the outbox's. Its URLs
come from the operator's settings, never from a call, so whom it asks is the operator's choice.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from aitk_alerts.sinks.text import body_of, title_of
from aitk_core.errors import DeliveryError, InvalidArgumentsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import apprise

    from aitk_core.protocols import ToolContext
    from aitk_core.records.alerts import AlertMessage

_SERVICE_S: Final = 12.0
"""Ours: for one service, below the time of one try."""
_OPTIONS: Final = frozenset({"optional", "redirect", "retry", "template", "verify"})
"""Options of Apprise URLs that would count a failure as a success, follow redirects, leave
certificates unchecked, or read a file."""
_GENERIC: Final = frozenset(
    {"form", "forms", "json", "jsons", "rsyslog", "syslog", "xml", "xmls", "file"}
)
"""Kinds that write on this machine or post to any host: that is what `file` and `webhook` are."""
_TYPES: Final = {"info": "info", "warning": "warning", "critical": "failure"}


class Notifier:
    """One service; nothing of its URL is ever shown."""

    def __init__(self, service: apprise.Apprise, kind: str, context: ToolContext) -> None:
        """Take a service that Apprise could read."""
        self._service = service
        self._kind = kind
        self._context = context

    async def deliver(self, message: AlertMessage) -> None:
        """Send a readable message, with the chart where the service takes pictures.

        Raises:
            DeliveryError: The service did not take it; Apprise does not say why.
        """
        done = await self._context.run(_notify, self._service, message)
        if not done:
            raise DeliveryError(
                f"the {self._kind} service did not take the message",
                remedy="check the destination's URL with alert-routing and test true; it is "
                "tried again",
            )


def _notify(service: apprise.Apprise, message: AlertMessage) -> bool:
    from apprise import NotifyFormat
    from apprise.attachment.memory import AttachMemory

    kind = "success" if _is_over(message) else _TYPES[message.severity]
    asked: dict[str, Any] = {"notify_type": kind, "body_format": NotifyFormat.TEXT}
    title = title_of(message)
    if not service.notify(title=title, body=body_of(message), **asked):
        return False
    if message.chart is not None:
        make: Any = AttachMemory  # which has no types
        attach = make(content=message.chart, name="run.png", mimetype="image/png")
        # Apart: the words are out, and must not be said again for want of their picture.
        service.notify(title=title, body="The run's chart", attach=attach, **asked)
    return True


def _is_over(message: AlertMessage) -> bool:
    return bool(message.alerts) and all(a.get("state") == "resolved" for a in message.alerts)


def _open(url: str) -> apprise.Apprise | None:
    import apprise

    if not _is_plain(url):
        return None

    # It logs URLs, with their secrets masked, at times in full at debug level.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    asset = apprise.AppriseAsset(
        storage_mode="memory", service_timeout=_SERVICE_S, allow_templates=False
    )
    asset.http_redirects = False
    asset.async_mode = False
    asset.app_id = "AI ToolKit MCP"
    asset.app_desc = "LoRA training alerts"
    asset.app_url = ""
    service = apprise.Apprise(asset=asset)
    return service if service.add(url) and len(service) == 1 else None


def _is_plain(url: str) -> bool:
    """Tell whether a URL leaves the sending as it is meant, and leads to a service of its own."""
    scheme, _, rest = url.partition("://")
    options = parse_qs(rest.partition("?")[2], keep_blank_values=True)
    return scheme.lower() not in _GENERIC and not _OPTIONS & {each.lower() for each in options}


@asynccontextmanager
async def open_notifier(destination: str, context: ToolContext) -> AsyncIterator[Notifier]:
    """Read an Apprise URL; nothing is sent yet.

    Raises:
        InvalidArgumentsError: It is none that Apprise knows.
    """
    service = await context.run(_open, destination)
    if service is None:
        raise InvalidArgumentsError(
            "the destination is no Apprise URL that is taken",
            remedy="see Apprise's services, such as discord://, slack://, ntfy://, mailto://; "
            "options that change how it is sent are not taken",
            faults=[{"path": "/destination", "message": "is no Apprise URL"}],
        )
    kind = destination.partition(":")[0][:20]
    yield Notifier(service, kind if kind.isascii() and kind.isalnum() else "notification", context)
