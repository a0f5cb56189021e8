"""How a method describes itself: its settings, its needs, its false alarms. No numpy."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

Value = float | int | str | None
"""What a parameter may be."""


@frozen(kw_only=True)
class Parameter:
    """One setting of a method."""

    value: Value
    source: str
    """Where the value comes from: a section of STATS.md, or `ours` with the reason."""


@frozen(kw_only=True)
class FalseAlarmRate:
    """How often a method speaks up although nothing is wrong."""

    rate: float | None
    """Alarms per `unit`, or None where it was not measured at these settings."""
    unit: str
    """What the rate counts: `per verdict`, `per 1000 steps`, `per run`."""
    source: str
    """Section of STATS.md, and the data it was measured on."""


@frozen(kw_only=True)
class MethodInfo:
    """The description of one method and version."""

    id: str
    version: int
    what: str
    """The question it answers, in one sentence."""
    minimum_n: int
    """Fewest usable values; below it the verdict is `undetermined`."""
    minimum_unit: str
    """What `minimum_n` counts: `values`, `evaluations`, `gaps`, `runs`."""
    parameters: Mapping[str, Parameter]
    false_alarm_rate: FalseAlarmRate

    @property
    def name(self) -> str:
        """Return the id with its version: `trend_quarters_v1`."""
        return f"{self.id}_v{self.version}"

    def number(self, parameter: str) -> float:
        """Return a numeric parameter.

        Raises:
            TypeError: The parameter is not a number.
        """
        value = self.parameters[parameter].value
        if not isinstance(value, int | float):
            raise TypeError(f"parameter {parameter!r} of {self.name} is no number")
        return float(value)

    def count(self, parameter: str) -> int:
        """Return a parameter that counts something."""
        return int(self.number(parameter))
