"""Draws one panel into a part of a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from attrs import evolve, frozen

from aitk_observability.charts.canvas import Box
from aitk_observability.charts.scale import step_scale, step_ticks
from aitk_observability.charts.words import step_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from aitk_observability.charts.canvas import Canvas
    from aitk_observability.charts.records import Lane, Marker, Panel
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
_TICK_EVERY_X: Final = 90
_TICK_EVERY_Y: Final = 42
_LEAST_PLOT: Final = 60


@frozen(kw_only=True)
class _Entry:
    """One entry of the legend, with what draws its sample."""

    label: str
    draw: Callable[[float, float], None]


class PanelPlot:
    """One panel on its way into a picture."""

    def __init__(self, canvas: Canvas, panel: Panel, theme: Theme) -> None:
        """Take what to draw, where, and in which colours."""
        self._canvas = canvas
        self._panel = panel
        self._theme = theme

    def draw(self, box: Box, *, steps: tuple[int, int], note: str) -> None:
        """Draw heading, legend, plot, rows of marks and note.

        Args:
            box: All of it, from the top of the heading to the bottom of the note; the numbers of
                the value axis stand left of it.
            steps: First and last step of the axis.
            note: One line about n, method and source.
        """
        y = box.top + HEADING
        self._heading(box, y)
        y = self._legend(box, y + _LINE_HEIGHT)
        lanes = self._panel.lanes
        bottom = box.bottom - _BELOW - _LANE_HEIGHT * len(lanes)
        plot = Box(left=box.left, top=y, right=box.right, bottom=max(bottom, y + _LEAST_PLOT))
        x = step_scale(*steps)

        def across(at: NDArray[np.float64]) -> NDArray[np.float64]:
            return plot.left + x.at(at) * plot.width

        labels = self._rule_labels(plot, across)
        room = _LINE_HEIGHT * (1 + max((row for _, row, _ in labels), default=-1))
        data = evolve(plot, top=plot.top + room)
        self._axis_of_values(data, plot)
        self._data(data, plot, across)
        self._rules(plot, across, labels)
        for index, lane in enumerate(lanes):
            self._lane(lane, plot.left, plot.bottom + _LANE_HEIGHT * index, across)
        below = plot.bottom + _LANE_HEIGHT * len(lanes)
        for tick in step_ticks(x, max(2, int(plot.width / _TICK_EVERY_X))):
            at = float(across(np.array([tick]))[0])
            self._text(at, below + 14, step_number(tick), "muted", anchor="center")
        middle = (plot.left + plot.right) / 2
        words = self._canvas.fitted(f"step   ({note})", box.width + 2 * _GAP, size=TEXT)
        self._text(middle, below + 14 + _LINE_HEIGHT, words, "muted", anchor="center")

    def _color(self, role: Role) -> str:
        return self._theme.roles[role]

    def _text(self, x: float, y: float, words: str, role: Role, *, anchor: str = "left") -> None:
        self._canvas.text(x, y, words, size=TEXT, color=self._color(role), anchor=anchor)

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
        for entry in self._entries():
            label = self._canvas.fitted(entry.label, box.width - _SWATCH - 4, size=TEXT)
            width = _SWATCH + 4 + self._canvas.width_of(label, size=TEXT)
            if x > box.left and x + width > box.right:
                x, y = box.left, y + _LINE_HEIGHT
            entry.draw(x, y - 4)
            self._text(x + _SWATCH + 4, y, label, "text")
            x += width + _BETWEEN
        return y + 8

    def _entries(self) -> Iterable[_Entry]:
        panel, canvas = self._panel, self._canvas

        def stroke(role: Role) -> Callable[[float, float], None]:
            def draw(x: float, y: float) -> None:
                ends, level = np.array([x, x + _SWATCH]), np.full(2, y)
                canvas.line(ends, level, color=self._color(role), width=2)

            return draw

        def patch(role: Role, *, dashed: bool) -> Callable[[float, float], None]:
            def draw(x: float, y: float) -> None:
                ends, level = np.array([x, x + _SWATCH]), np.full(2, y)
                canvas.area(ends, level - 5, level + 4, color=self._color(role), alpha=0.25)
                if dashed:
                    canvas.line(ends, level, color=self._color(role), width=1.5, dashed=True)

            return draw

        def mark(marker: Marker, role: Role) -> Callable[[float, float], None]:
            def draw(x: float, y: float) -> None:
                centre = np.array([x + _SWATCH / 2])
                canvas.marks(centre, np.array([y]), marker=marker, color=self._color(role), size=8)

            return draw

        for line in panel.lines:
            yield _Entry(label=line.label, draw=stroke(line.role))
        for band in panel.bands:
            yield _Entry(label=band.label, draw=patch(band.role, dashed=band.middle is not None))
        for points in panel.points:
            yield _Entry(label=points.label, draw=mark(points.marker, points.role))

    def _axis_of_values(self, data: Box, plot: Box) -> None:
        scale, canvas = self._panel.scale, self._canvas
        ticks = scale.ticks(max(2, int(data.height / _TICK_EVERY_Y)))
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
            if line.dots:
                canvas.marks(xs, ys, marker="circle", color=color, size=5, clip=plot)
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
        """Return left end, row and words of each rule's label, so that none overlaps."""
        ends: list[float] = []
        placed = []
        for rule in self._panel.rules:
            words = self._canvas.fitted(rule.label, plot.width, size=TEXT)
            width = self._canvas.width_of(words, size=TEXT)
            x = float(across(np.array([float(rule.step)]))[0]) + 4
            left = max(plot.left + 2, x if x + width <= plot.right else x - 8 - width)
            row = next((r for r, end in enumerate(ends) if end < left), len(ends))
            ends[row:] = [left + width + _GAP, *ends[row + 1 :]]
            placed.append((left, row, words))
        return placed

    def _rules(
        self,
        plot: Box,
        across: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        labels: list[tuple[float, int, str]],
    ) -> None:
        for rule, (left, row, words) in zip(self._panel.rules, labels, strict=True):
            x = float(across(np.array([float(rule.step)]))[0])
            self._canvas.line(
                np.full(2, x),
                np.array([plot.top, plot.bottom]),
                color=self._color(rule.role),
                width=1.4,
                dashed=rule.role == "warning",
            )
            self._text(left, plot.top + 11 + _LINE_HEIGHT * row, words, rule.role)

    def _lane(
        self,
        lane: Lane,
        left: float,
        top: float,
        across: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> None:
        y = top + _LANE_HEIGHT / 2 + 1
        # One mark for each pair of pixels: more cannot be told apart.
        places = np.unique(np.round(across(np.array(lane.steps, dtype=np.float64)) / 2)) * 2
        color = self._color(lane.role)
        self._canvas.marks(places, np.full(len(places), y), marker=lane.marker, color=color, size=6)
        self._text(left - _GAP, y + 4, lane.label, lane.role, anchor="right")
