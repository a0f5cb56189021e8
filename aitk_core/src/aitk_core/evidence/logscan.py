"""Reading a trainer log: one pass, linear time, memory that does not grow with its length.

What the lines mean is in API.md sections 12.1 and 12.2 and in RUNBOOK section 7.
"""

from __future__ import annotations

import copy
import re
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from aitk_core.evidence.logevents import ENDING_KINDS, EventReader, LogEvent, LogEventKind
from aitk_core.evidence.logtext import CUT_MARK, Ends, LogLine, Tail, sanitize, strip_escapes
from aitk_core.evidence.logtraceback import Traceback, TracebackReader
from aitk_core.evidence.progress import (
    ANY_BAR,
    LONGEST_TRAINING_BAR,
    OPEN_ENDED_BAR,
    TRAINING_BAR,
    OtherBar,
    ProgressReadings,
    ReadingsBuilder,
    is_training_postfix,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# Our own bounds.
_SLICE_CHARS: Final = 256 * 1024
_KEEP_NAN_LINES: Final = 500
_KEEP_EVENTS: Final = 1000
_KEEP_RESTARTS: Final = 500
_MAX_OTHER_BARS: Final = 64
_MAX_DESCRIPTION_CHARS: Final = 200
_RAW_FACTOR: Final = 4
"""A line is first cut at this many times its limit, so that stripping costs bounded time."""

_NAN_MESSAGE: Final = "loss is nan"
"""What the trainer prints for a step without a finite loss (API.md section 12.3)."""


@attrs.frozen(kw_only=True)
class LogScan:
    """What a log says. Text in it is the trainer's, not to be trusted."""

    lines: tuple[LogLine, ...]
    """The last logical lines: each message, and each bar once between two messages."""
    messages: tuple[LogLine, ...]
    """The lines that are not bars, blank ones included."""
    line_count: int
    """Physical lines, LF or CRLF ends one; an unfinished last one counts if it has text."""
    bytes_seen: int
    """Length of the text in characters."""
    readings: ProgressReadings
    nan_lines: tuple[int, ...]
    """Physical lines of the message `loss is nan`: the first 500 and the last 500."""
    nan_count: int
    events: tuple[LogEvent, ...]
    """The first 1000 and the last 1000."""
    event_count: int
    tracebacks: tuple[Traceback, ...]
    """The first 50 and the last 50."""
    traceback_count: int
    other_bars: Mapping[str, OtherBar]
    """By description, the one redrawn last at the end; at most 64."""
    truncated_lines: int
    """Lines, or parts between carriage returns, that were longer than the limit and cut."""
    restarts: tuple[int, ...]
    """Physical lines at which another run starts inside the text; the last 500."""

    @property
    def first_step(self) -> int | None:
        """The first step that the training bar showed."""
        return self.readings.step[0] if self.readings.step else None

    @property
    def last_step(self) -> int | None:
        """The last step that the training bar showed."""
        return self.readings.step[-1] if self.readings.step else None

    @property
    def total_steps(self) -> int | None:
        """The total that the training bar showed last."""
        return self.readings.total

    @property
    def run_first_line(self) -> int:
        """Where the newest run starts: what stands before belongs to another (PITFALLS 38)."""
        return self.restarts[-1] if self.restarts else 1


def scan_log(text: str, **options: Any) -> LogScan:
    """Scan a whole log; `options` are those of `LogScanner`, `bar_name` among them."""
    scanner = LogScanner(**options)
    scanner.feed(text)
    return scanner.finish()


class LogScanner:
    """Reads a log in pieces of any size; how it is cut never changes what is found.

    Inside, carriage returns separate the parts, and a part that begins a physical line still has
    its line feed in front. So redraws and lines pass through one loop.
    """

    def __init__(
        self, *, bar_name: str | None, keep_lines: int = 20000, max_line_chars: int = 4000
    ) -> None:
        """Start at the first line.

        Args:
            bar_name: Description of the training bar, the job config's name; None takes the first
                bar that carries a learning rate or a loss.
            keep_lines: How many logical lines to keep, 0 or more.
            max_line_chars: Longest line that is read whole, 1 or more.

        Raises:
            ValueError: A limit is out of range.
        """
        if keep_lines < 0 or max_line_chars < 1:
            raise ValueError(f"limits out of range: {keep_lines!r} lines, {max_line_chars!r} chars")
        self._max_chars = max_line_chars
        self._max_raw_chars = _RAW_FACTOR * max_line_chars
        self._prefix: str | None = None
        self._name = ""
        # Matches a part that is nothing but the training bar, clean and short as it stands.
        self._whole_bar: Callable[[str], re.Match[str] | None] | None = None
        self._set_bar_name(strip_escapes(sanitize(bar_name or "")))
        self._number = 1
        self._has_content = False
        self._part = ""
        self._held_return = False
        self._chars_seen = 0
        self._truncated = 0
        self._tail = Tail(keep_lines)
        self._readings = ReadingsBuilder()
        self._event_reader = EventReader()
        self._events: Ends[LogEvent] = Ends(_KEEP_EVENTS)
        self._tracebacks = TracebackReader()
        self._nan_lines: Ends[int] = Ends(_KEEP_NAN_LINES)
        self._other_bars: dict[str, OtherBar] = {}
        self._restarts: deque[int] = deque(maxlen=_KEEP_RESTARTS)
        self._starting = False
        self._is_fresh = True
        self._has_run = False
        self._scan: LogScan | None = None

    def feed(self, text: str) -> None:
        """Take the next piece of text.

        Raises:
            ValueError: The scanner has finished.
        """
        if self._scan is not None:
            raise ValueError("a finished scanner takes no more text")
        for start in range(0, len(text), _SLICE_CHARS):
            self._feed_slice(text[start : start + _SLICE_CHARS])

    def finish(self) -> LogScan:
        """Take what stands after the last line end, and return what was found."""
        if self._scan is None:
            self._read_parts([self._part])
            self._part = ""
            self._scan = self._result()
        return self._scan

    def snapshot(self, *, lines: int, readings: int) -> LogScan:
        """Return what `finish` would, without ending; feeding on is as if nobody had looked.

        The cost depends on the two limits and on the scanner's bounds, not on what was read.

        Args:
            lines: How many logical lines to return, 0 or more.
            readings: How many of the steps that are over to return, 0 or more; the one that
                is under way comes on top.
        """
        twin = copy.copy(self)
        vars(twin).update(
            _tail=self._tail.copy(lines),
            _readings=self._readings.copy(readings),
            _event_reader=copy.copy(self._event_reader),
            _events=self._events.copy(),
            # Drafts point at each other; there are at most 100, of 120 lines each.
            _tracebacks=copy.deepcopy(self._tracebacks),
            _nan_lines=self._nan_lines.copy(),
            _other_bars=self._other_bars.copy(),
            _restarts=self._restarts.copy(),
        )
        return twin.finish()

    def _result(self) -> LogScan:
        lines = self._tail.lines()
        return LogScan(
            lines=lines,
            messages=tuple(line for line in lines if not line.bar),
            line_count=self._number if self._has_content else self._number - 1,
            bytes_seen=self._chars_seen,
            readings=self._readings.finish(),
            nan_lines=tuple(self._nan_lines),
            nan_count=self._nan_lines.count,
            events=tuple(self._events),
            event_count=self._events.count,
            tracebacks=self._tracebacks.finish(),
            traceback_count=self._tracebacks.count,
            other_bars=self._other_bars,
            truncated_lines=self._truncated,
            restarts=tuple(self._restarts),
        )

    def _set_bar_name(self, name: str) -> None:
        # A line break inside a name breaks the bar too: what follows it stands before the count.
        self._name = name.replace("\r", "\n").rpartition("\n")[2]
        if not self._name:
            return
        # tqdm adds the colon only where the description does not end in one (std.py, format_meter).
        self._prefix = self._name if self._name.endswith(": ") else f"{self._name}: "
        if len(self._prefix) + LONGEST_TRAINING_BAR < self._max_chars:
            whole_bar = re.compile(rf"\n?{re.escape(self._prefix)}{TRAINING_BAR.pattern}")
            self._whole_bar = whole_bar.fullmatch

    def _feed_slice(self, text: str) -> None:
        self._chars_seen += len(text)
        text = sanitize(text)
        if self._held_return:
            text = f"\r{text}"
        # A carriage return at the end may be half of a line end.
        self._held_return = text.endswith("\r")
        if self._held_return:
            text = text[:-1]
        if "\n" in text:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        parts = text.split("\r")
        # One character more than is read tells later that the part was too long.
        room = self._max_raw_chars + 2 - len(self._part)
        parts[0] = self._part + parts[0][: max(room, 0)]
        self._part = parts.pop()[: self._max_raw_chars + 2]
        self._read_parts(parts)

    def _read_parts(self, parts: list[str]) -> None:
        """Read complete parts: redraws of the training bar here, the rest one by one."""
        redraw = self._readings.redraw
        open_bars = self._tail.open_bars
        tracebacks = self._tracebacks
        for part in parts:
            whole_bar = self._whole_bar
            bar = whole_bar(part) if whole_bar is not None else None
            if bar is None:
                self._read_part(part)
                continue
            if part[0] == "\n":
                self._end_line()
            self._has_content = True
            open_bars[self._name] = (self._number, part)
            change = redraw(bar, self._number)
            # Most steps change nothing but the readings.
            if change and (change < 0 or self._is_fresh or tracebacks.steps_to_go):
                self._step_changed(change)

    def _read_part(self, part: str) -> None:
        if part.startswith("\n"):
            self._end_line()
            part = part[1:]
        if not part or part.isspace():
            return
        text = self._readable(part)
        # tqdm clears a bar by printing blanks over it.
        if text and not text.isspace():
            self._has_content = True
            self._read_text(text)

    def _end_line(self) -> None:
        if not self._has_content:
            self._message("")
        self._number += 1
        self._has_content = False

    def _readable(self, part: str) -> str:
        text = strip_escapes(part[: self._max_raw_chars])
        if len(part) <= self._max_raw_chars and len(text) <= self._max_chars:
            return text
        self._truncated += 1
        return text[: self._max_chars] + CUT_MARK

    def _read_text(self, text: str) -> None:
        """Take the bars off a part, one after the other; what is left is a message."""
        at = 0
        while at < len(text):
            end = self._training_bar(text, at) or self._other_bar(text, at)
            if end is None:
                break
            at = end
        # Messages are glued to the end of a bar, after the blanks that clear a longer one.
        rest = text[at:].lstrip(" ") if at else text
        if rest:
            self._message(rest)

    def _training_bar(self, text: str, at: int) -> int | None:
        """Read the training bar that begins at `at`; return where it ends, or None."""
        if self._prefix is None or not text.startswith(self._prefix, at):
            return None
        bar = TRAINING_BAR.match(text, at + len(self._prefix))
        if bar is None:
            return None
        self._tail.open_bars[self._name] = (self._number, text[at : bar.end()])
        change = self._readings.redraw(bar, self._number)
        if change:
            self._step_changed(change)
        return bar.end()

    def _other_bar(self, text: str, at: int) -> int | None:
        """Read the next bar from `at` on; return where it ends, or None."""
        bar = ANY_BAR.search(text, at) if "%|" in text else None
        percent = None if bar is None else int(bar[1])
        if bar is None and ("/s" in text or "s/" in text):
            bar = OPEN_ENDED_BAR.search(text, at)
        if bar is None:
            return None
        description = text[at : bar.start()].strip().removesuffix(":")
        if self._is_training(bar, description):
            self._set_bar_name(text[at : bar.start()].rstrip().removesuffix(":"))
            self._take_back(description)
            end = self._training_bar(text, at)
            if end is not None:
                return end
        description = description[:_MAX_DESCRIPTION_CHARS]
        state = text[at : bar.end()]
        self._keep_other_bar(
            OtherBar(description=description, number=self._number, percent=percent, text=state)
        )
        return bar.end()

    def _is_training(self, bar: re.Match[str], description: str) -> bool:
        """Tell whether this is the training bar, where nobody said what it is called."""
        if self._prefix is not None or bar.re is not ANY_BAR or not description:
            return False
        return is_training_postfix(bar[4])

    def _take_back(self, description: str) -> None:
        """Read again, as training, what the bar showed before its postfix made it known."""
        before = self._other_bars.pop(description, None)
        if before is not None and self._prefix is not None:
            bar = TRAINING_BAR.fullmatch(before.text, len(self._prefix))
            if bar is not None:
                self._readings.redraw(bar, before.number)

    def _keep_other_bar(self, bar: OtherBar) -> None:
        self._other_bars.pop(bar.description, None)
        self._other_bars[bar.description] = bar
        if len(self._other_bars) > _MAX_OTHER_BARS:
            del self._other_bars[next(iter(self._other_bars))]
        self._tail.open_bars[bar.description] = (bar.number, bar.text)
        if len(self._tail.open_bars) > _MAX_OTHER_BARS:
            self._tail.flush()

    def _message(self, text: str) -> None:
        self._tail.message(self._number, text)
        if text.strip() == _NAN_MESSAGE:
            self._nan_lines.append(self._number)
        self._tracebacks.read(self._number, text)
        if text:
            event = self._event_reader.read(self._number, text, self._readings.current_step)
            if event is not None:
                self._take_event(event)

    def _take_event(self, event: LogEvent) -> None:
        if event.kind is LogEventKind.RUN_STARTED:
            # "Running 1 job" and "# Running job: name" belong to one start.
            is_second_line = self._starting and event.text.startswith("#")
            self._starting = not event.text.startswith("#")
            if is_second_line:
                return
            self._new_run()
        elif event.kind in ENDING_KINDS:
            self._starting = False
        self._has_run = True
        self._events.append(event)

    def _new_run(self) -> None:
        if self._has_run:
            self._restarts.append(self._number)
        self._is_fresh = True
        self._readings.end_run()
        self._tracebacks.new_run()

    def _step_changed(self, change: int) -> None:
        """Take in that the training bar shows a later step (above 0) or an earlier one."""
        if change > 0:
            self._tracebacks.new_step()
        elif not self._is_fresh:
            # Counts never fall inside a run: the head of the next one is missing.
            self._restarts.append(self._number)
            self._tracebacks.new_run()
        self._is_fresh = self._starting = False
        self._has_run = True
