"""What watch-training-timeseries answers of runs that grow between its looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aitk_core import errors
from aitk_core.records.results import Link
from aitk_core.testing.evidence import changed
from aitk_core.testing.mcp import with_client
from aitk_core.testing.replay import Stage
from aitk_observability.report.points import chosen, telling
from aitk_observability.tools import watch as tool
from support.watching import (
    GPU,
    LOSS,
    OK,
    RUNS,
    START_S,
    TOKENS,
    TOOL,
    Clock,
    polls_of,
    tokens,
    training,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.application import Application
    from support.watching import (
        Seen,
    )

pytest_plugins = ["support.watching"]


def test_a_run_is_watched_to_its_end_and_each_look_is_a_point(watch: Callable[..., Seen]) -> None:
    polls = polls_of("ok_200_steps")
    stages = [*polls[1:-1:9], polls[-1]]
    seen = watch(stages[0], stages[1:], duration_seconds=600)
    points, window = seen.data["points"], seen.data["window"]
    assert window["ended"] == "terminal_status"
    assert window["points_collected"] == len(stages)
    assert seen.pauses == [10.0] * (len(stages) - 1)
    assert window["elapsed_seconds_actual"] == 10.0 * (len(stages) - 1)
    steps = [point["current_step"] for point in points]
    assert steps == sorted(steps)
    assert points[0]["status"] != points[-1]["status"] == "completed"
    assert [point["elapsed_seconds"] for point in points][-1] == window["elapsed_seconds_actual"]
    assert seen.data["summary"]["step"] == {"start": 0, "end": 200, "delta": 200}
    assert sum(seen.data["summary"]["status_counts"].values()) == len(stages)
    assert points[-1]["overall_health"] == "healthy"
    assert seen.data["final_status"]["status"] == "completed"


def test_pitfall_12_the_last_loss_is_the_last_in_time(watch: Callable[..., Seen]) -> None:
    point = watch(OK, duration_seconds=0).data["points"][0]
    assert point["loss_last"] == pytest.approx(OK.metrics[LOSS][-1][2], rel=1e-3)
    assert point["loss_interval"][0] < point["loss_mean"] < point["loss_interval"][1]


def test_pitfall_14_15_the_speed_is_that_of_training_steps_each_counted_once(
    watch: Callable[..., Seen],
) -> None:
    loading = "Loading weights: 100%|##########| 36/36 [00:00<00:00, 900.00it/s]\n"
    bar = "\rok_200_steps:  10%|#         | {}/200 [00:40<06:00,  2.00s/it, lr: 1.0e-03 loss: {}]"
    log = "Running 1 job\n" + loading * 30
    log += "".join(bar.format(step, loss) * 20 for step, loss in ((19, 0.3), (20, 0.2), (21, 0.1)))
    run = changed(evolve(OK, log=log, metrics={}), status="running", info="Training", step=21)
    point = watch(run, duration_seconds=0).data["points"][0]
    assert point["iter_per_sec"] == 0.5
    assert point["loss_last"] == 0.1
    metrics = training(at=100, pace_s=4.0, speed_string="900.00 iter/sec")
    assert watch(metrics, duration_seconds=0).data["points"][0]["iter_per_sec"] == 0.25


def test_no_speed_is_claimed_of_a_run_that_stands_still(watch: Callable[..., Seen]) -> None:
    seen = watch(training(at=100), duration_seconds=20)
    assert [point["iter_per_sec"] for point in seen.data["points"]] == [1.0, 1.0, None]


def test_the_default_call_is_small_and_shows_a_line_at_each_look(
    watch: Callable[..., Seen],
) -> None:
    script = [training(at=100 + 12 * look) for look in range(1, 13)]
    seen = watch(training(at=100, total_steps=None), script)
    assert seen.data["window"]["points_collected"] == 13
    assert seen.pauses == [10.0] * 12
    assert seen.data["window"]["ended"] == "window_complete"
    assert tokens(seen) <= TOKENS
    done = [told[0] for told in seen.progress]
    assert done == [10.0 * look for look in range(13)]
    assert {told[1] for told in seen.progress} == {120.0}
    assert seen.progress[0][2] == "step 100 of 200, loss 0.5, 1 it/s, healthy"


def test_the_default_call_is_small_however_much_goes_wrong(watch: Callable[..., Seen]) -> None:
    loud = "Traceback (most recent call last):\nValueError: " + "x" * 3000 + "\n"
    loud += "CUDA out of memory\n" * 50 + "No space left on device\n" * 50
    loud += "ConnectionError: HTTPSConnectionPool\n" * 20
    runs = [
        changed(
            evolve(RUNS["nan_loss"], log=RUNS["nan_loss"].log + loud),
            status="running" if look % 2 else "error",
            info="y" * 50_000,
        )
        for look in range(14)
    ]
    seen = watch(runs[0], runs[1:], stop_on_terminal_status=False)
    assert seen.data["window"]["points_collected"] == 13
    assert seen.data["window"]["points_shown"] < 13
    assert "are extremes or changes" in seen.data["window"]["thinned"]
    assert tokens(seen) <= TOKENS


def test_a_long_watch_keeps_the_extremes_and_the_changes_and_links_to_the_rest(
    watch: Callable[..., Seen],
) -> None:
    script = [training(at=300 + look, pace_s=5.0 if look == 40 else 1.0) for look in range(1, 80)]
    script[55] = changed(script[55], status="queued")
    seen = watch(training(at=300), script, duration_seconds=158, poll_interval_seconds=2)
    window, points = seen.data["window"], seen.data["points"]
    assert window["points_collected"] == 80
    assert window["points_shown"] == len(points) <= 12
    assert window["thinned"].startswith(f"{80 - len(points)} of 80 points are left out; every")
    shown = {point["elapsed_seconds"] for point in points}
    assert {0.0, 80.0, 112.0, 114.0, 158.0} <= shown
    assert seen.data["summary"]["iter_per_sec"]["max"] == 1.0
    assert min(point["iter_per_sec"] for point in points if point["iter_per_sec"]) == 0.2
    link = seen.answer.blocks[0]
    assert isinstance(link, Link)
    assert link.uri == f"aitk://runs/{OK.job_id}/loss.csv"
    assert tokens(seen) <= TOKENS


POINTS: Final = st.lists(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(("running", "completed")),
            "overall_health": st.sampled_from(("healthy", "warning")),
            "loss_last": st.none() | st.floats(0, 1),
            "iter_per_sec": st.none() | st.floats(0, 9),
            "gpu_memory_used_mb": st.none() | st.integers(0, 9),
            "alerts": st.just([]) | st.just([{"code": "X"}]),
        }
    ),
    min_size=1,
    max_size=60,
)


@given(points=POINTS, at_most=st.integers(1, 70))
def test_thinning_shows_as_many_points_as_asked_and_the_telling_ones_first(
    points: list[dict[str, Any]], at_most: int
) -> None:
    kept, must = chosen(points, at_most), telling(points)
    assert kept == sorted(set(kept))
    assert len(kept) == min(at_most, len(points))
    assert set(must[:at_most]) <= set(kept)
    if at_most >= len(must):
        for name in ("loss_last", "iter_per_sec", "gpu_memory_used_mb"):
            known = [point[name] for point in points if point[name] is not None]
            shown = [points[i][name] for i in kept if points[i][name] is not None]
            assert (min(known), max(known)) == (min(shown), max(shown)) if known else not shown


def test_what_is_told_of_a_backend_that_was_lost_says_when_it_was_seen(
    watch: Callable[..., Seen],
) -> None:
    stage = Stage()

    def script() -> Any:
        stage.faults["job"] = 500
        yield training(at=110)

    seen = watch(training(at=100), script(), stage=stage, duration_seconds=20)
    assert seen.data["window"]["failed_polls"] == 2
    assert seen.data["final_status"]["as_of"] == seen.data["points"][0]["timestamp"]
    assert seen.data["final_status"]["current_step"] == 100


def test_a_job_that_goes_while_it_is_watched_is_no_error(watch: Callable[..., Seen]) -> None:
    seen = watch(training(at=100), [training(at=110), None])
    assert seen.data["window"]["ended"] == "job_gone"
    assert [point["current_step"] for point in seen.data["points"]] == [100, 110]
    assert seen.data["final_status"]["found"] is False
    assert "Now gone" in seen.answer.summary


def test_pitfall_38_a_job_that_waits_is_not_judged_by_its_earlier_run(
    watch: Callable[..., Seen],
) -> None:
    waits = changed(RUNS["nan_loss"], status="queued", info="Job queued", step=75)
    point = watch(waits, duration_seconds=0).data["points"][0]
    assert point["overall_health"] == "insufficient_evidence"
    assert (point["alert_count"], point["loss_last"], point["iter_per_sec"]) == (0, None, None)
    assert (point["error_severity"], point["error_mentions"]) == (None, None)


def test_a_resume_in_the_window_is_told_and_no_change_is_claimed_across_it(
    watch: Callable[..., Seen],
) -> None:
    back = training(at=400, level=0.1)
    shorter = training(at=150, level=0.1)
    back.metrics[LOSS][:] = training(at=150).metrics[LOSS] + [
        [step, START_S + step, 0.1] for step in range(150, 400)
    ]
    seen = watch(training(at=300), [shorter, back], duration_seconds=20)
    assert any("went back to an earlier step" in note for note in seen.data["notes"])
    assert seen.data["summary"]["loss"]["delta_pct"] is None
    assert "went back" in seen.data["summary"]["loss"]["delta_reason"]


def test_a_change_is_told_where_the_losses_show_one_and_null_where_they_do_not(
    watch: Callable[..., Seen],
) -> None:
    before, after = training(at=301), training(at=601)
    lower = [[step, time, loss / 2] for step, time, loss in after.metrics[LOSS][300:]]
    halved = evolve(after, metrics={LOSS: [*before.metrics[LOSS], *lower]})
    loss = watch(before, [halved], duration_seconds=10).data["summary"]["loss"]
    assert loss["delta_pct"] == pytest.approx(-50, abs=1)
    assert loss["start"] == pytest.approx(2 * loss["end"], rel=0.02)
    assert "compare_tails_v1" in loss["delta_reason"]
    few = watch(before, [training(at=320)], duration_seconds=10).data["summary"]
    assert few["loss"]["delta_pct"] is None
    assert few["loss"]["delta_reason"].startswith("19 losses came while watching, 100 are")
    assert few["iter_per_sec"]["trend_pct"] is None


def test_a_run_that_slows_down_in_the_window_is_told_by_how_much(
    watch: Callable[..., Seen],
) -> None:
    before = training(at=301)
    last = before.metrics[LOSS][-1][1]
    slow = [[301 + n, last + 2.0 * (n + 1), 0.5] for n in range(150)]
    run = changed(evolve(before, metrics={LOSS: [*before.metrics[LOSS], *slow]}), step=452)
    speed = watch(before, [run], duration_seconds=10).data["summary"]["iter_per_sec"]
    assert speed["trend_pct"] == pytest.approx(-50, abs=1)
    assert speed["max"] == 1.0


def test_the_gpu_shown_is_the_jobs_own(
    watch: Callable[..., Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    from aitk_core.testing import recorded

    monkeypatch.setattr(recorded, "_FIXED", {**recorded._FIXED, "/api/gpu": GPU})
    seen = watch(training(at=100, gpu_ids="1"), duration_seconds=0)
    point = seen.data["points"][0]
    assert (point["gpu_utilization_pct"], point["gpu_memory_used_mb"]) == (91, 20001)
    assert seen.data["summary"]["gpu"] == {"util_mean_pct": 91.0, "memory_peak_mb": 20001}
    other = watch(training(at=100, gpu_ids="7"), duration_seconds=0).data["points"][0]
    assert other["gpu_memory_used_mb"] is None


def test_alerts_are_told_when_they_are_new(watch: Callable[..., Seen]) -> None:
    run = changed(RUNS["nan_loss"], status="running", info="Training")
    seen = watch(run, duration_seconds=20)
    points = seen.data["points"]
    assert [point["alert_count"] for point in points] == [points[0]["alert_count"]] * 3
    assert "LOSS_NONFINITE" in {alert["code"] for alert in points[0]["alerts"]}
    assert [point["alerts"] for point in points[1:]] == [[], []]
    assert seen.data["summary"]["alerts"]["critical_points"] == 3


def test_log_lines_are_shown_once_and_bounded(watch: Callable[..., Seen]) -> None:
    first = evolve(training(at=100), log="Running 1 job\n" + "old line\n" * 200)
    second = evolve(training(at=110), log=first.log + "new line\n" * 3)
    third = evolve(training(at=120), log=second.log + "z" * 3000 + "\n" + "w" * 90_000 + "\n")
    seen = watch(
        first,
        [second, third],
        duration_seconds=20,
        include_raw_log_excerpt=True,
        excerpt_lines=10,
    )
    texts = [point["raw_log_excerpt"] for point in seen.data["points"]]
    assert texts[0] == "\n".join(["old line"] * 10)
    assert texts[1].splitlines()[-3:] == ["new line"] * 3
    assert "old line" not in texts[1].splitlines()[1:]
    assert len(texts[2]) < 8100


def test_pitfall_116_117_118_one_config_and_one_dataset_count_in_the_whole_answer(
    watch: Callable[..., Seen], tmp_path: Path
) -> None:
    environment = {"AITK_HOME": str(tmp_path)}
    with pytest.raises(errors.ConfigNotFoundError):
        watch(OK, points=None, environment=environment, config_name="nobody_saved_it")
    seen = watch(OK, include_dataset=True, include_nlp=True, dataset_path="/data/other")
    context = seen.data["dataset_context"]
    assert (context["dataset_path"], context["dataset_source"]) == ("/data/other", "argument")
    assert context["dataset_analysis"]["dataset_path"] == "/data/other"
    assert context["dataset_analysis"]["error"] == "not_assessed"
    assert seen.data["nlp_summary"]["assessed"] is False
    assert seen.data["points"][0]["nlp"] == {"caption_token_diversity": None, "style_flags": None}
    assert seen.data["config_context"]["config_source"] == "job_payload"


def test_a_client_sees_each_look_and_the_link_to_the_whole_series(
    monkeypatch: pytest.MonkeyPatch, application_with: Callable[..., Application]
) -> None:
    stage = Stage(training(at=100))
    clock = Clock(stage, [training(at=110), changed(training(at=120), status="completed")])
    monkeypatch.setattr(tool, "sleep", clock.sleep)
    lines: list[str] = []

    async def use(client: Any) -> Any:
        async def progress(_done: float, _total: float | None, message: str | None) -> None:
            lines.append(message or "")

        return await client.call_tool(
            TOOL,
            {"job_id": OK.job_id, "poll_interval_seconds": 2, "duration_seconds": 7200},
            progress_callback=progress,
        )

    result = with_client(application_with(stage.backend()), use)
    assert not result.is_error
    assert json.loads(result.content[0].text) == result.structured_content
    assert result.content[2].type == "resource_link"
    assert sum(len(block.text) for block in result.content[:2]) / 4 <= TOKENS
    assert lines[0].startswith("step 100 of 200, loss ")
