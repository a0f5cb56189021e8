"""Draws one panel into a part of a picture."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from attrs import evolve

from aitk_observability.charts.canvas import Box
from aitk_observability.charts.scale import step_scale, step_ticks
from aitk_observability.charts.words import step_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from aitk_observability.charts.canvas import Anchor, Canvas
    from aitk_observability.charts.records import Band, Lane, Panel, Points
    from aitk_observability.charts.theme import Role, Theme

HEADING: Final = 13
TEXT: Final = 11
_LINE_HEIGHT: Final = 15
_LANE_HEIGHT: Final = 14
_SWATCH: Final = 18
_BETWEEN: Final = 14
_GAP: Final = 6
_BELOW: Final = 36
"""Pixels below the plot and its lanes: the numbers of the steps, and the note."""
_LANE_OFFSET: Final = 5
"""Between the lowest number of the value axis and the first row's label."""
_TICK_EVERY_X: Final = 75
_TICK_EVERY_Y: Final = 34
_LEAST_TICKS: Final = 3
_LEAST_PLOT: Final = 40
_LABELS_FRACTION: Final = 0.4
"""Ours: the share of a plot's height that labels of findings may take from the data."""
_DOT: Final = 5
_DOTS_UP_TO: Final = 60
"""Ours: more dots run into each other in a small panel."""
_MARK: Final = 6
"""Size of a row's marks; of those that would overlap the first is drawn."""


class PanelPlot:
    """One panel on its way into a picture."""

    def __init__(self, canvas: Canvas, panel: Panel, theme: Theme) -> None:
        """Take what to draw, where, and in which colours."""
        self._canvas = canvas
        self._panel = panel
        self._theme = theme

    def draw(self, box: Box, *, steps: tuple[int, int], note: str, rows: int) -> None:
        """Draw heading, legend, plot, rows of marks and note.

        Args:
            box: All of it, from the top of the heading to the bottom of the note; the numbers of
                the value axis stand left of it.
            steps: First and last step of the axis.
            note: One line about n, method and source.
            rows: Rows of marks to leave room for, so that panels side by side are level.
        """
        y = box.top + HEADING
        self._heading(box, y)
        y = self._legend(box, y + _LINE_HEIGHT)
        lanes = _LANE_OFFSET + _LANE_HEIGHT * rows if rows else 0
        bottom = box.bottom - _BELOW - lanes
        plot = Box(left=box.left, top=y, right=box.right, bottom=max(bottom, y + _LEAST_PLOT))
        x = step_scale(*steps)

        def across(at: NDArray[np.float64]) -> NDArray[np.float64]:
            return plot.left + x.at(at) * plot.width

        labels = self._rule_labels(plot, across)
        room = _LINE_HEIGHT * (1 + max((row for _, row, words in labels if words), default=-1))
        data = evolve(plot, top=plot.top + room)
        self._axis_of_values(data, plot)
        self._data(data, plot, across)
        self._rules(plot, across, labels)
        for index, lane in enumerate(self._panel.lanes):
            top = plot.bottom + _LANE_OFFSET + _LANE_HEIGHT * index
            self._lane(lane, plot.left, top, across)
        y = plot.bottom + lanes + _LINE_HEIGHT
        for tick in step_ticks(x, max(_LEAST_TICKS, int(plot.width / _TICK_EVERY_X))):
            self._centred(float(across(np.array([tick]))[0]), y, step_number(tick))
        words = self._canvas.fitted(f"step ({note})", box.width + 2 * _GAP, size=TEXT)
        self._centred((plot.left + plot.right) / 2, y + _LINE_HEIGHT, words)

    def _color(self, role: Role) -> str:
        return self._theme.roles[role]

    def _text(self, x: float, y: float, words: str, role: Role, *, anchor: Anchor = "left") -> None:
        self._canvas.text(x, y, words, size=TEXT, color=self._color(role), anchor=anchor)

    def _centred(self, x: float, y: float, words: str) -> None:
        """Write a line centred at `x`, moved where the picture would cut it."""
        half = self._canvas.width_of(words, size=TEXT) / 2
        x = min(x, self._canvas.width - _GAP - half)
        self._text(x, y, words, "muted", anchor="center")

    def _heading(self, box: Box, y: float) -> None:
        panel, canvas = self._panel, self._canvas
        color = self._color("text")
        canvas.text(box.left, y, panel.heading, size=HEADING, color=color, bold=True)
        if panel.unit:
            right = box.left + canvas.width_of(panel.heading, size=HEADING, bold=True)
            self._text(right + _GAP, y, f"({panel.unit})", "muted")

    def _legend(self, box: Box, y: float) -> float:
        """Write the legend from the line at `y` on; return where the plot may begin."""
        x = box.left
        for words, draw in self._entries():
            if not words:
                continue
            label = self._canvas.fitted(words, box.width - _SWATCH - 4, size=TEXT)
            width = _SWATCH + 4 + self._canvas.width_of(label, size=TEXT)
            if x > box.left and x + width > box.right:
                x, y = box.left, y + _LINE_HEIGHT
            draw(x, y - 4)
            self._text(x + _SWATCH + 4, y, label, "text")
            x += width + _BETWEEN
        return y + 8

    def _entries(self) -> Iterator[tuple[str, Callable[[float, float], None]]]:
        """Go through the labels of the legend, each with what draws its sample at a place."""
        for line in self._panel.lines:
            yield line.label, partial(self._line_sample, line.role)
        for band in self._panel.bands:
            yield band.label, partial(self._band_sample, band)
        for points in self._panel.points:
            yield points.label, partial(self._point_sample, points)

    def _line_sample(self, role: Role, x: float, y: float) -> None:
        ends = np.array([x, x + _SWATCH])
        self._canvas.line(ends, np.full(2, y), color=self._color(role), width=2)

    def _band_sample(self, band: Band, x: float, y: float) -> None:
        ends, level, color = np.array([x, x + _SWATCH]), np.full(2, y), self._color(band.role)
        self._canvas.area(ends, level - 5, level + 4, color=color, alpha=0.25)
        if band.middle is not None:
            self._canvas.line(ends, level, color=color, width=1.5, dashed=True)

    def _point_sample(self, points: Points, x: float, y: float) -> None:
        at, color = np.array([x + _SWATCH / 2]), self._color(points.role)
        self._canvas.marks(at, np.array([y]), marker=points.marker, color=color, size=8)

    def _axis_of_values(self, data: Box, plot: Box) -> None:
        scale, canvas = self._panel.scale, self._canvas
        ticks = scale.ticks(max(_LEAST_TICKS, int(data.height / _TICK_EVERY_Y)))
        for tick, label in zip(ticks, scale.labels(ticks), strict=True):
            y = self._down(data, np.array([tick]))[0]
            ends = np.array([plot.left, plot.right])
            canvas.line(ends, np.full(2, y), color=self._theme.grid, width=1)
            self._text(plot.left - _GAP, y + 4, label, "muted", anchor="right")
        corners = np.array([plot.left, plot.left, plot.right])
        edges = np.array([plot.top, plot.bottom, plot.bottom])
        canvas.line(corners, edges, color=self._theme.frame, width=1)

    def _down(self, data: Box, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return data.bottom - self._panel.scale.at(values) * data.height

    def _data(
        self,
        data: Box,
        plot: Box,
        across: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> None:
        canvas, background = self._canvas, self._theme.background
        for band in self._panel.bands:
            color, xs = self._color(band.role), across(band.steps)
            low, high = self._down(data, band.low), self._down(data, band.high)
            canvas.area(xs, low, high, color=color, alpha=0.2, clip=data)
        for line in self._panel.lines:
            color = self._color(line.role)
            xs, ys = across(line.steps), self._down(data, line.values)
            canvas.line(xs, ys, color=color, width=1.6, clip=data)
            dotted = np.full(len(xs), len(xs) <= _DOTS_UP_TO) | _alone(line.values)
            canvas.marks(xs[dotted], ys[dotted], marker="circle", color=color, size=_DOT, clip=plot)
        for band in self._panel.bands:
            if band.middle is not None:
                color, xs = self._color(band.role), across(band.steps)
                ys = self._down(data, band.middle)
                canvas.line(xs, ys, color=color, width=2, dashed=True, clip=data)
        for points in self._panel.points:
            ys = np.clip(self._down(data, points.values), data.top + 5, data.bottom - 5)
            canvas.marks(
                across(points.steps),
                ys,
                marker=points.marker,
                color=self._color(points.role),
                size=9,
                edge=background,
            )

    def _rule_labels(
        self, plot: Box, across: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    ) -> list[tuple[float, int, str]]:
        """Return left end, row and words of each rule's label, so that none overlaps.

        What finds no room gets no words; the line below the title names the findings.
        """
        rows = int(_LABELS_FRACTION * plot.height / _LINE_HEIGHT)
        ends: list[float] = []
        placed = []
        for rule in self._panel.rules:
            words = self._canvas.fitted(rule.label, plot.width, size=TEXT)
            width = self._canvas.width_of(words, size=TEXT)
            x = float(across(np.array([float(rule.step)]))[0]) + 4
            left = max(plot.left + 2, x if x + width <= plot.right else x - 8 - width)
            row = next((r for r, end in enumerate(ends) if end < left), len(ends))
            if row >= rows:
                placed.append((left, 0, ""))
                continue
            ends[row:] = [left + width + _GAP, *ends[row + 1 :]]
            placed.append((left, row, words))
        return placed

    def _rules(
        self,
        plot: Box,
        across: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        labels: list[tuple[float, int, str]],
    ) -> None:
        for rule in self._panel.rules:
            x = float(across(np.array([float(rule.step)]))[0])
            self._canvas.line(
                np.full(2, x),
                np.array([plot.top, plot.bottom]),
                color=self._color(rule.role),
                width=1.4,
                dashed=rule.role == "warning",
            )
        # After all lines, and on the background's colour: a line behind a word cuts it.
        for rule, (left, row, words) in zip(self._panel.rules, labels, strict=True):
            if not words:
                continue
            y = plot.top + 11 + _LINE_HEIGHT * row
            ends = np.array([left - 1, left + 1 + self._canvas.width_of(words, size=TEXT)])
            top, bottom = np.full(2, y - 10), np.full(2, y + 3)
            self._canvas.area(ends, bottom, top, color=self._theme.background, alpha=1.0)
            self._text(left, y, words, rule.role)

    def _lane(
        self,
        lane: Lane,
        left: float,
        top: float,
        across: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> None:
        y = top + _LANE_HEIGHT / 2 + 1
        kept: list[float] = []
        for x in across(np.array(lane.steps, dtype=np.float64)).tolist():
            if not kept or x - kept[-1] >= _MARK:
                kept.append(x)
        xs, ys, color = np.array(kept), np.full(len(kept), y), self._color(lane.role)
        self._canvas.marks(xs, ys, marker=lane.marker, color=color, size=_MARK)
        self._text(left - _GAP, y + 4, lane.label, lane.role, anchor="right")


def _alone(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which values have no neighbour to be joined with."""
    missing = np.pad(np.isnan(values), 1, constant_values=True)
    alone: NDArray[np.bool_] = ~missing[1:-1] & missing[:-2] & missing[2:]
    return alone
