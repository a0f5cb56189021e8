"""What the trainer prints: plain lines, and progress bars in the shape of tqdm's.

The bar repeats tqdm 4.67 (`format_meter`, `update`, `set_postfix_str`, `close`) for a stream
that is no terminal: ten cells, a carriage return before each redraw, setting the postfix
always redraws, counting redraws at most every 0.1 s.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

_CELLS: Final = 10
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_MIN_INTERVAL_S: Final = 0.1
_SMOOTHING: Final = 0.3
_CURSOR_UP: Final = "\x1b[A"


class TrainLog:
    """The run's log: every write reaches the file at once, so that it can be followed."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to a text stream.

        Args:
            stream: Takes the text; UTF-8, no newline translation.
            clock: Seconds for the bars, monotonic.
        """
        self._stream = stream
        self._clock = clock
        self._open_bars: list[Bar] = []

    def line(self, text: str = "") -> None:
        """Print one line, or several with newlines in between."""
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """Print text as it is."""
        self._stream.write(text)
        self._stream.flush()

    def bar(self, name: str, *, total: int, initial: int = 0, leave: bool = True) -> Bar:
        """Open a progress bar; below another open one it is drawn on the next line.

        Args:
            name: What the bar describes, may be empty.
            total: Count at the end.
            initial: Count at the start.
            leave: Whether the bar stays visible once closed.
        """
        bar = Bar(
            self,
            name,
            total=total,
            initial=initial,
            leave=leave,
            position=len(self._open_bars),
            clock=self._clock,
        )
        self._open_bars.append(bar)
        return bar

    def released(self, bar: Bar) -> None:
        """Note that a bar was closed."""
        self._open_bars.remove(bar)

    def close_bars(self) -> None:
        """Close the bars that a failed run left open."""
        for bar in reversed(self._open_bars[:]):
            bar.close()


class Bar:
    """One progress bar."""

    def __init__(
        self,
        log: TrainLog,
        name: str,
        *,
        total: int,
        initial: int,
        leave: bool,
        position: int,
        clock: Callable[[], float],
    ) -> None:
        """Draw the bar for the first time."""
        self._log = log
        self._name = name
        self._total = total
        self._initial = initial
        self._leave = leave
        self._position = position
        self._clock = clock
        self._count = initial
        self._postfix = ""
        self._width = 0
        self._closed = False
        self._started_s = self._shown_s = clock()
        self._shown_count = initial
        self._paused_s: float | None = None
        self._rate = _Average()
        self._min_steps = 0.0
        self._draw()

    def update(self, count: int) -> None:
        """Count on, and redraw if the last redraw by count is long enough ago."""
        self._count += count
        steps = self._count - self._shown_count
        if steps < self._min_steps:
            return
        now_s = self._clock()
        elapsed_s = now_s - self._shown_s
        if elapsed_s < _MIN_INTERVAL_S:
            return
        self._rate.add(steps, elapsed_s)
        self._draw()
        self._min_steps = (
            _SMOOTHING * steps * _MIN_INTERVAL_S / elapsed_s + (1 - _SMOOTHING) * self._min_steps
        )
        self._shown_count = self._count
        self._shown_s = now_s

    def postfix(self, text: str) -> None:
        """Show another text behind the rate."""
        self._postfix = text
        self._draw()

    def pause(self) -> None:
        """Stop the bar's clock: saving and sampling do not count as training time."""
        if self._paused_s is None:
            self._paused_s = self._clock()

    def resume(self) -> None:
        """Let the bar's clock go on."""
        if self._paused_s is not None:
            now_s = self._clock()
            self._started_s += now_s - self._paused_s
            self._shown_s = now_s
            self._paused_s = None

    def close(self) -> None:
        """Draw a last line with the overall rate, or wipe the bar; twice does no harm."""
        if self._closed:
            return
        self._closed = True
        self.resume()
        if self._leave:
            self._rate = _Average()
            self._draw()
            self._log.write("\n")
        else:
            self._put("")
            if not self._position:
                self._log.write("\r")
        self._log.released(self)

    def _draw(self) -> None:
        elapsed_s = self._clock() - self._started_s
        self._put(
            bar_text(
                self._name,
                count=self._count,
                total=self._total,
                initial=self._initial,
                elapsed_s=elapsed_s,
                rate_it_per_s=self._rate.value(),
                postfix=self._postfix,
            )
        )

    def _put(self, text: str) -> None:
        padded = text.ljust(self._width)
        self._width = len(text)
        below = "\n" * self._position
        self._log.write(f"{below}\r{padded}{_CURSOR_UP * self._position}")


class _Average:
    """tqdm's rate: two moving averages, of counts and of seconds, each freed of its start bias."""

    def __init__(self) -> None:
        self._counts = self._seconds = 0.0
        self._calls = 0

    def add(self, count: int, elapsed_s: float) -> None:
        self._counts = _SMOOTHING * count + (1 - _SMOOTHING) * self._counts
        self._seconds = _SMOOTHING * elapsed_s + (1 - _SMOOTHING) * self._seconds
        self._calls += 1

    def value(self) -> float | None:
        return self._counts / self._seconds if self._calls and self._seconds else None


def bar_text(
    name: str,
    *,
    count: int,
    total: int,
    initial: int = 0,
    elapsed_s: float,
    rate_it_per_s: float | None,
    postfix: str = "",
) -> str:
    """Write one state of a bar as tqdm's `format_meter` does.

    Args:
        name: Description in front, may be empty.
        count: Where the bar stands.
        total: Where it ends.
        initial: Where it began.
        elapsed_s: Seconds since it began.
        rate_it_per_s: Current rate, or None for the overall one.
        postfix: Text behind the rate.
    """
    rate = rate_it_per_s
    if rate is None and elapsed_s > 0:
        rate = (count - initial) / elapsed_s
    fraction = count / total if total else 1.0
    remaining = _clock_text((total - count) / rate) if rate else "?"
    head = f"{name}: " if name else ""
    tail = f", {postfix}" if postfix else ""
    return (
        f"{head}{fraction * 100:3.0f}%|{_cells(fraction)}| {count}/{total} "
        f"[{_clock_text(elapsed_s)}<{remaining}, {_speed_text(rate)}{tail}]"
    )


def _speed_text(rate_it_per_s: float | None) -> str:
    if not rate_it_per_s:
        return "?it/s"
    if rate_it_per_s < 1:
        return f"{1 / rate_it_per_s:5.2f}s/it"
    return f"{rate_it_per_s:5.2f}it/s"


def _cells(fraction: float) -> str:
    full, part = divmod(int(fraction * _CELLS * 8), 8)
    if full >= _CELLS:
        return "█" * _CELLS
    return "█" * full + _EIGHTHS[part] + " " * (_CELLS - full - 1)


def _clock_text(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute:02d}:{second:02d}"
