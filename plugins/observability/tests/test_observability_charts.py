"""Charts of recorded and of built runs: what is drawn, what is told, and what must never happen."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal
from unittest import mock

import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from aitk_core.errors import InvalidArgumentsError
from aitk_core.evidence.collector import collect_run
from aitk_core.evidence.failures import FailureCatalogue
from aitk_core.evidence.records import VALIDATION_LOSS
from aitk_core.records.findings import EvidenceRef, Finding
from aitk_core.testing.evidence import job_row, run_evidence, run_evidences, series_of
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from aitk_observability.analyzers import errors, liveness, loss, speed
from aitk_observability.charts import run as charts_of_run
from aitk_observability.charts.canvas import Canvas
from aitk_observability.charts.run import NAMES, run_charts
from aitk_observability.charts.theme import THEMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aitk_core.evidence.records import RunEvidence
    from aitk_observability.charts.run import Chart

RUNS = recorded_runs()
TRAINED = [name for name, run in RUNS.items() if run.metrics or name == "no_ui_logger"]
SINGLE = ("loss", "learning_rate", "step_time", "validation_loss")
HOSTILE = {
    "mathematics": r"$\frac{a}{b}$ ^_{} \textbf{x} $$ $ %",
    "control characters": "a\x00b\x1b[31mc\r\nd\u2028e\x85f",
    "reading directions": "\u202egpj.exe\u2066\u200f\u200b",
    "no glyphs": "\u6211\u7684\u89d2\u8272 \U0001f389 \ue000 \U000e0041 \ud800",
    "stacked accents": "z" + "\u0301" * 400,
    "very long": "W" * 100_000,
    "nothing": "\u200b\x00",
}


def evidence_of(name: str) -> RunEvidence:
    """Return what the collector finds of a recorded run, and its learning rates."""
    run = RUNS[name]

    async def collect() -> RunEvidence:
        async def at_once(function: Any, *arguments: Any) -> Any:
            return function(*arguments)

        async def nothing_known() -> FailureCatalogue:
            return FailureCatalogue()

        async with recorded_backend([run]) as backend:
            now = (run.last_wall_time or 0.0) + 5.0
            context: Any = SimpleNamespace(
                backend=backend, now=lambda: now, run=at_once, failure_catalogue=nothing_known
            )
            return await collect_run(context, run.job_id)

    evidence = asyncio.run(collect())
    rates = run.metrics.get("learning_rate", [])
    if not rates:
        return evidence
    series = series_of(
        [rate for _, _, rate in rates], key="learning_rate", steps=[step for step, _, _ in rates]
    )
    return evolve(evidence, series={**evidence.series, "learning_rate": series})


def findings_of(evidence: RunEvidence) -> list[Finding]:
    return [
        finding
        for one in (errors, liveness, loss, speed)
        for finding in one.analyze(evidence).findings
    ]


def overview(
    evidence: RunEvidence,
    findings: Sequence[Finding] = (),
    theme: Literal["light", "dark"] = "light",
) -> Chart:
    (chart,) = run_charts(evidence, findings, theme=theme)
    return chart


def pixels(chart: Chart) -> Any:
    with Image.open(io.BytesIO(chart.png)) as image:
        assert image.format == "PNG"
        assert image.size == (chart.width, chart.height)
        return np.asarray(image.convert("RGB"))


def finding(code: str, step: int | None, **more: Any) -> Finding:
    fields = {"category": "quality", "severity": "critical", "message": "m", "method": "m_v1"}
    reference = EvidenceRef(source="metrics", first_step=step)
    return Finding(code=code, evidence=(reference,), **(fields | more))


def losses(count: int, seed: int = 1) -> list[float]:
    draws: list[float] = np.random.default_rng(seed).lognormal(-2.0, 0.5, count).tolist()
    return draws


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", TRAINED)
def test_every_recorded_run_has_an_overview_with_nothing_cut_off(
    name: str, theme: Literal["light", "dark"]
) -> None:
    evidence = evidence_of(name)
    chart = overview(evidence, findings_of(evidence), theme)
    picture = pixels(chart)
    assert (chart.name, chart.width) == ("run", 800)
    assert chart.height in (420, 620)
    assert len(chart.png) < 120 * 1024
    background = tuple(int(THEMES[theme].background[at : at + 2], 16) for at in (1, 3, 5))
    for edge in (picture[:3], picture[-3:], picture[:, :3], picture[:, -3:]):
        assert (edge == background).all()
    assert (picture != background).any()


def place_of(canvas: Canvas, x: float, y: float, words: str, **how: Any) -> tuple[float, ...]:
    """Return left, right, top and bottom of a line of text, in pixels."""
    width = canvas.width_of(words, size=how["size"], bold=how.get("bold", False))
    left = x - width * {"left": 0.0, "center": 0.5, "right": 1.0}[how.get("anchor", "left")]
    return left, left + width, y - 0.75 * how["size"], y


@pytest.mark.parametrize("name", TRAINED)
def test_no_words_of_a_recorded_run_overlap_or_are_smaller_than_nine_pixels(name: str) -> None:
    evidence = evidence_of(name)
    found = findings_of(evidence)
    theme = THEMES["light"]
    canvas = Canvas(width=800, height=620, background=theme.background, redact=str)
    with mock.patch.object(canvas, "text") as write:
        charts_of_run._write_title(canvas, name, evidence, found, theme)
        charts_of_run._draw_panels(canvas, charts_of_run._panels(evidence, found), theme)
    placed = [
        (call.args[2], place_of(canvas, *call.args, **call.kwargs)) for call in write.call_args_list
    ]
    assert all(call.kwargs["size"] >= 9 for call in write.call_args_list)
    for index, (words, (left, right, top, bottom)) in enumerate(placed):
        assert 0 <= left < right <= 800, words
        assert 0 <= top < bottom <= 620, words
        for other, (left2, right2, top2, bottom2) in placed[:index]:
            apart = right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top
            assert apart, (words, other)


def test_the_picture_is_the_same_for_the_same_run_and_another_in_the_other_theme() -> None:
    evidence = evidence_of("overfit")
    found = findings_of(evidence)
    first, again = overview(evidence, found), overview(evidence, found)
    dark = overview(evidence, found, "dark")
    assert first == again
    assert (first.title, first.alt) == (dark.title, dark.alt)
    assert pixels(first).mean() > 200
    assert pixels(dark).mean() < 60


def test_each_chart_can_be_had_alone_once_and_in_the_order_asked_for() -> None:
    evidence = evidence_of("ok_with_validation")
    asked = ["validation_loss", "run", "loss", "step_time", "learning_rate", "loss"]
    charts = run_charts(evidence, (), names=asked)
    assert [chart.name for chart in charts] == list(dict.fromkeys(asked))
    assert len({chart.png for chart in charts}) == len(charts)
    assert {chart.height for chart in charts if chart.name != "run"} == {420}
    assert charts[0].title == "ok_with_validation: validation loss"


def test_a_chart_without_evidence_is_left_out() -> None:
    failed = evidence_of("fail_missing_dataset")
    assert run_charts(failed, findings_of(failed), names=NAMES) == ()
    logged = evidence_of("no_ui_logger")
    shown = [chart.name for chart in run_charts(logged, (), names=SINGLE)]
    assert shown == ["loss", "learning_rate", "step_time"]
    only_validation = run_evidence(validation=series_of([0.3, 0.2], key=VALIDATION_LOSS))
    charts = run_charts(only_validation, (), names=NAMES)
    assert [chart.name for chart in charts] == ["run", "validation_loss"]


def test_losses_that_were_never_finite_leave_the_step_times() -> None:
    charts = run_charts(run_evidence([0.0, None, 0.0] * 20), (), names=NAMES)
    assert [chart.name for chart in charts] == ["run", "step_time"]
    assert "Training loss" not in charts[0].alt


@pytest.mark.parametrize(
    ("more", "path"),
    [({"names": ("run", "weight_norm")}, "/names/1"), ({"theme": "sepia"}, "/theme")],
)
def test_an_unknown_chart_or_theme_is_refused(more: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgumentsError) as refused:
        run_charts(run_evidence(), (), **more)
    assert [fault["path"] for fault in refused.value.details["faults"]] == [path]


def test_the_alternative_text_states_the_figures_of_the_run() -> None:
    evidence = evidence_of("overfit")
    alt = overview(evidence, findings_of(evidence)).alt
    validation = RUNS["overfit"].metrics["val/loss"]
    step, _, least = min(validation, key=lambda point: point[2])
    assert "419 values of steps 1 to 419 from the metrics database, drawn as means of 5" in alt
    assert "95 % interval" in alt
    assert f"42 evaluations, lowest {least:.3g} at step {step}, last {validation[-1][2]:.3g}" in alt
    assert "Learning rate: 0.0025 throughout, 419 steps" in alt
    assert "Findings: warning loss at noise level, warning overfitting" in alt
    assert "saved: step 200, 400, 420" in alt


def test_the_alternative_text_says_where_a_loss_was_lost_and_where_a_run_went_on() -> None:
    nan = evidence_of("nan_loss")
    alt = overview(nan, findings_of(nan)).alt
    assert "32 values of steps 1 to 32" in alt
    assert "zero, missing or not finite at 117 steps, the first 33" in alt
    assert "Training loss, marked: nonfinite from step 33" in alt
    assert "resumed: step 40." in overview(evidence_of("resume_after_stop")).alt


def test_the_source_of_a_loss_read_from_the_log_is_named() -> None:
    assert "from the progress bars of the log" in overview(evidence_of("no_ui_logger")).alt


def test_steps_that_all_became_slow_are_no_pauses() -> None:
    assert "pause" not in overview(evidence_of("slow_down")).alt
    assert "the longest 42.2 s after step 40" in overview(evidence_of("resume_after_stop")).alt


def test_skipped_steps_have_no_learning_rate() -> None:
    rates = series_of([1e-4, 0.0, 1e-4, 0.0], key="learning_rate")
    evidence = evolve(run_evidence(), series={rates.key: rates})
    (chart,) = run_charts(evidence, (), names=("learning_rate",))
    assert "Learning rate: 1e-4 throughout, 2 steps" in chart.alt


def test_a_huge_outlier_leaves_the_rest_of_the_picture_as_it_is() -> None:
    usual = losses(2000)
    odd = [*usual[:1000], 1e12, *usual[1001:]]
    calm, wild = (pixels(run_charts(run_evidence(v), (), names=("loss",))[0]) for v in (usual, odd))
    # Right of the outlier, below headings and legend, above the note.
    assert (calm[90:370, 480:] == wild[90:370, 480:]).mean() > 0.99
    assert (calm[90:370] != wild[90:370]).any()


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_names_that_anyone_may_have_written_are_drawn_as_plain_short_text(name: str) -> None:
    row = job_row(name=name, status=name)
    found = [finding("X" + "_LONG" * 5000, 20), *(finding(f"F{n}", 5 * n) for n in range(20))]
    chart = overview(run_evidence(losses(200), job=row), found)
    picture = pixels(chart)
    assert (picture[:, :3] == 255).all()
    assert (picture[:, -3:] == 255).all()
    assert len(chart.title) < 100
    assert len(chart.alt) <= 2000
    for text in (chart.title, chart.alt):
        assert text.isprintable()
        assert not set(text) & set("\u202e\u2066\u200f\u200b")
        assert "\u0301\u0301" not in text


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(run_evidences(max_size=300))
def test_no_evidence_makes_drawing_fail(evidence: RunEvidence) -> None:
    for chart in run_charts(evidence, findings_of(evidence), names=NAMES):
        assert chart.png.startswith(b"\x89PNG")
        assert chart.alt.startswith(f"Chart {chart.title}")


WILD = st.one_of(
    st.none(),
    st.sampled_from((0.0, -1.0, 5e-324, 1e-300, 1e-9, 0.1, 1e12, 1e300, sys.float_info.max)),
    st.floats(allow_nan=True, allow_infinity=True),
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(WILD, max_size=120),
    st.integers(0, 2**61),
    st.integers(1, 10**9),
    st.sampled_from([1e-9, 1.0, 1e7]),
)
def test_no_values_make_drawing_fail(
    values: list[float | None], first: int, stride: int, pace: float
) -> None:
    steps = [first + stride * index for index in range(len(values))]
    series = {
        key: series_of(values, key=key, steps=steps, seconds_per_step=pace)
        for key in ("loss/loss", "val/loss", "learning_rate")
        if values
    }
    evidence = evolve(run_evidence(), series=series)
    found = [finding("LOSS_BLOWUP", first), finding("LOSS_LEVEL_SHIFT", first + stride)]
    for chart in run_charts(evidence, found):
        assert chart.png.startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [1, 2, 99, 100, 20_000])
@pytest.mark.parametrize("value", [0.3, None])
def test_series_of_any_length_are_drawn(count: int, value: float | None) -> None:
    values = [value] * count if value else losses(count)
    chart = overview(run_evidence(values))
    assert len(chart.png) < 120 * 1024
    assert f"{count:,} value" in chart.alt
    blue = np.array([0x00, 0x72, 0xB2])
    # One value alone is a dot, more are a line; the sample in the legend has 36 such pixels.
    assert (pixels(chart)[90:] == blue).all(axis=2).sum() >= 9


def test_workers_draw_at_the_same_time_what_one_draws_alone() -> None:
    runs = [evidence_of(name) for name in ("overfit", "nan_loss", "slow_down", "ok_200_steps")]
    alone = [overview(evidence) for evidence in runs]
    with ThreadPoolExecutor(4) as workers:
        assert list(workers.map(overview, runs)) == alone


def test_nothing_of_matplotlib_is_imported_before_the_first_picture_and_no_window_ever() -> None:
    code = """
import sys
from aitk_core.testing.evidence import run_evidence
from aitk_observability.charts.run import run_charts
assert not any(name.partition(".")[0] in ("matplotlib", "PIL") for name in sys.modules)
assert run_charts(run_evidence(), ()) == ()
assert "matplotlib" not in sys.modules
assert run_charts(run_evidence([0.3, 0.2]), ())
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_settings_file_of_the_user_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "matplotlibrc"
    settings_of_user = (
        "text.usetex: True",
        "lines.linewidth: 9",
        "lines.marker: o",
        "font.size: 30",
        "figure.facecolor: red",
        "patch.force_edgecolor: True",
        "savefig.dpi: 20",
    )
    file.write_text("\n".join(settings_of_user), encoding="utf-8")
    code = """
import hashlib
from aitk_core.testing.evidence import run_evidence
from aitk_observability.charts.run import run_charts
(chart,) = run_charts(run_evidence([0.3, 0.2, 0.1] * 50), ())
print(hashlib.sha256(chart.png).hexdigest())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MATPLOTLIBRC": str(file)},
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    here = overview(run_evidence([0.3, 0.2, 0.1] * 50))
    assert done.stdout.strip() == hashlib.sha256(here.png).hexdigest()


def test_drawing_leaves_the_settings_of_others_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    overview(run_evidence(losses(50)))
    assert dict(mpl.rcParams) == before
