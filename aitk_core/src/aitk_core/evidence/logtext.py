"""Text of a trainer log: what is cleaned, what is cut, and the bounded stores that keep it."""

from __future__ import annotations

import re
from collections import deque
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

CUT_MARK: Final = "… [line cut]"
"""Stands at the end of a line that was longer than the limit."""

# ECMA-48: CSI (5.4), OSC ended by BEL or ST (8.3.89), and two-character sequences (5.3). The last
# branch takes what a cut or a broken program left behind.
_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]+[0-~]?|[0-Z\\^-~])?"
)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_KEPT_CHARS: Final = 8 * 1024 * 1024
"""Our own bound on the kept tail, above the 5 MiB of the log route (RUNBOOK section 7)."""


@attrs.frozen(kw_only=True)
class LogLine:
    """One logical line: a message, or the last state of a progress bar."""

    number: int
    """1-based physical line from the start of the text, as `grep -n` counts: LF or CRLF ends it."""
    text: str
    """Without line end, escape sequences, NUL characters and unpaired surrogates."""
    bar: bool = False
    """Whether it is a progress bar."""


def sanitize(text: str) -> str:
    """Drop NUL characters and replace unpaired surrogates, which no encoder takes (PITFALLS 113).

    Works character by character, so that it may be applied to any part of a text.
    """
    if "\0" in text:
        # The log route pads with them for a negative offset (RUNBOOK section 7).
        text = text.replace("\0", "")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = _SURROGATES.sub("\ufffd", text)
    return text


def strip_escapes(text: str) -> str:
    """Remove ANSI escape sequences, unfinished ones too."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


class Ends(Generic[T]):
    """Keeps the first and the last items of a sequence, and counts them all."""

    def __init__(self, keep: int) -> None:
        """Keep up to `keep` items at each end."""
        self.count = 0
        self._keep = keep
        self._first: list[T] = []
        self._last: deque[T] = deque(maxlen=keep)

    def append(self, item: T) -> None:
        """Take the next item."""
        self.count += 1
        if len(self._first) < self._keep:
            self._first.append(item)
        else:
            self._last.append(item)

    def copy(self) -> Ends[T]:
        """Return the same items in a store of its own."""
        twin: Ends[T] = Ends(self._keep)
        twin.count = self.count
        vars(twin).update(_first=self._first.copy(), _last=self._last.copy())
        return twin

    def __iter__(self) -> Iterator[T]:
        """Go through the kept items in their order."""
        yield from self._first
        yield from self._last


class Tail:
    """The last logical lines: each message, and each bar once between two messages."""

    def __init__(self, keep_lines: int) -> None:
        """Keep at most `keep_lines` lines, and less where they are very long."""
        self.open_bars: dict[str, tuple[int, str]] = {}
        """Bars redrawn since the last message: description to line number and last state."""
        self._lines: deque[tuple[int, str, bool]] = deque()
        self._keep_lines = keep_lines
        self._chars = 0

    def copy(self, keep_lines: int) -> Tail:
        """Return the last lines in a store of its own; the cost depends on their number only."""
        twin = Tail(min(keep_lines, self._keep_lines))
        twin.open_bars.update(self.open_bars)
        lines = deque(reversed(list(islice(reversed(self._lines), keep_lines))))
        vars(twin).update(_lines=lines, _chars=sum(len(text) for _, text, _ in lines))
        return twin

    def message(self, number: int, text: str) -> None:
        """Add a message; the bars drawn before it stand before it."""
        self.flush()
        self._append(number, text, bar=False)

    def flush(self) -> None:
        """Settle the open bars by line, on one line in the order in which they first appeared."""
        for number, text in sorted(self.open_bars.values(), key=itemgetter(0)):
            self._append(number, text.lstrip("\n").rstrip(" "), bar=True)
        self.open_bars.clear()

    def lines(self) -> tuple[LogLine, ...]:
        """Return the kept lines."""
        self.flush()
        return tuple(
            LogLine(number=number, text=text, bar=bar) for number, text, bar in self._lines
        )

    def _append(self, number: int, text: str, *, bar: bool) -> None:
        self._lines.append((number, text, bar))
        self._chars += len(text)
        while len(self._lines) > self._keep_lines or self._chars > _KEPT_CHARS:
            self._chars -= len(self._lines.popleft()[1])
