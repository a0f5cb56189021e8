"""Typed values out of foreign JSON objects: what does not fit becomes None and a sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from aitk_core.backend.wire import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAFE_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (RFC 8259 section 6)."""

NUMBER_TYPES: Final = frozenset({int, float})
"""Types of a JSON number; bool is none, though Python counts it as int."""


class Fields:
    """Takes typed values out of one JSON object, and collects what did not fit."""

    def __init__(self, row: Mapping[str, Any], prefix: str = "") -> None:
        """Read one object; the prefix goes before each name in the faults."""
        self.row = row
        self.prefix = prefix
        self.faults: list[str] = []

    def fault(self, name: str, said: str) -> None:
        """Remember a fault of one field."""
        self.faults.append(f"{self.prefix}{name} {said}")

    def _wrong(self, name: str, expected: str) -> None:
        self.fault(name, f"is not {expected} but {excerpt(repr(self.row[name]), 40)}")

    def _present(self, name: str, *, required: bool, nullable: bool) -> bool:
        # Columns came with versions of the backend, so a missing one is no fault by itself.
        if name not in self.row:
            if required:
                self.fault(name, "is missing")
            return False
        return not (nullable and self.row[name] is None)

    def text(self, name: str, *, required: bool = False, nullable: bool = False) -> str | None:
        """Return a text, or None."""
        if not self._present(name, required=required, nullable=nullable):
            return None
        value = self.row[name]
        if isinstance(value, str):
            return value
        self._wrong(name, "a text")
        return None

    def flag(self, name: str) -> bool | None:
        """Return a truth value, or None."""
        if not self._present(name, required=False, nullable=False):
            return None
        value = self.row[name]
        if isinstance(value, bool):
            return value
        self._wrong(name, "true or false")
        return None

    def whole(self, name: str, *, required: bool = False, nullable: bool = False) -> int | None:
        """Return an integer, or None."""
        if not self._present(name, required=required, nullable=nullable):
            return None
        value = whole_number(self.row[name])
        if value is None:
            self._wrong(name, "an integer")
        return value

    def number(self, name: str) -> float | None:
        """Return a finite number, or None; null is no fault."""
        if not self._present(name, required=False, nullable=True):
            return None
        value = finite_number(self.row[name])
        if math.isnan(value):
            self._wrong(name, "a number")
            return None
        return value

    def part(self, name: str) -> Fields:
        """Return the nested object; its faults are collected here too."""
        value = self.row.get(name)
        if not isinstance(value, dict):
            if value is not None:
                self._wrong(name, "an object")
            value = {}
        nested = Fields(value, f"{self.prefix}{name}.")
        nested.faults = self.faults
        return nested


def whole_number(value: Any) -> int | None:
    """Return the integer, also from `12.0`, or None where it is none or beyond 2**53."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and abs(value) <= _SAFE_INTEGER:
        return value
    return None


def finite_number(value: Any) -> float:
    """Return the number, or NaN where it is none or not finite."""
    if type(value) not in NUMBER_TYPES:
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def object_of(answer: Any, what: str) -> Mapping[str, Any]:
    """Return the JSON object.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(answer, dict):
        fault = f"{what} is not an object"
        raise ValueError(fault)  # noqa: TRY004 - a fault of the answer, not of a caller
    return answer


def list_of(answer: Any, name: str) -> list[Any]:
    """Return the list that an answer holds under a name.

    Raises:
        ValueError: There is none.
    """
    items = object_of(answer, "the answer").get(name)
    if not isinstance(items, list):
        fault = f"{name} is not a list"
        raise ValueError(fault)  # noqa: TRY004 - a fault of the answer, not of a caller
    return items
