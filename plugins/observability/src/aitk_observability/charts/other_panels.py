"""The panels beside the loss: learning rate, step time, validation loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.methods import METHODS
from aitk_core.statistics.speed import gaps_of, median_of
from aitk_observability.analyzers.speed import step_times_of_log
from aitk_observability.charts import marks
from aitk_observability.charts.blocks import MOST, blocks_of
from aitk_observability.charts.records import Lane, Line, Panel, Points
from aitk_observability.charts.scale import LARGEST, SMALLEST, value_scale
from aitk_observability.charts.words import counted, number, step_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.records.findings import Finding
    from aitk_core.statistics.cleaning import Cleaned
    from aitk_observability.charts.blocks import Blocks

LEARNING_RATE: Final = "learning_rate"
"""The trainer's key (backend/API.md section 4.9)."""
_SOURCES: Final = {"metrics": "metrics database", "log": "progress bars of the log"}
_PAUSE_FACTOR: Final = METHODS["pauses_v1"].number("pause_factor")


def learning_rate_panel(evidence: RunEvidence) -> Panel | None:
    """Return the panel of the learning rate; None where none above 0 is known.

    Steps that the trainer skipped hold a 0, which is no learning rate.
    """
    series = evidence.series.get(LEARNING_RATE)
    if series is None:
        return None
    cleaned = clean(np.asarray(series.values), np.asarray(series.steps))
    if not cleaned.n:
        return None
    rates = np.clip(cleaned.values, SMALLEST, LARGEST)
    thin, told = _thinned(cleaned.n), counted(cleaned.n, "step")
    start, end, most = (number(float(rate)) for rate in (rates[0], rates[-1], rates.max()))
    is_constant = bool((rates == rates[0]).all())
    course = f"{start} throughout" if is_constant else f"from {start} to {end}, at most {most}"
    return Panel(
        name="learning_rate",
        heading="Learning rate",
        unit="",
        steps=_span(cleaned),
        scale=value_scale(rates[thin], may_be_log=False, from_zero=True),
        lines=(
            Line(
                steps=cleaned.steps[thin].astype(np.float64),
                values=rates[thin],
                role="line",
                label=course if is_constant else f"at most {most}",
            ),
        ),
        note=f"n = {told} from the {_SOURCES[series.source]}; skipped ones left out",
        short_note=f"n = {cleaned.n:,}, {series.source}",
        told=(f"Learning rate: {course}, {told}",),
    )


def step_time_panel(evidence: RunEvidence, findings: Sequence[Finding]) -> Panel | None:
    """Return the panel of the seconds per step; None without two timed steps."""
    seconds, at, source = _step_times(evidence)
    cleaned = clean(seconds, at)
    if not cleaned.n:
        return None
    blocks = blocks_of(cleaned.values, cleaned.steps, centre="median")
    lanes, paused = _pauses(evidence, blocks) if source == "metrics" else ([], "")
    steps = _span(cleaned)
    where, medians = blocks.joined()
    middle = number(median_of(np.clip(cleaned.values, SMALLEST, LARGEST)))
    method = "each step" if blocks.size == 1 else f"medians of {blocks.size}"
    ends = number(float(blocks.centre[0])), number(float(blocks.centre[-1]))
    return Panel(
        name="step_time",
        heading="Step time",
        unit="s per step",
        steps=steps,
        scale=value_scale(blocks.centre, may_be_log=False, from_zero=True),
        lines=(
            Line(steps=where, values=medians, role="line", label=f"{method}, overall {middle} s"),
        ),
        rules=tuple(marks.rules(findings, "step_time", steps)),
        lanes=tuple(lanes),
        note=f"n = {counted(cleaned.n, 'gap')} between steps from the {_SOURCES[source]}; {method}",
        short_note=f"n = {cleaned.n:,}, {source}",
        told=(
            (
                f"Step time: median {middle} s per step, n {cleaned.n:,}, {method} from "
                f"{ends[0]} to {ends[1]} s{paused}"
            ),
        ),
    )


def validation_panel(evidence: RunEvidence, findings: Sequence[Finding]) -> Panel | None:
    """Return the panel of the validation loss; None without one usable value."""
    series = evidence.validation_loss
    if series is None:
        return None
    cleaned = clean(np.asarray(series.values), np.asarray(series.steps))
    if not cleaned.n:
        return None
    blocks = blocks_of(cleaned.values, cleaned.steps, centre="mean") if cleaned.n > MOST else None
    values = np.clip(cleaned.values, SMALLEST, LARGEST)
    best = int(values.argmin())
    best_step, lowest = step_number(int(cleaned.steps[best])), number(float(values[best]))
    least = values[best : best + 1]
    where = cleaned.steps.astype(np.float64)
    drawn = (where, values) if blocks is None else (blocks.steps, blocks.centre)
    scale = value_scale(drawn[1], least)
    steps = _span(cleaned)
    method = "every value" if blocks is None else f"means of {blocks.size}"
    return Panel(
        name="validation_loss",
        heading="Validation loss",
        unit="log scale" if scale.log else "",
        steps=steps,
        scale=scale,
        lines=(Line(steps=drawn[0], values=drawn[1], role="line"),),
        points=(
            Points(
                steps=where[best : best + 1],
                values=least,
                marker="diamond",
                role="best",
                label=f"lowest {lowest} at {best_step}",
            ),
        ),
        rules=tuple(marks.rules(findings, "validation_loss", steps)),
        note=f"n = {counted(cleaned.n, 'evaluation')} from the {_SOURCES[series.source]}; {method}",
        short_note=f"n = {cleaned.n:,}, {series.source}",
        told=(
            (
                f"Validation loss: {counted(cleaned.n, 'evaluation')}, lowest {lowest} at step "
                f"{best_step}, last {number(float(values[-1]))}"
            ),
        ),
    )


def _step_times(
    evidence: RunEvidence,
) -> tuple[NDArray[np.float64], NDArray[np.int64], str]:
    """Return seconds per step, the steps, and where they come from, as the speed analyzer does."""
    series = evidence.loss
    times = np.asarray(series.wall_times if series is not None else (), dtype=np.float64)
    if series is not None and np.isfinite(times).any():
        gaps = gaps_of(times, np.asarray(series.steps))
        return gaps.per_step_s, gaps.steps, "metrics"
    seconds, at = step_times_of_log(evidence)
    return seconds, at, "log"


def _pauses(evidence: RunEvidence, blocks: Blocks) -> tuple[list[Lane], str]:
    """Return the row of pauses and what to say of them.

    A pause is more than twice as long as usual, as in `pauses_v1`: both for the run, by the median
    of its blocks, and around it, since all steps may have become slow.
    """
    series = evidence.loss
    if series is None:
        return [], ""
    gaps = gaps_of(np.asarray(series.wall_times), np.asarray(series.steps))
    usual = np.maximum(np.interp(gaps.steps, blocks.steps, blocks.centre), np.median(blocks.centre))
    found = np.flatnonzero(gaps.per_step_s / _PAUSE_FACTOR > usual)
    if not len(found):
        return [], ""
    after = gaps.steps - gaps.span
    longest = found[gaps.duration_s[found].argmax()]
    said = (
        f"; {counted(len(found), 'pause')}, the longest {number(float(gaps.duration_s[longest]))} "
        f"s after step {step_number(int(after[longest]))}"
    )
    steps = tuple(after[found].tolist())
    return [Lane(label="pause", steps=steps, marker="down", role="event")], said


def _thinned(count: int) -> NDArray[np.int64]:
    """Return positions of at most 250 values, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(np.int64))


def _span(cleaned: Cleaned) -> tuple[int, int]:
    return int(cleaned.steps[0]), int(cleaned.steps[-1])
