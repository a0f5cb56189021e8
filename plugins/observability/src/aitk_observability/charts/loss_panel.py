"""The training loss: means of blocks, their spread, the recent level, and what went wrong where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.statistics.cleaning import clean
from aitk_core.statistics.level import mean_level
from aitk_observability.charts import marks
from aitk_observability.charts.blocks import blocks_of
from aitk_observability.charts.records import Band, Lane, Line, Panel, Points
from aitk_observability.charts.scale import value_scale
from aitk_observability.charts.words import counted, number, step_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.records import RunEvidence, Series
    from aitk_core.records.findings import Finding
    from aitk_core.statistics.cleaning import Cleaned
    from aitk_core.statistics.results import LevelResult
    from aitk_observability.charts.blocks import Blocks
    from aitk_observability.charts.scale import Scale

_RECENT_LEAST: Final = 100
"""`mean_batches_v1` gives no interval below it."""
_RECENT_SHARE: Final = 4
"""The last quarter, as in the trend's comparison (STATS.md section 5)."""


def loss_panel(evidence: RunEvidence, findings: Sequence[Finding]) -> Panel | None:
    """Return the panel of the training loss; None without one usable value."""
    series = evidence.loss
    if series is None:
        return None
    cleaned = clean(np.asarray(series.values), np.asarray(series.steps))
    if not cleaned.n:
        return None
    blocks = blocks_of(cleaned.values, cleaned.steps, centre="mean")
    bad = _bad_steps(evidence, cleaned)
    steps = _covered(cleaned, bad)
    scale = value_scale(blocks.centre, blocks.low, blocks.high)
    level = _recent_level(cleaned)
    points = [
        _points_beyond(blocks, scale),
        _points_of_spikes(cleaned, marks.spike_steps(findings)),
    ]
    where, means = blocks.joined()
    return Panel(
        name="loss",
        heading="Training loss",
        unit="log scale" if scale.log else "",
        steps=steps,
        scale=scale,
        bands=(*_spread(blocks), *_level_band(level)),
        lines=(Line(steps=where, values=means, role="line", label=_line_label(blocks)),),
        points=tuple(one for one in points if one is not None),
        rules=tuple(marks.rules(findings, "loss", steps)),
        lanes=(*_bad_lane(bad), *marks.event_lanes(evidence, steps)),
        note=_note(series, cleaned, blocks),
        short_note=f"n = {cleaned.n:,}, {series.source}",
        told=tuple(_told(series, cleaned, blocks, level, bad)),
    )


def _bad_steps(evidence: RunEvidence, cleaned: Cleaned) -> tuple[int, ...]:
    bad = set(cleaned.bad_steps.tolist())
    if evidence.loss is not None and evidence.loss.source == "log" and evidence.log is not None:
        # The series of the log holds no such values; its scan tells where they were.
        bad |= set(evidence.log.scan.readings.nonfinite_steps)
    return tuple(sorted(bad))


def _covered(cleaned: Cleaned, bad: tuple[int, ...]) -> tuple[int, int]:
    first, last = int(cleaned.steps[0]), int(cleaned.steps[-1])
    return (min(first, bad[0]), max(last, bad[-1])) if bad else (first, last)


def _recent_level(cleaned: Cleaned) -> LevelResult | None:
    """Return the level of the last quarter; None where its interval reaches below any loss."""
    recent = cleaned.tail(max(_RECENT_LEAST, cleaned.n // _RECENT_SHARE))
    level = mean_level(recent.values, recent.steps)
    return level if level.interval is not None and level.interval[0] > 0 else None


def _spread(blocks: Blocks) -> list[Band]:
    if blocks.size == 1:
        return []
    band = Band(
        steps=blocks.steps, low=blocks.low, high=blocks.high, role="line", label=blocks.spread
    )
    return [band]


def _level_band(level: LevelResult | None) -> list[Band]:
    if level is None or level.interval is None or level.estimate is None or level.steps is None:
        return []
    low, high = level.interval
    band = Band(
        steps=np.array(level.steps, dtype=np.float64),
        low=np.full(2, low),
        high=np.full(2, high),
        middle=np.full(2, level.estimate),
        role="level",
        label=f"level of last {level.n:,}: {number(level.estimate)} "
        f"(95 %: {number(low)} to {number(high)})",
    )
    return [band]


def _points_beyond(blocks: Blocks, scale: Scale) -> Points | None:
    above = blocks.centre > scale.high
    if not above.any():
        return None
    greatest = number(float(blocks.centre.max()))
    return Points(
        steps=blocks.steps[above],
        values=blocks.centre[above],
        marker="up",
        role="critical",
        label=f"off the axis, up to {greatest}",
    )


def _points_of_spikes(cleaned: Cleaned, steps: set[int]) -> Points | None:
    is_spike = np.isin(cleaned.steps, sorted(steps))
    if not is_spike.any():
        return None
    return Points(
        steps=cleaned.steps[is_spike].astype(np.float64),
        values=cleaned.values[is_spike],
        marker="diamond",
        role="warning",
        label=counted(int(is_spike.sum()), "spike"),
    )


def _bad_lane(bad: tuple[int, ...]) -> list[Lane]:
    return [Lane(label="NaN or 0", steps=bad, marker="cross", role="critical")] if bad else []


def _line_label(blocks: Blocks) -> str:
    return "loss" if blocks.size == 1 else f"mean of {blocks.size}"


def _method(blocks: Blocks) -> str:
    if blocks.size == 1:
        return "every value"
    return f"line: means of {blocks.size}, band: {blocks.spread} of each"


def _note(series: Series, cleaned: Cleaned, blocks: Blocks) -> str:
    parts = [
        f"n = {counted(cleaned.n, 'value')} from the {_source(series.source)}",
        _method(blocks),
    ]
    if series.truncated:
        parts.append("newer ones not read")
    return "; ".join(parts)


def _source(source: str) -> str:
    return "metrics database" if source == "metrics" else "progress bars of the log"


def _told(
    series: Series, cleaned: Cleaned, blocks: Blocks, level: LevelResult | None, bad: Sequence[int]
) -> list[str]:
    start, end = number(float(blocks.centre[0])), number(float(blocks.centre[-1]))
    drawn = "" if blocks.size == 1 else f", drawn as means of {blocks.size}"
    first, last = step_number(int(cleaned.steps[0])), step_number(int(cleaned.steps[-1]))
    extremes = [
        f"{word} {number(float(cleaned.values[at]))} at step {step_number(int(cleaned.steps[at]))}"
        for word, at in (
            ("lowest value", int(cleaned.values.argmin())),
            ("highest", int(cleaned.values.argmax())),
        )
    ]
    told = [
        (
            f"Training loss: {counted(cleaned.n, 'value')} of steps {first} to {last} from the "
            f"{_source(series.source)}{drawn}, from {start} to {end}"
        ),
        ", ".join(extremes),
    ]
    if level is not None and level.interval is not None and level.estimate is not None:
        low, high = map(number, level.interval)
        told.append(
            f"level of the last {level.n:,} values {number(level.estimate)}, 95 % interval "
            f"{low} to {high}"
        )
    if bad:
        told.append(
            f"zero, missing or not finite at {counted(len(bad), 'step')}, the first "
            f"{step_number(bad[0])}"
        )
    if series.truncated:
        told.append("newer values exist that were not read")
    return told
