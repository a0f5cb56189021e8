"""The table of methods: what each one answers, its settings and its false alarms. No numpy."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypedDict

from attrs import evolve

from aitk_core.statistics.catalogue_loss import LOSS_METHODS
from aitk_core.statistics.catalogue_run import RUN_METHODS
from aitk_core.statistics.description import Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.statistics.description import FalseAlarmRate, MethodInfo, Value

METHODS: Final[Mapping[str, MethodInfo]] = MappingProxyType(
    {info.name: info for info in (*LOSS_METHODS, *RUN_METHODS)}
)
"""Every method by id and version."""


class Stamp(TypedDict):
    """The fields of a result that come from the method's description."""

    method: str
    false_alarm_rate: FalseAlarmRate
    parameters: dict[str, Parameter]


def stamp(info: MethodInfo, *, rate: FalseAlarmRate | None = None, **used: Value) -> Stamp:
    """Return what a result says about its method.

    Args:
        info: The method.
        rate: The false-alarm rate that holds for this call, where the settings move it.
        used: Parameters of the call that are not in the table, or differ from it.
    """
    parameters = dict(info.parameters)
    for name, value in used.items():
        known = parameters.get(name)
        parameters[name] = (
            Parameter(value=value, source="given by the caller")
            if known is None
            else known
            if known.value == value
            else evolve(known, value=value, source="given by the caller")
        )
    return Stamp(
        method=info.name, false_alarm_rate=rate or info.false_alarm_rate, parameters=parameters
    )
