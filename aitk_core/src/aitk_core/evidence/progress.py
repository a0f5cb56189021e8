"""Progress bars of a trainer log: telling them apart, and one reading for each training step.

The shape is tqdm's (`std.py`, `format_meter`) as API.md section 12.2 measured it:

    my_lora:  12%|#1        | 240/2000 [05:00<36:40,  1.25s/it, lr: 1.0e-04 loss: 3.456e-01]
"""

from __future__ import annotations

import copy
import math
import re
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

# Every repetition is bounded and possessive, so that a match costs time proportional to the line
# at most (PITFALLS 28). ESC is excluded: a bar with an escape sequence in it is cleaned first.
_HEAD: Final = r"[0-9]{1,3}+%\|[^|\x1b]{0,400}+\| {0,20}+"
_TAIL: Final = (
    r" \[([-0-9:?days, ]{1,40}+)<[-0-9:?days ]{1,40}+(?:, [0-9:]{1,20}+(?=, ))?"
    r", {1,20}+([^,\]\x1b]{1,40}+(?:,[^, \]\x1b]{1,40}+)?)(?:, ([^\]\x1b]{0,400}+))?\]"
)
_SCALED: Final = r"[0-9.]{1,18}+[kMGTPEZY]?"

TRAINING_BAR: Final = re.compile(
    rf" {{0,20}}+{_HEAD}([0-9]{{1,18}}+)/([0-9]{{1,18}}+){_TAIL} {{0,400}}+"
)
"""What follows the description. Groups: step, total, elapsed, rate, postfix (or None)."""
LONGEST_TRAINING_BAR: Final = 1700
"""Above the longest text that it matches, the sum of its bounds."""

ANY_BAR: Final = re.compile(rf"(?=([0-9]{{1,3}})%){_HEAD}{_SCALED}/{_SCALED}{_TAIL}")
"""A bar of known total, counts possibly scaled (`1.2G/2.7G`). Groups: percent, ..., postfix."""

OPEN_ENDED_BAR: Final = re.compile(
    r"[0-9][0-9.]{0,17}+[A-Za-z]{1,9}+ \[[-0-9:?days, ]{1,40}, {0,20}+[^\]\x1b]{1,200}+\]"
)
"""A bar whose total is not known (`0it [00:00, ?it/s]`)."""

# The postfix keys by which the training bar is known where its name is not (API.md section 12.2).
_TRAINING_POSTFIX: Final = re.compile(r"(?:^|[\s,])(?:lr|[\w/]{0,40}loss[\w/]{0,40}) ?[:=]")
_NUMBER: Final = r"[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,4})?"
_RATE: Final = re.compile(rf"\s*({_NUMBER})(it/s|s/it)\s*")
# `lr: 1.0e-04 loss: 3.456e-01` as the trainer prints it; `avr_loss=0.0931, ...` as kohya does.
_POSTFIX_VALUE: Final = re.compile(
    rf"(?:^|(?<=\s))([^\s:=,]{{1,80}})(?:: ?|=)([+-]?(?:{_NUMBER}|nan|inf))(?=,?(?:\s|$))"
)
# The one shape that the trainer prints when it has a single loss, read without a search.
_USUAL_POSTFIX: Final = re.compile(rf"lr: ({_NUMBER}) loss: ({_NUMBER})")
_LONG_INTERVAL: Final = re.compile(
    r"(?:([0-9]{1,18}) ?d(?:ays?)?,? ?)?(?:([0-9]{1,18}):(?=[0-9]+:[0-9]+:))?"
    r"(?:([0-9]{1,18}):)?([0-9]{1,18}):([0-9]{1,18})"
)
_USUAL_INTERVAL_CHARS: Final = 20
_MAX_EXTRA_SERIES: Final = 16
"""Our own bound: a trainer logs a handful of named losses."""

_NAN: Final = math.nan


# Neighbouring readings mostly share elapsed seconds, rate and learning rate; the caches are small.
@lru_cache(maxsize=1024)
def parse_interval_s(text: str) -> float:
    """Return the seconds of `MM:SS`, `H:MM:SS`, `D:HH:MM:SS` or `D days, H:MM:SS`.

    Returns:
        Seconds, 0 or more; NaN for `?`, a negative interval, or anything else.
    """
    minutes, _, seconds = text.partition(":")
    usual = len(text) <= _USUAL_INTERVAL_CHARS and text.isascii()
    if usual and minutes.isdecimal() and seconds.isdecimal():
        return float(60 * int(minutes) + int(seconds))
    matched = _LONG_INTERVAL.fullmatch(text)
    if matched is None:
        return _NAN
    named_days, counted_days, *clock = (int(group or 0) for group in matched.groups())
    hours, minutes_of_hour, seconds_of_minute = clock
    hours += 24 * (named_days + counted_days)
    return float(3600 * hours + 60 * minutes_of_hour + seconds_of_minute)


@lru_cache(maxsize=1024)
def parse_rate_it_per_s(text: str) -> float:
    """Return iterations a second of `1.22it/s` or `28.13s/it`.

    Returns:
        Iterations a second, above 0; NaN for `?it/s`, a negative rate, `1,5it/s`, and for every
        other unit: samples are not iterations (PITFALLS 25).
    """
    matched = _RATE.fullmatch(text)
    if matched is None:
        return _NAN
    value = float(matched[1])
    if matched[2] == "s/it" and value > 0:
        value = 1 / value
    return value if 0 < value < math.inf else _NAN


def parse_postfix(text: str) -> dict[str, float]:
    """Return the named numbers of a bar's postfix; of a name given twice, the last one.

    NaN and infinities stay what they are: the trainer printed them.
    """
    return {name: float(value) for name, value in _POSTFIX_VALUE.findall(text)}


@lru_cache(maxsize=64)
def _learning_rate(text: str) -> float:
    return float(text)


def _loss_lr_and_extra(postfix: str | None) -> tuple[float | None, float, dict[str, float]]:
    if postfix is None:
        return None, _NAN, {}
    usual = _USUAL_POSTFIX.fullmatch(postfix)
    if usual is not None:
        lr_text, loss_text = usual.groups()
        return float(loss_text), _learning_rate(lr_text), {}
    values = parse_postfix(postfix)
    loss, lr = values.pop("loss", None), values.pop("lr", _NAN)
    return loss, lr if lr >= 0 else _NAN, values


def is_training_postfix(postfix: str | None) -> bool:
    """Tell whether a bar carries a learning rate or a loss, as only training bars do."""
    return postfix is not None and _TRAINING_POSTFIX.search(postfix) is not None


def _as_bytes(values: array[int] | array[float]) -> bytes:
    """Make arrays comparable although NaN differs from itself."""
    return values.tobytes()


def _all_as_bytes(series: Mapping[str, array[float]]) -> dict[str, bytes]:
    return {name: values.tobytes() for name, values in series.items()}


@attrs.frozen(kw_only=True)
class OtherBar:
    """The last state of a bar that is not training progress: evidence of the phase."""

    description: str
    """Empty for a bar without one."""
    number: int
    """Physical line of the last redraw."""
    percent: int | None
    """0 to 100, None where the total is not known."""
    text: str


@attrs.frozen(kw_only=True)
class ProgressReadings:
    """What the training bar said, one entry for each step: parallel arrays, steps ascending.

    Where a run starts again at an earlier step, later readings of the former run are dropped, as
    the trainer does with its own loss table (RUNBOOK section 6). Empty arrays when there was none.
    """

    step: array[int] = attrs.field(eq=_as_bytes)
    """(steps,) int64, strictly ascending: the count of the bar, steps finished so far."""
    line: array[int] = attrs.field(eq=_as_bytes)
    """(steps,) int64: physical line of the step's first redraw."""
    elapsed_s: array[float] = attrs.field(eq=_as_bytes)
    """(steps,) float64, seconds of training when the step was first shown; NaN unreadable."""
    rate_it_per_s: array[float] = attrs.field(eq=_as_bytes)
    """(steps,) float64, tqdm's smoothed rate at that moment; NaN where it printed none."""
    loss: array[float] = attrs.field(eq=_as_bytes)
    """(steps,) float64, the postfix's `loss` at the last redraw of the step; NaN where absent.

    The trainer sets the postfix before it raises the count, so this is the loss that its loss
    table holds for the same step. A run's last count that only repeats the postfix of the one
    before has none of its own.
    """
    lr: array[float] = attrs.field(eq=_as_bytes)
    """(steps,) float64, learning rate, as `loss`."""
    extra: Mapping[str, array[float]] = attrs.field(eq=_all_as_bytes)
    """Further named numbers of the postfix, as `loss`, kept apart from it."""
    nonfinite_steps: array[int] = attrs.field(eq=_as_bytes)
    """Steps whose printed loss was nan or infinite, ascending: not the same as absent."""
    total: int | None
    """The bar's total at its last redraw."""

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.step)


class ReadingsBuilder:
    """Makes readings of redraws; holds one entry for each distinct step and two pending bars."""

    def __init__(self) -> None:
        """Start with no reading."""
        self._step = array("q")
        self._line = array("q")
        self._elapsed_s = array("d")
        self._rate_it_per_s = array("d")
        self._loss = array("d")
        self._lr = array("d")
        self._extra: dict[str, array[float]] = {}
        self._nonfinite = array("q")
        self._total_text: str | None = None
        self._pending_text: str | None = None
        self._pending_step = 0
        self._pending_line = 0
        self._first: re.Match[str] | None = None
        self._last: re.Match[str] | None = None
        self._previous_postfix: str | None = None

    @property
    def current_step(self) -> int | None:
        """The step of the newest redraw, or None before the first."""
        if self._pending_text is not None:
            return self._pending_step
        return self._step[-1] if self._step else None

    def redraw(self, bar: re.Match[str], line: int) -> int:
        """Take one redraw, a match of `TRAINING_BAR`.

        Returns:
            0 for the step shown before, above 0 for a later one, below 0 for an earlier one.
        """
        text = bar[1]
        if text == self._pending_text:
            self._last = bar
            return 0
        step = int(text)
        if self._pending_text is not None:
            change = 1 if step >= self._pending_step else -1
            self._commit(ended=change < 0)
        else:
            change = -1 if self._step and step < self._step[-1] else 1
        self._pending_text = text
        self._pending_step = step
        self._pending_line = line
        self._first = self._last = bar
        return change

    def end_run(self) -> None:
        """Take in what is pending: the run is over, or the log is."""
        if self._pending_text is not None:
            self._commit(ended=True)
        self._pending_text = self._first = self._last = self._previous_postfix = None

    def copy(self, readings: int) -> ReadingsBuilder:
        """Return a builder of its own that holds the last readings and what is pending."""
        start = max(0, len(self._step) - readings)
        first = self._step[start] if start < len(self._step) else math.inf
        twin = copy.copy(self)
        vars(twin).update(
            _step=self._step[start:],
            _line=self._line[start:],
            _elapsed_s=self._elapsed_s[start:],
            _rate_it_per_s=self._rate_it_per_s[start:],
            _loss=self._loss[start:],
            _lr=self._lr[start:],
            _extra={name: values[start:] for name, values in self._extra.items()},
            _nonfinite=self._nonfinite[bisect_left(self._nonfinite, first) :],
        )
        return twin

    def finish(self) -> ProgressReadings:
        """Return the readings."""
        self.end_run()
        return ProgressReadings(
            step=self._step,
            line=self._line,
            elapsed_s=self._elapsed_s,
            rate_it_per_s=self._rate_it_per_s,
            loss=self._loss,
            lr=self._lr,
            extra=self._extra,
            nonfinite_steps=self._nonfinite,
            total=None if self._total_text is None else int(self._total_text),
        )

    def _commit(self, *, ended: bool) -> None:
        first, last = self._first, self._last
        if first is None or last is None:
            return
        postfix = last[5]
        # The count is redrawn with the old postfix first; only a later count proves that the
        # postfix was set for this one as well. Without it, a repeated text is the old loss.
        if ended and postfix == self._previous_postfix:
            postfix = None
        self._previous_postfix = None if ended else last[5]
        step = self._pending_step
        if self._step and step <= self._step[-1]:
            self._forget_from(step)
        self._step.append(step)
        self._line.append(self._pending_line)
        self._total_text = last[2]
        # The first redraw is the one nearest to the moment the count was reached, and the
        # bar's closing redraw holds an overall rate (API.md section 12.2).
        elapsed, rate = first.group(3, 4)
        self._elapsed_s.append(parse_interval_s(elapsed))
        self._rate_it_per_s.append(parse_rate_it_per_s(rate))
        loss, lr, extra = _loss_lr_and_extra(postfix)
        self._loss.append(_NAN if loss is None else loss)
        if loss is not None and not math.isfinite(loss):
            self._nonfinite.append(step)
        self._lr.append(lr)
        if extra or self._extra:
            self._append_extra(extra)

    def _append_extra(self, values: dict[str, float]) -> None:
        for name in values:
            if name not in self._extra and len(self._extra) < _MAX_EXTRA_SERIES:
                self._extra[name] = array("d", [_NAN]) * (len(self._step) - 1)
        for name, series in self._extra.items():
            series.append(values.get(name, _NAN))

    def _forget_from(self, step: int) -> None:
        keep = bisect_left(self._step, step)
        for values in self._parallel():
            del values[keep:]
        del self._nonfinite[bisect_left(self._nonfinite, step) :]

    def _parallel(self) -> Iterator[array[int] | array[float]]:
        yield from (self._step, self._line)
        yield from (self._elapsed_s, self._rate_it_per_s, self._loss, self._lr)
        yield from self._extra.values()
