"""What charts are made of: axes, blocks, words, marks and colours, without a picture."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
from attrs import evolve
from hypothesis import assume, example, given
from hypothesis import strategies as st

from aitk_core.records.findings import EvidenceRef, Finding
from aitk_core.testing.evidence import log_facts, run_evidence
from aitk_core.testing.recorded import recorded_runs
from aitk_observability.charts.blocks import MOST, block_size, blocks_of, with_gaps
from aitk_observability.charts.loss_panel import loss_panel
from aitk_observability.charts.marks import event_lanes, rules
from aitk_observability.charts.scale import (
    LARGEST,
    SMALLEST,
    Scale,
    step_scale,
    step_ticks,
    value_scale,
)
from aitk_observability.charts.theme import THEMES
from aitk_observability.charts.words import drawable, number, one_line, step_number

RUNS = recorded_runs()
POSITIVE = st.floats(5e-324, 1.7976931348623157e308)
SERIES = st.lists(st.one_of(POSITIVE, st.floats(0.01, 2.0)), min_size=1, max_size=300)


def finding(code: str, step: int | None, **more: str) -> Finding:
    fields: dict[str, Any] = {
        "category": "quality",
        "severity": "critical",
        "message": "m",
        "method": "m_v1",
    }
    reference = EvidenceRef(source="metrics", first_step=step)
    return Finding(code=code, evidence=(reference,), **(fields | more))


@given(SERIES, st.sampled_from([{}, {"may_be_log": False}, {"from_zero": True}]))
def test_an_axis_of_values_is_finite_rising_and_has_its_ticks_on_it(
    values: list[float], options: dict[str, bool]
) -> None:
    array = np.array(values)
    scale = value_scale(array, **options)
    assert scale.low < scale.high
    assert math.isfinite(scale.high)
    assert scale.low > 0 or not scale.log
    ticks = scale.ticks(5)
    assert all(scale.low * 0.999 <= tick <= scale.high * 1.001 for tick in ticks)
    assert all(a < b for a, b in pairwise(ticks))
    assert len(ticks) <= 12
    labels = scale.labels(ticks)
    assert len(set(labels)) == len(labels)
    places = scale.at(np.sort(array))
    assert np.isfinite(places).all()
    assert (np.diff(places) >= 0).all()


@given(SERIES)
@example([9.8e-256, 9.8e-256, 5e-324])
def test_all_but_a_few_values_are_on_the_axis(values: list[float]) -> None:
    array = np.array(values)
    places = value_scale(array).at(array)
    outside = int(((places < -1e-9) | (places > 1 + 1e-9)).sum())
    assert outside <= 2 * math.ceil(0.02 * len(array))


@given(st.integers(0, 2**61), st.integers(0, 2**61), st.integers(2, 12))
def test_an_axis_of_steps_holds_both_ends_and_whole_steps_only(a: int, b: int, count: int) -> None:
    first, last = sorted((a, b))
    scale = step_scale(first, last)
    ends = scale.at(np.array([first, last], dtype=np.float64))
    assert (ends > 0).all()
    assert (ends < 1).all()
    ticks = step_ticks(scale, count)
    assert all(tick >= 0 and tick == int(tick) for tick in ticks)
    assert len(ticks) <= 2 * count + 2


def test_values_over_a_factor_of_ten_take_a_logarithm_and_others_begin_at_zero() -> None:
    falling = np.geomspace(1.0, 0.05, 100)
    assert value_scale(falling).log
    assert not value_scale(falling, may_be_log=False).log
    assert value_scale(np.linspace(0.2, 0.5, 100)).low == 0.0
    narrow = value_scale(np.linspace(0.2031, 0.2059, 100))
    assert narrow.low > 0.2
    assert narrow.labels(narrow.ticks(4)) == ("0.203", "0.204", "0.205", "0.206")


def test_a_lasting_change_is_no_outlier() -> None:
    paces = np.concatenate([np.full(95, 0.2), np.full(5, 0.6)])
    assert value_scale(paces, from_zero=True).high > 0.6
    spike = np.concatenate([np.full(99, 0.2), np.full(1, 60.0)])
    assert value_scale(spike, from_zero=True).high < 1.0


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        (Scale(low=0.0, high=1.3), ("0.0", "0.5", "1.0")),
        (Scale(low=0.0, high=1.1e-4), ("0", "5e-5", "1e-4")),
        (Scale(low=0.2, high=0.36), ("0.20", "0.25", "0.30", "0.35")),
        (Scale(low=0.04, high=1.2, log=True), ("0.1", "0.3", "1")),
        (Scale(low=1e-8, high=1e8, log=True), ("1e-8", "1e-4", "1", "10,000", "1e8")),
    ],
)
def test_ticks_are_round_and_written_with_equally_many_places(
    scale: Scale, labels: tuple[str, ...]
) -> None:
    assert scale.labels(scale.ticks(3 if len(labels) < 5 else 4)) == labels


@given(st.integers(1, 100_000))
def test_there_are_never_more_blocks_than_a_line_can_show(count: int) -> None:
    size = block_size(count)
    assert count // size <= max(MOST, 99)
    assert size == 1 or count // size >= 20


@given(
    st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=700), st.sampled_from(["mean", "median"])
)
def test_blocks_hold_every_value_once(
    values: list[float], centre: Literal["mean", "median"]
) -> None:
    array, steps = np.array(values), np.arange(len(values)) * 3
    blocks = blocks_of(array, steps, centre=centre)
    assert blocks.n == len(values)
    assert (np.diff(blocks.steps) > 0).all()
    assert (blocks.low <= blocks.high).all()
    assert steps[0] <= blocks.steps[0] <= blocks.steps[-1] <= steps[-1]
    rest = len(values) % blocks.size
    sizes = np.full(len(blocks.centre), blocks.size)
    sizes[0] += rest
    assert sizes.sum() == len(values)
    if centre == "mean":
        assert (blocks.centre * sizes).sum() == pytest.approx(array.sum())


def test_the_spread_of_a_block_is_what_its_size_allows() -> None:
    draws = np.random.default_rng(1).lognormal(-2.0, 1.0, 20_000)
    for count, size, spread in ((50, 1, ""), (500, 5, "least to greatest")):
        short = blocks_of(draws[:count], np.arange(count), centre="mean")
        assert (short.size, short.spread) == (size, spread)
    blocks = blocks_of(draws, np.arange(20_000), centre="mean")
    assert (blocks.size, blocks.spread) == (80, "5 to 95 %")
    assert len(blocks.centre) == 250
    assert blocks.low[3] == pytest.approx(np.quantile(draws[240:320], 0.05))


def test_a_stretch_without_values_interrupts_the_line() -> None:
    steps = np.array([0.0, 1.0, 2.0, 3.0, 50.0, 51.0])
    where, values = with_gaps(steps, np.ones(6))
    assert where.tolist() == [0, 1, 2, 3, 50, 50, 51]
    assert np.flatnonzero(np.isnan(values)).tolist() == [4]


def test_extreme_values_are_drawn_at_the_bounds() -> None:
    blocks = blocks_of(np.array([5e-324, 1.7e308]), np.array([0, 1]), centre="mean")
    assert blocks.centre.tolist() == [SMALLEST, LARGEST]


def test_the_level_of_the_last_quarter_is_that_of_the_statistics() -> None:
    from aitk_core.statistics.level import mean_level

    draws = np.random.default_rng(4).lognormal(-2.0, 0.5, 2000)
    panel = loss_panel(run_evidence(draws.tolist()), ())
    expected = mean_level(draws[-500:], np.arange(1500, 2000))
    assert panel is not None
    band = panel.bands[1]
    assert expected.interval is not None
    assert band.middle is not None
    assert (band.low[0], band.middle[0], band.high[0]) == (
        expected.interval[0],
        expected.estimate,
        expected.interval[1],
    )
    assert tuple(band.steps) == expected.steps


def test_a_short_run_and_one_that_explodes_have_no_level() -> None:
    short = loss_panel(run_evidence([0.1] * 99), ())
    values = [*np.random.default_rng(4).lognormal(-2.0, 0.5, 1980), *np.geomspace(0.1, 1e6, 20)]
    explodes = loss_panel(run_evidence(values), ())
    assert short is not None
    assert explodes is not None
    assert not [band for panel in (short, explodes) for band in panel.bands if band.role == "level"]


def test_findings_are_marked_where_they_begin_and_only_if_that_is_inside_the_run() -> None:
    found = [
        finding("LOSS_LEVEL_SHIFT", 400),
        finding("LOSS_DIVERGED", 0),
        finding("LOSS_TREND_UP", 300, severity="info"),
        finding("LOSS_BLOWUP", 200, severity="warning"),
        finding("STEPS_SLOWED_DOWN", 500, category="speed", severity="warning"),
        finding("OVERFITTING", 600, severity="warning"),
        finding("RUN_FAILED", 700, category="errors"),
        finding("ACME_ODD", 100, severity="warning"),
        finding("ACME_LATER", 5000),
        finding("ACME_NOWHERE", None),
    ]
    told = [(rule.step, rule.label, rule.role) for rule in rules(found, "loss", (0, 999))]
    assert told == [(100, "acme odd", "warning"), (400, "level shift", "critical")]
    assert [rule.label for rule in rules(found, "step_time", (0, 999))] == ["steps slowed down"]
    assert [rule.step for rule in rules(found, "validation_loss", (0, 999))] == [600]


def test_a_spike_is_marked_with_its_own_value() -> None:
    values = [0.1] * 500
    values[250] = 40.0
    panel = loss_panel(run_evidence(values), [finding("LOSS_BLOWUP", 250, severity="info")])
    assert panel is not None
    (spikes,) = (points for points in panel.points if points.label == "1 spike")
    assert (spikes.steps.tolist(), spikes.values.tolist()) == ([250.0], [40.0])


def test_events_of_the_recorded_log_are_rows_of_steps() -> None:
    run = RUNS["resume_after_stop"]
    evidence = evolve(run_evidence([0.1] * 160), log=log_facts(run.log, bar_name=run.name))
    lanes = {lane.label: lane.steps for lane in event_lanes(evidence, (1, 159))}
    assert lanes == {"resumed": (40,), "saved": (80, 120, 160)}


def lanes_of(log: str) -> dict[str, tuple[int, ...]]:
    lanes = event_lanes(run_evidence([0.1] * 200, log=log), (0, 199))
    return {lane.label: lane.steps for lane in lanes}


def test_an_earlier_start_counts_as_far_as_the_run_went_on_from_it() -> None:
    first = "Running 1 job\nSaving at step 20\nSaving at step 40\nSaving at step 60\n"
    resumed = "Running 1 job\nFound step 40 in metadata, starting from there\nSaving at step 80\n"
    anew = "Running 1 job\nSaving at step 30\n"
    assert lanes_of(first + resumed) == {"resumed": (40,), "saved": (20, 40, 80)}
    assert lanes_of(first + anew) == {"saved": (30,)}
    assert lanes_of(first + anew + resumed) == {"resumed": (40,), "saved": (30, 80)}


def test_samples_before_the_first_step_stand_at_it_and_steps_outside_the_run_nowhere() -> None:
    log = "Running 1 job\nGenerating baseline samples before training\nSaving at step 5000\n"
    assert lanes_of(log) == {"sampled": (0,)}
    assert event_lanes(run_evidence([0.1], log=None), (0, 0)) == []


def test_steps_that_samples_are_named_after_are_marked_with_or_without_a_log() -> None:
    log = "Running 1 job\nGenerating baseline samples before training\n"
    for text, steps in ((log, (0, 50, 150)), (None, (50, 150))):
        evidence = evolve(run_evidence([0.1] * 200, log=text), sampled_steps=(50, 150, 900))
        lanes = {lane.label: lane.steps for lane in event_lanes(evidence, (0, 199))}
        assert lanes == {"sampled": steps}


def test_a_loss_that_only_the_log_shows_as_not_finite_is_marked() -> None:
    bars = "".join(
        f"\rmy_lora:  10%|#  | {step}/100 [00:0{step}<01:00,  1.0s/it, lr: 1.0e-04 loss: {loss}]"
        for step, loss in ((1, "3.0e-01"), (2, "nan"), (3, "2.0e-01"), (4, "2.1e-01"))
    )
    from aitk_core.evidence.records import LOSS, Series

    facts = log_facts(f"Running 1 job\n{bars}\n")
    series = Series(
        key=LOSS, steps=[1, 3, 4], wall_times=[math.nan] * 3, values=[0.3, 0.2, 0.21], source="log"
    )
    panel = loss_panel(evolve(run_evidence(), series={LOSS: series}, log=facts), ())
    assert panel is not None
    assert [(lane.label, lane.steps) for lane in panel.lanes] == [("NaN or 0", (2,))]
    assert "progress bars of the log" in panel.note


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.1234567, "0.123"),
        (0.1, "0.1"),
        (1234.5, "1,234"),
        (99999.0, "99,999"),
        (1e-4, "1e-4"),
        (-0.025, "-0.025"),
        (1.5e9, "1.5e9"),
        (5e-324, "4.94e-324"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 9))
def test_a_number_is_what_it_says_to_its_digits(value: float, digits: int) -> None:
    assume(value == 0 or 1e-300 < abs(value) < 1e300)
    told = float(number(value, digits).replace(",", ""))
    assert told == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))


def test_steps_are_whole_with_thousands_apart() -> None:
    assert [step_number(step) for step in (0, 999, 20_000.0, 3 * 10**9)] == [
        "0",
        "999",
        "20,000",
        "3e9",
    ]


@given(st.text(), st.integers(1, 40))
def test_text_of_others_becomes_one_short_printable_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
    assert line == line.strip()
    assert one_line(line, limit) == line


def test_characters_that_the_font_lacks_are_replaced() -> None:
    assert drawable("a\u6211b", frozenset(map(ord, "ab"))) == "a\N{REPLACEMENT CHARACTER}b"


def luminance(color: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", THEMES)
def test_colours_stand_out_from_the_background(name: str) -> None:
    theme = THEMES[name]
    behind = luminance(theme.background)
    for role, color in theme.roles.items():
        dark, light = sorted((behind, luminance(color)))
        contrast = (light + 0.05) / (dark + 0.05)
        assert contrast >= 4.5, (role, contrast)
