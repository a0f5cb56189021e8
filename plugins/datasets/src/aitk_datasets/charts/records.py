"""What a chart of a dataset is made of: figures and words, no pixels and no library."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from aitk_core.drawing.scale import Scale


@frozen(kw_only=True)
class Rule:
    """A value that the axis marks."""

    value: float
    label: str
    is_limit: bool = False
    """Drawn solid: what lies beyond is cut off. Others are dashed."""


@frozen(kw_only=True)
class Ticks:
    """Values with what is written at them."""

    values: tuple[float, ...]
    labels: tuple[str, ...]


@frozen(kw_only=True, eq=False)
class Histogram:
    """How many pictures have which value."""

    heading: str
    unit: str
    """Of the axis of values: `pixels`."""
    counted: str
    """What the other axis counts: `pictures`."""
    edges: NDArray[np.float64]
    """(m + 1,) float64, ascending, on the scale."""
    counts: NDArray[np.int64]
    """(m,)"""
    scale: Scale
    ticks: Ticks
    rules: tuple[Rule, ...] = ()
    marks: tuple[float, ...] = ()
    """Values that get a triangle below the axis."""
    marks_label: str = ""
    beyond: int = 0
    """Values above the axis, which no column shows."""
    note: str
    """Below: n, key figures, how the values were found."""

    @property
    def told(self) -> str:
        """Return it in words, for who does not see it."""
        marked = ", ".join(rule.label for rule in self.rules)
        return f"{self.heading}, {self.unit}: {self.note}" + (
            f"; marked: {marked}" if marked else ""
        )


@frozen(kw_only=True)
class Bar:
    """One bucket."""

    label: str
    full: int
    """Pictures in full batches."""
    left_over: int
    """Pictures in a last batch that is not full."""


@frozen(kw_only=True)
class Bars:
    """The buckets of one resolution, the fullest first."""

    heading: str
    counted: str
    bars: tuple[Bar, ...]
    more: int
    """Buckets that are left out."""
    note: str

    @property
    def told(self) -> str:
        """Return it in words, for who does not see it."""
        fullest = ", ".join(f"{bar.label} {bar.full + bar.left_over}" for bar in self.bars[:3])
        return f"Buckets at {self.heading.lower()}: {self.note}; the fullest: {fullest}"


Panel = Histogram | Bars
