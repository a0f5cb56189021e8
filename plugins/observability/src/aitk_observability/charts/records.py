"""What a panel of a chart is made of: figures and words, no pixels and no library."""

from __future__ import annotations

from typing import Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from aitk_core.drawing.canvas import Marker
from aitk_observability.charts.scale import Scale
from aitk_observability.charts.theme import Role

ChartName = Literal["run", "loss", "learning_rate", "step_time", "validation_loss"]
PanelName = Literal["loss", "learning_rate", "step_time", "validation_loss"]


@frozen(kw_only=True, eq=False)
class Line:
    """Values over steps, joined."""

    steps: NDArray[np.float64]
    """(n,) float64, ascending."""
    values: NDArray[np.float64]
    """(n,) float64; NaN interrupts the line."""
    role: Role
    label: str = ""
    """For the legend; empty where it needs none."""


@frozen(kw_only=True, eq=False)
class Band:
    """An area between two values over steps."""

    steps: NDArray[np.float64]
    """(n,) float64, ascending."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    role: Role
    label: str = ""
    middle: NDArray[np.float64] | None = None
    """(n,) float64, drawn as a dashed line inside it."""


@frozen(kw_only=True, eq=False)
class Points:
    """Single values over steps."""

    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    """(n,) float64; what lies outside the axis is drawn at its edge."""
    marker: Marker
    role: Role
    label: str = ""


@frozen(kw_only=True)
class Rule:
    """A step at which something begins."""

    step: int
    label: str
    role: Literal["critical", "warning"]
    """Critical ones are drawn solid, others dashed."""


@frozen(kw_only=True)
class Lane:
    """A row of marks below a panel: steps at which something happened."""

    label: str
    steps: tuple[int, ...]
    """Ascending, at least one."""
    marker: Marker
    role: Role


@frozen(kw_only=True, eq=False)
class Panel:
    """One metric over the steps of a run."""

    name: PanelName
    heading: str
    unit: str
    """What the axis counts in."""
    steps: tuple[int, int]
    """First and last."""
    scale: Scale
    bands: tuple[Band, ...] = ()
    lines: tuple[Line, ...] = ()
    points: tuple[Points, ...] = ()
    rules: tuple[Rule, ...] = ()
    lanes: tuple[Lane, ...] = ()
    note: str
    """n, method and source, for one line below a large panel."""
    short_note: str
    """The same, for one below a small panel."""
    told: tuple[str, ...]
    """Sentences with the key figures, for who does not see it."""
