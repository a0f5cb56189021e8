"""Destinations by name: the settings know where they lead, everything else knows the name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from aitk_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_alerts.settings import AlertSettings

_ENTRY: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,60})=(?P<kind>[a-z][a-z0-9_-]*):")
_SETTING: Final = "AITK_ALERT_DESTINATIONS"


@frozen(kw_only=True)
class Destination:
    """One place that alerts may go to."""

    name: str
    kind: str
    """Of its sink."""
    where: str = field(repr=False)
    """What the sink is opened with; may be a secret."""


def named_destinations(settings: AlertSettings) -> Mapping[str, Destination]:
    """Return the configured destinations by name.

    Raises:
        InvalidSettingError: One is no `name=kind:where`, or a name is there twice. Never shows
            where it leads.
    """
    found: dict[str, Destination] = {}
    for number, text in enumerate(settings.destinations, start=1):
        match = _ENTRY.match(text)
        if match is None:
            raise InvalidSettingError(
                f"{_SETTING}: destination {number} is not name=kind:where",
                remedy="write, for example, team=webhook:https://hooks.example.org/secret",
                setting=_SETTING,
            )
        name = match["name"]
        if name in found:
            raise InvalidSettingError(
                f"{_SETTING}: destination {name!r} is there twice",
                remedy="give each another name",
                setting=_SETTING,
            )
        found[name] = Destination(name=name, kind=match["kind"], where=text[match.end() :])
    return found
