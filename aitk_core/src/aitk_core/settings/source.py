"""Where the values of settings come from, and how they are read."""

from __future__ import annotations

import math
import os
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from aitk_core.errors import InvalidSettingError
from aitk_core.settings.field import META

T = TypeVar("T")

_FILE_VARIABLE: Final = "AITK_SETTINGS_FILE"
_FILE_LIMIT_BYTES: Final = 1024 * 1024
_YES: Final = frozenset({"1", "true", "yes", "y", "on"})
_NO: Final = frozenset({"0", "false", "no", "n", "off"})


class SettingsSource:
    """Where values come from: one environment, one parsed file."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, file: Path | None = None
    ) -> None:
        """Read the file, if any.

        Raises:
            InvalidSettingError: The file is missing, too large or not TOML.
        """
        self._environment = os.environ if environment is None else environment
        named = self._environment.get(_FILE_VARIABLE)
        path = file if file is not None else Path(named) if named else None
        self._tables: Mapping[str, Any] = _read_toml(_at_home(path)) if path else {}

    def unknown(self, sections: Mapping[str, type]) -> list[str]:
        """Return keys of the file that no section declares, as `section.key`."""
        found = []
        for section, table in self._tables.items():
            if section not in sections or not isinstance(table, Mapping):
                found.append(section)
                continue
            names = {attribute.name for attribute in attrs.fields(sections[section])}
            found += [f"{section}.{key}" for key in table if key not in names]
        return found

    def load(self, section: str, record: type[T], overrides: Mapping[str, Any] | None = None) -> T:
        """Return the section's record.

        Args:
            section: Table in the file.
            record: Its attrs class.
            overrides: Values from the command line, which win; None counts as absent.

        Raises:
            InvalidSettingError: A value cannot be used; names the setting and its source,
                never a secret's value.
        """
        table = self._tables.get(section, {})
        if not isinstance(table, Mapping):
            raise InvalidSettingError(
                f"[{section}] of the settings file is no table",
                remedy=f"write its settings below a line [{section}]",
                setting=section,
            )
        declared = attrs.fields(record)  # type: ignore[arg-type]  # a record by contract
        hints = get_type_hints(record)
        values: dict[str, Any] = {}
        for attribute in declared:
            meta = attribute.metadata.get(META)
            if meta is None:
                continue
            raw, source = self._find(attribute.name, meta, table, section, overrides or {})
            if source:
                values[attribute.name] = _convert(
                    raw, hints[attribute.name], meta, name=attribute.name, source=source
                )
        try:
            return record(**values)
        except (ValueError, TypeError) as error:
            # The record's own checks; what they say may hold a value, so not with secrets.
            hidden = any(f.metadata.get(META, {}).get("secret") for f in declared)
            reason = type(error).__name__ if hidden else str(error)
            raise InvalidSettingError(f"settings [{section}]: {reason}", setting=section) from error

    def _find(
        self,
        name: str,
        meta: Mapping[str, Any],
        table: Mapping[str, Any],
        section: str,
        overrides: Mapping[str, Any],
    ) -> tuple[Any, str]:
        if overrides.get(name) is not None:
            return overrides[name], "the command line"
        if self._environment.get(meta["env"], "").strip():
            return self._environment[meta["env"]].strip(), f"environment variable {meta['env']}"
        if name in table:
            return table[name], f"[{section}] {name} of the settings file"
        return None, ""


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _FILE_LIMIT_BYTES:
            raise InvalidSettingError("the settings file is larger than 1 MiB")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidSettingError(
            f"the settings file cannot be read: {reason}",
            remedy=f"correct the file that {_FILE_VARIABLE} names",
        ) from error


def _convert(raw: Any, hint: Any, meta: Mapping[str, Any], *, name: str, source: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(member for member in get_args(hint) if member is not type(None))
    try:
        value = _parse(raw, hint, meta)
    except (ValueError, TypeError) as error:
        shown = "its value" if meta["secret"] else repr(raw)
        raise InvalidSettingError(
            f"{source}: {shown} is not {error}", setting=name, source=source
        ) from error
    low = meta["minimum"]
    if low is not None and not value >= low:
        raise InvalidSettingError(
            f"{source}: {value!r} is below {low:g}", setting=name, source=source
        )
    return value


def _parse(raw: Any, hint: Any, meta: Mapping[str, Any]) -> Any:
    if get_origin(hint) is tuple:
        if not isinstance(raw, str | list | tuple):
            raise ValueError("a list")
        parts = raw.split(meta["separator"]) if isinstance(raw, str) else raw
        element = get_args(hint)[0]
        return tuple(
            _parse(p.strip() if isinstance(p, str) else p, element, meta)
            for p in parts
            if not isinstance(p, str) or p.strip()
        )
    if hint is bool:
        return _parse_bool(raw)
    if hint in (int, float):
        return _parse_number(raw, hint)
    if not isinstance(raw, str | Path):
        raise ValueError("text")  # noqa: TRY004 - one error type for every bad value
    return _at_home(Path(raw)) if hint is Path else str(raw)


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        return path  # `~nobody`: there is no such person, so it is a plain name


def _parse_bool(raw: Any) -> bool:
    word = str(raw).lower()
    if isinstance(raw, bool):
        return raw
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError("a yes or no: 1/true/yes/y/on or 0/false/no/n/off")


def _parse_number(raw: Any, hint: type) -> Any:
    if isinstance(raw, bool):
        raise ValueError("a number")  # noqa: TRY004 - one error type for every bad value
    try:
        number = float(raw)
        if not math.isfinite(number):
            raise ValueError  # noqa: TRY301 - one message for every bad number
        return int(str(raw)) if hint is int else number
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a whole number" if hint is int else "a finite number") from None
