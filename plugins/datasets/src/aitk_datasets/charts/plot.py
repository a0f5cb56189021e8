"""Draws one panel of a dataset's chart into a part of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.drawing.canvas import Box
from aitk_core.drawing.scale import Scale
from aitk_datasets.charts.records import Histogram

if TYPE_CHECKING:
    from aitk_core.drawing.canvas import Anchor, Canvas
    from aitk_core.drawing.theme import Role, Theme
    from aitk_datasets.charts.records import Bars, Panel

HEADING: Final = 16
TEXT: Final = 14
_LINE: Final = 19
_GAP: Final = 8
_MARK: Final = 9
_MARKS_ROOM: Final = 18
_NOTE_LINES: Final = 2
_TICK_EVERY_Y: Final = 48
_LABELS: Final = 128
"""Pixels left of bars: the longest bucket's name, `1024x1024x121f`."""
_NUMBERS: Final = 150
"""Pixels right of bars: `1,234, 3 left over`."""
_TALLEST_BAR: Final = 26


class PanelPlot:
    """One panel on its way into a picture."""

    def __init__(self, canvas: Canvas, theme: Theme) -> None:
        """Take where to draw, and in which colours."""
        self._canvas = canvas
        self._theme = theme

    def draw(self, panel: Panel, box: Box) -> None:
        """Draw heading, plot, axes with units, and the note.

        Args:
            panel: What to draw.
            box: All of it, numbers of the axes included.
        """
        canvas = self._canvas
        y = box.top + HEADING
        canvas.text(box.left, y, panel.heading, size=HEADING, color=self._color("text"), bold=True)
        note = self._lines(panel.note, box.width)
        below = box.bottom - _NOTE_LINES * _LINE
        inner = Box(left=box.left, top=y + _GAP, right=box.right, bottom=below)
        if isinstance(panel, Histogram):
            self._histogram(panel, inner)
        else:
            self._bars(panel, inner)
        for line, words in enumerate(note):
            self._text(box.left, below + _LINE * (line + 1) - 4, words, "muted")

    def _lines(self, words: str, width: float) -> list[str]:
        """Return words on two lines at most, the rest cut."""
        first = ""
        parts = words.split()
        while parts and self._canvas.width_of(f"{first} {parts[0]}", size=TEXT) <= width:
            first = f"{first} {parts.pop(0)}".strip()
        rest = self._canvas.fitted(" ".join(parts), width, size=TEXT)
        return [line for line in (first, rest) if line]

    def _color(self, role: Role) -> str:
        return self._theme.roles[role]

    def _text(self, x: float, y: float, words: str, role: Role, *, anchor: Anchor = "left") -> None:
        self._canvas.text(x, y, words, size=TEXT, color=self._color(role), anchor=anchor)

    def _rectangle(self, box: Box, *, alpha: float = 1.0) -> None:
        xs = np.array([box.left, box.right])
        low, high = np.full(2, box.bottom), np.full(2, box.top)
        self._canvas.area(xs, low, high, color=self._color("line"), alpha=alpha)

    def _outline(self, box: Box) -> None:
        xs = np.array([box.left, box.right, box.right, box.left, box.left])
        ys = np.array([box.top, box.top, box.bottom, box.bottom, box.top])
        self._canvas.line(xs, ys, color=self._color("line"), width=1.4)

    def _histogram(self, panel: Histogram, box: Box) -> None:
        counts = Scale(low=0.0, high=max(1.0, float(panel.counts.max()) * 1.06))
        marks = _MARKS_ROOM if panel.marks else 0
        plot_top = box.top + _LINE + _GAP
        plot = Box(
            left=box.left + 52, top=plot_top, right=box.right, bottom=box.bottom - 2 * _LINE - marks
        )
        self._above(panel, box)
        rows = self._rule_rows(panel, plot)
        data = Box(
            left=plot.left,
            top=plot.top + _LINE * (1 + max(rows, default=-1)),
            right=plot.right,
            bottom=plot.bottom,
        )
        self._levels(counts, data)
        self._columns(panel, counts, data)
        self._frame(plot)
        self._rules(panel, plot, rows)
        self._below(panel, plot, marks)

    def _above(self, panel: Histogram, box: Box) -> None:
        """Write what the columns count, what the triangles are, and what no column shows."""
        base = box.top + _LINE - 4
        self._text(box.left, base, panel.counted, "muted")
        x = box.left + self._canvas.width_of(panel.counted, size=TEXT) + 3 * _GAP
        if panel.marks:
            at, color = np.array([x]), self._color("level")
            self._canvas.marks(at, np.array([base - 4]), marker="up", color=color, size=_MARK)
            self._text(x + _MARK + 2, base, panel.marks_label, "level")
        if panel.beyond:
            words = f"{panel.beyond:,} beyond the axis \N{RIGHTWARDS ARROW}"
            self._text(box.right, base, words, "warning", anchor="right")

    def _levels(self, counts: Scale, data: Box) -> None:
        ticks = counts.ticks(max(2, int(data.height / _TICK_EVERY_Y)))
        for tick in (one for one in ticks if float(one).is_integer()):
            y = data.bottom - float(counts.at(tick)) * data.height
            ends, low = np.array([data.left, data.right]), np.full(2, y + 0.5)
            # As areas, which lie below each other in the order in which they are drawn.
            self._canvas.area(ends, low, low - 1, color=self._theme.grid, alpha=1.0)
            self._text(data.left - _GAP, y + 5, f"{tick:,.0f}", "muted", anchor="right")

    def _columns(self, panel: Histogram, counts: Scale, data: Box) -> None:
        xs = data.left + panel.scale.at(panel.edges) * data.width
        heights = counts.at(panel.counts.astype(np.float64)) * data.height
        for left, right, tall in zip(
            xs[:-1].tolist(), xs[1:].tolist(), heights.tolist(), strict=True
        ):
            if tall:
                # At least two pixels: one picture of thousands is to be seen.
                top = data.bottom - max(2.0, tall)
                self._rectangle(Box(left=left + 1, top=top, right=right - 1, bottom=data.bottom))

    def _frame(self, plot: Box) -> None:
        corners = np.array([plot.left, plot.left, plot.right])
        edges = np.array([plot.top, plot.bottom, plot.bottom])
        self._canvas.line(corners, edges, color=self._theme.frame, width=1)

    def _across(self, panel: Histogram, plot: Box, value: float) -> float:
        return plot.left + float(panel.scale.at(value)) * plot.width

    def _rule_rows(self, panel: Histogram, plot: Box) -> list[int]:
        """Return a row for each rule's label, so that no label lies on another or on a line.

        A line begins at its own label's row, so it may not cross a label in that row or below.
        """
        ends: list[float] = []
        rows = []
        for rule in panel.rules:
            x = self._across(panel, plot, rule.value)
            row = next((r for r in range(len(ends) + 1) if all(end < x for end in ends[r:])), 0)
            end = x + _GAP + self._canvas.width_of(rule.label, size=TEXT)
            ends[row : row + 1] = [end]
            rows.append(row)
        return rows

    def _rules(self, panel: Histogram, plot: Box, rows: list[int]) -> None:
        for rule, row in zip(panel.rules, rows, strict=True):
            role: Role = "critical" if rule.is_limit else "text"
            x = self._across(panel, plot, rule.value)
            self._canvas.line(
                np.full(2, x),
                np.array([plot.top + _LINE * row, plot.bottom]),
                color=self._color(role),
                width=2,
                dashed=not rule.is_limit,
            )
            room = self._canvas.width - x - _GAP
            words = self._canvas.fitted(rule.label, room, size=TEXT)
            self._text(x + 5, plot.top + _LINE * (row + 1) - 5, words, role)

    def _below(self, panel: Histogram, plot: Box, marks: int) -> None:
        if panel.marks:
            xs = np.array([self._across(panel, plot, value) for value in panel.marks])
            y = plot.bottom + _MARK
            color = self._color("level")
            self._canvas.marks(xs, np.full(len(xs), y), marker="up", color=color, size=_MARK)
        y = plot.bottom + marks + _LINE - 3
        edge = plot.left - 1
        for value, label in zip(panel.ticks.values, panel.ticks.labels, strict=True):
            half = self._canvas.width_of(label, size=TEXT) / 2
            x = min(self._across(panel, plot, value), self._canvas.width - half - 2)
            if x - half < edge:
                continue
            self._text(x, y, label, "muted", anchor="center")
            edge = x + half + _GAP
        self._text(
            (plot.left + plot.right) / 2, y + _LINE - 1, panel.unit, "muted", anchor="center"
        )

    def _bars(self, panel: Bars, box: Box) -> None:
        top = box.top + _LINE + _GAP
        self._text(box.left, box.top + _LINE - 4, self._axis_words(panel), "muted")
        left, right = box.left + _LABELS, box.right - _NUMBERS
        rows = max(1, len(panel.bars) + bool(panel.more))
        tall = min(_TALLEST_BAR, (box.bottom - top) / rows)
        longest = max((bar.full + bar.left_over for bar in panel.bars), default=1)
        for row, bar in enumerate(panel.bars):
            upper = top + row * tall + tall * 0.14
            lower = top + (row + 1) * tall - tall * 0.14
            base = (upper + lower) / 2 + 5
            self._text(left - _GAP, base, bar.label, "text", anchor="right")
            middle = left + (right - left) * bar.full / longest
            end = left + (right - left) * (bar.full + bar.left_over) / longest
            if bar.full:
                self._rectangle(Box(left=left, top=upper, right=middle, bottom=lower))
            if bar.left_over:
                rest = Box(left=middle, top=upper, right=end, bottom=lower)
                self._rectangle(rest, alpha=0.22)
                self._outline(rest)
            words = f"{bar.full + bar.left_over:,}"
            words += f" ({bar.left_over:,} left over)" if bar.left_over else ""
            self._text(end + _GAP, base, words, "text")
        if panel.more:
            base = top + len(panel.bars) * tall + tall / 2 + 5
            self._text(left, base, f"and {panel.more:,} smaller buckets", "muted")

    def _axis_words(self, panel: Bars) -> str:
        words = f"{panel.counted} for each bucket, pixels wide x high"
        if any(bar.left_over for bar in panel.bars):
            words += "; outlined: left over"
        return words
