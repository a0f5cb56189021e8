"""Every setting as data: for the table in the documentation, `doctor`, and redaction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from aitk_core.settings.field import META

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@attrs.frozen(kw_only=True)
class SettingInfo:
    """One row of the table of settings."""

    section: str
    name: str
    env: str
    default: str
    description: str
    secret: bool


def describe(sections: Mapping[str, type]) -> Iterable[SettingInfo]:
    """Yield every setting of the given sections, for the table and for `doctor`."""
    for section, record in sections.items():
        for attribute in attrs.fields(record):
            meta = attribute.metadata.get(META)
            if meta is None:
                continue
            default = attribute.default
            if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class at run time
                shown = "below the user's data folder"
            elif default is None or default == ():
                shown = ""
            elif isinstance(default, bool):
                shown = str(default).lower()
            else:
                shown = str(default)
            yield SettingInfo(
                section=section,
                name=attribute.name,
                env=meta["env"],
                default=shown,
                description=meta["description"],
                secret=meta["secret"],
            )


def changed_settings(section: str, values: attrs.AttrsInstance) -> list[dict[str, Any]]:
    """Return what differs from its default: `setting`, `env`, `value`; no secret's value.

    Args:
        section: Table in the file.
        values: The section's record.
    """
    record = type(values)
    default = record()
    return [
        {
            "setting": f"{section}.{info.name}",
            "env": info.env,
            "value": "(set)" if info.secret else _plain(getattr(values, info.name)),
        }
        for info in describe({section: record})
        if getattr(values, info.name) != getattr(default, info.name)
    ]


def without_login(text: str) -> str:
    """Return an address without the user and password that may stand in it."""
    return re.sub(r"(?<=://)[^/@]*@", "", text)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float) else without_login(str(value))


def secrets_of(record: attrs.AttrsInstance) -> list[str]:
    """Return the values of a record's secrets, for redaction."""
    found = []
    for attribute in attrs.fields(type(record)):
        meta = attribute.metadata.get(META)
        value = getattr(record, attribute.name)
        if meta is not None and meta["secret"] and isinstance(value, str) and value:
            found.append(value)
    return found


def settings_table(sections: Mapping[str, type]) -> str:
    """Return every setting as a Markdown table."""
    lines = ["| environment | file | default | meaning |", "|---|---|---|---|"]
    for info in describe(sections):
        secret = " (secret)" if info.secret else ""
        shown = f"`{info.default}`" if info.default else ""
        lines.append(
            f"| `{info.env}` | `{info.section}.{info.name}` | {shown} "
            f"| {info.description}{secret} |"
        )
    return "\n".join(lines) + "\n"
