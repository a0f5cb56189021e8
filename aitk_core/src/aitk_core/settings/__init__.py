"""Settings from the environment and an optional TOML file, into attrs records.

The environment wins over the file, the file over the default. The file is named by
`AITK_SETTINGS_FILE`; each section is a table, `[server]`, `[http]`, `[outbound]`, and one
for each plugin.
"""

from aitk_core.settings.core import CORE_SECTIONS, HttpSettings, OutboundSettings, ServerSettings
from aitk_core.settings.describe import (
    SettingInfo,
    changed_settings,
    describe,
    secrets_of,
    settings_table,
    without_login,
)
from aitk_core.settings.field import setting
from aitk_core.settings.source import SettingsSource

__all__ = [
    "CORE_SECTIONS",
    "HttpSettings",
    "OutboundSettings",
    "ServerSettings",
    "SettingInfo",
    "SettingsSource",
    "changed_settings",
    "describe",
    "secrets_of",
    "setting",
    "settings_table",
    "without_login",
]
