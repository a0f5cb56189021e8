"""The settings records of one server, each read at its first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from aitk_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.settings.core import ServerSettings
    from aitk_core.settings.source import SettingsSource

T = TypeVar("T")


class SettingsRecords:
    """Finds a record by its class."""

    def __init__(
        self, source: SettingsSource, sections: Mapping[str, type], server: ServerSettings
    ) -> None:
        """Take the declared sections, and the server's own record, which the caller has read."""
        self._source = source
        self._sections = sections
        self._records: dict[type, Any] = {type(server): server}

    def of(self, kind: type[T]) -> T:
        """Return the settings record of that class.

        Raises:
            InvalidSettingError: Nobody declared it, or its values cannot be used.
        """
        if kind not in self._records:
            for section, record in self._sections.items():
                if record is kind:
                    self._records[kind] = self._source.load(section, kind)
                    break
            else:
                raise InvalidSettingError(f"no plugin declares settings {kind.__name__}")
        found: T = self._records[kind]
        return found
