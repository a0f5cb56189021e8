"""Every setting as data: for the table in the documentation, `doctor`, and redaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
