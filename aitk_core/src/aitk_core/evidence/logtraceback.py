"""Python tracebacks in a trainer log: kept whole, chained ones together, each bounded."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

import attrs

from aitk_core.evidence.logtext import Ends

_HEADER: Final = "Traceback (most recent call last):"
# The lines that traceback.py prints between the exceptions of a chain (CPython Lib/traceback.py,
# _cause_message and _context_message).
_CONNECTORS: Final = frozenset(
    {
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    }
)
_EXCEPTION: Final = re.compile(r"([A-Za-z_][\w.<>]{0,200})(?:: ?(.*))?", re.DOTALL)
# A stop through the database leaves through an exception (RUNBOOK section 5).
_BENIGN_MESSAGES: Final = frozenset({"Job stopped", "Job returning to queue"})
# What toolkit/data_loader.py prints once it has dealt with the exception (recorded: corrupt_image).
_HANDLED_MESSAGES: Final = ("Error processing image:", "Error loading image")
_HANDLED_WITHIN_LINES: Final = 3
"""Our own bound: the recorded message stands one blank line below the traceback."""
_STEPS_THAT_PROVE_PROGRESS: Final = 2
"""One is not enough: a bar that is closed by the exception may redraw a newer count."""

# Our own bounds.
_KEEP_TRACEBACKS: Final = 50
_KEEP_TRACEBACK_LINES: Final = 60
_MAX_TRACEBACK_LINE_CHARS: Final = 500


@attrs.frozen(kw_only=True)
class Traceback:
    """One traceback, or a chain of them that belongs to one failure."""

    first_line: int
    """Physical line of the first header."""
    last_line: int
    """Physical line of the last exception, or of the last frame where it was cut off."""
    exception_type: str | None
    """Innermost exception, the last one printed; None where the log ends or goes on before it."""
    exception_message: str
    """First line of its message, possibly empty."""
    cause_type: str | None
    """First exception of the chain; the same as the innermost one where there is no chain."""
    cause_message: str
    text: str
    """The lines, at most 120 of at most 500 characters; the middle of a longer one is left out."""
    benign: bool
    """A requested stop that leaves through an exception, not an error."""
    handled: bool
    """The run went on after it."""


@attrs.define
class _Draft:
    """A traceback being read."""

    first_line: int
    last_line: int
    lines: Ends[str] = attrs.Factory(lambda: Ends(_KEEP_TRACEBACK_LINES))
    exceptions: int = 0
    cause: tuple[str, str] | None = None
    innermost: tuple[str, str] | None = None
    handled: bool = False
    past: bool = False
    """A later run has started: its steps say nothing about this one."""

    def add(self, number: int, text: str) -> None:
        """Take one line of it."""
        self.last_line = number
        self.lines.append(text[:_MAX_TRACEBACK_LINE_CHARS])

    def raised(self, name: str, message: str) -> None:
        """Note an exception of the chain."""
        self.exceptions += 1
        self.innermost = (name, message)
        if self.cause is None:
            self.cause = self.innermost

    def unwrap(self) -> None:
        """Forget a lone exception that only wraps the one a data loader worker sent."""
        if self.exceptions == 1:
            self.cause = None

    def freeze(self) -> Traceback:
        """Return the record."""
        kept = list(self.lines)
        if len(kept) < self.lines.count:
            left_out = self.lines.count - len(kept)
            kept.insert(_KEEP_TRACEBACK_LINES, f"… [{left_out} lines left out]")
        name, message = self.innermost or (None, "")
        cause_name, cause_message = self.cause or (None, "")
        return Traceback(
            first_line=self.first_line,
            last_line=self.last_line,
            exception_type=name,
            exception_message=message,
            cause_type=cause_name,
            cause_message=cause_message,
            text="\n".join(kept),
            benign=name == "Exception" and message in _BENIGN_MESSAGES,
            handled=self.handled,
        )


class _State(Enum):
    OUTSIDE = auto()
    FRAMES = auto()
    RAISED = auto()
    CHAINED = auto()


class TracebackReader:
    """Collects tracebacks from the messages of a log, one by one."""

    def __init__(self) -> None:
        """Start outside any traceback."""
        self._state = _State.OUTSIDE
        self._draft: _Draft | None = None
        self._drafts: Ends[_Draft] = Ends(_KEEP_TRACEBACKS)
        self._newest: _Draft | None = None
        self.steps_to_go = 0
        """How many more steps show that the run went on; 0 where nothing waits for one."""
        self._blank_lines = 0

    @property
    def count(self) -> int:
        """How many tracebacks there were; more than are kept, perhaps."""
        return self._drafts.count

    def read(self, number: int, text: str) -> None:
        """Take the next message, blank lines included."""
        if text.endswith(_HEADER):
            self._header(number, text)
        elif self._state is _State.OUTSIDE:
            self._look_for_handling(number, text)
        elif self._state is _State.FRAMES:
            self._frame(number, text)
        else:
            self._after_exception(number, text)

    def new_step(self) -> None:
        """Note that training reached another step."""
        if self.steps_to_go:
            self.steps_to_go -= 1
            if not self.steps_to_go:
                for draft in self._drafts:
                    draft.handled = draft.handled or not draft.past

    def new_run(self) -> None:
        """Note that another run starts here."""
        self._close()
        self.steps_to_go = 0
        self._newest = None
        for draft in self._drafts:
            draft.past = True

    def finish(self) -> tuple[Traceback, ...]:
        """Return the first and the last of them."""
        self._close()
        return tuple(draft.freeze() for draft in self._drafts)

    def _header(self, number: int, text: str) -> None:
        nested = text.startswith("Original ")
        chained = self._state is _State.CHAINED or (self._state is _State.RAISED and nested)
        if self._draft is None or not chained:
            self._close()
            self._draft = _Draft(number, number)
            # Open ones count at once: a long log may end inside its only traceback.
            self._drafts.append(self._draft)
            self._newest = self._draft
            self.steps_to_go = _STEPS_THAT_PROVE_PROGRESS
        elif nested:
            self._draft.unwrap()
        self._add_blank_lines(self._draft, number)
        self._draft.add(number, text)
        self._state = _State.FRAMES
        self._blank_lines = 0

    def _frame(self, number: int, text: str) -> None:
        if self._draft is None:
            return
        if text[:1] in {" ", "\t", "|", "+"}:
            self._draft.add(number, text)
            return
        raised = _EXCEPTION.fullmatch(text)
        if raised is None:
            self._close()
            return
        self._draft.add(number, text)
        self._draft.raised(raised[1], raised[2] or "")
        self._state = _State.RAISED
        self._blank_lines = 0

    def _after_exception(self, number: int, text: str) -> None:
        if self._draft is None:
            return
        if not text:
            # traceback.py puts one blank line before and one after a connector.
            self._blank_lines += 1
            if self._blank_lines > 1:
                self._close()
        elif self._state is _State.RAISED and text in _CONNECTORS:
            self._add_blank_lines(self._draft, number)
            self._draft.add(number, text)
            self._state = _State.CHAINED
        else:
            self._close()
            self._look_for_handling(number, text)

    def _add_blank_lines(self, draft: _Draft, number: int) -> None:
        for blank in range(self._blank_lines):
            draft.add(number - self._blank_lines + blank, "")
        self._blank_lines = 0

    def _look_for_handling(self, number: int, text: str) -> None:
        newest = self._newest
        if newest is None or not text.startswith(_HANDLED_MESSAGES):
            return
        if number - newest.last_line <= _HANDLED_WITHIN_LINES:
            newest.handled = True

    def _close(self) -> None:
        self._draft = None
        self._state = _State.OUTSIDE
