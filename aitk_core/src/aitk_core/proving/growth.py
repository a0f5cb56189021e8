"""A run as it stood earlier, and the moments at which to look at it."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from attrs import evolve

from aitk_core.evidence.records import RunEvidence
from aitk_core.statistics.trend import LOOK_EVERY

if TYPE_CHECKING:
    from array import array

    from aitk_core.evidence.logscan import LogScan
    from aitk_core.evidence.progress import ProgressReadings
    from aitk_core.evidence.records import Series
    from aitk_core.proving.cases import ProofCase

_SHORT_STEPS: Final = 1000
_LOOKS_OF_SHORT: Final = 4
"""Ours: a run too short for looks of 250 steps is looked at four times."""
_NEAR_STEPS: Final = 400
_NEAR_EVERY: Final = 10
"""Ours: after an onset each ten steps, one block of the level shift (STATS.md section 3), as far
as the slowest method takes for a shift that it finds (90 %: 370 steps, same section)."""
_SETTLED_S: Final = 5.0
"""Ours: a healthy run is looked at this long after its newest step."""


def looks_of(case: ProofCase) -> tuple[int, ...]:
    """Return the steps at which to look at a run before its end, ascending.

    Empty where only the end counts: something must be found and no onset is named, or the
    evidence is no run with a loss.
    """
    evidence = case.evidence
    if not isinstance(evidence, RunEvidence) or evidence.loss is None:
        return ()
    if case.must_find and case.onset_step is None:
        return ()
    steps = evidence.loss.steps
    first, last = steps[0], steps[-1]
    every = LOOK_EVERY if last - first >= _SHORT_STEPS else (last - first) // _LOOKS_OF_SHORT + 1
    looks = set(range(first + every, last, every))
    if case.onset_step is not None:
        end = min(last, case.onset_step + _NEAR_STEPS)
        # The last moment at which all is well, too: an alarm there is a false one.
        looks |= set(range(case.onset_step - 1, end, _NEAR_EVERY))
    return tuple(sorted(step for step in looks if first <= step < last))


def as_it_stood(evidence: RunEvidence, step: int) -> RunEvidence:
    """Return the run as it stood right after a step, still running.

    Series end at that step, and the log before the first bar of a later one; the log's lines are
    those of the finished log, so whether a run went on after a traceback is known too early.

    Args:
        evidence: The whole run, with a loss.
        step: Not before the first logged one.
    """
    series = {key: _until(one, step) for key, one in evidence.series.items()}
    series = {key: one for key, one in series.items() if len(one)}
    times = [time_s for one in series.values() for time_s in one.wall_times[-1:]]
    known = [time_s for time_s in times if math.isfinite(time_s)]
    log = evidence.log
    return evolve(
        evidence,
        job=evolve(evidence.job, status="running", info="Training", step=step + 1),
        series=series,
        log=None if log is None else evolve(log, scan=_log_until(log.scan, step)),
        collected_at=max(known) + _SETTLED_S if known else evidence.collected_at,
    )


def _until(series: Series, step: int) -> Series:
    count = bisect_right(series.steps, step)
    return evolve(
        series,
        steps=series.steps[:count],
        wall_times=series.wall_times[:count],
        values=series.values[:count],
    )


def _log_until(scan: LogScan, step: int) -> LogScan:
    readings = scan.readings
    count = bisect_right(readings.step, step)
    if count == len(readings):
        return scan
    limit = readings.line[count]
    nan_lines = tuple(line for line in scan.nan_lines if line < limit)
    events = tuple(event for event in scan.events if event.number < limit)
    tracebacks = tuple(one for one in scan.tracebacks if one.last_line < limit)
    return evolve(
        scan,
        lines=tuple(line for line in scan.lines if line.number < limit),
        messages=tuple(line for line in scan.messages if line.number < limit),
        line_count=limit - 1,
        readings=_readings_until(readings, count),
        nan_lines=nan_lines,
        nan_count=len(nan_lines),
        events=events,
        event_count=len(events),
        tracebacks=tracebacks,
        traceback_count=len(tracebacks),
        restarts=tuple(line for line in scan.restarts if line < limit),
    )


def _readings_until(readings: ProgressReadings, count: int) -> ProgressReadings:
    last = readings.step[count - 1] if count else -1
    nonfinite: array[int] = readings.nonfinite_steps
    return evolve(
        readings,
        step=readings.step[:count],
        line=readings.line[:count],
        elapsed_s=readings.elapsed_s[:count],
        rate_it_per_s=readings.rate_it_per_s[:count],
        loss=readings.loss[:count],
        lr=readings.lr[:count],
        extra={name: values[:count] for name, values in readings.extra.items()},
        nonfinite_steps=nonfinite[: bisect_right(nonfinite, last)],
    )
