"""Recorded runs with parts of their evidence gone, cut or damaged: never more than it supports."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings

from aitk_core.testing.evidence import answer_of, changed, cut_short, damaged
from aitk_core.testing.recorded import recorded_runs

if TYPE_CHECKING:
    from aitk_core.testing.recorded import Recording

RUNS = recorded_runs()
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
GATES = ("ready_for_long_run", "requires_immediate_stop", "safe_to_export")


def observe(run: Recording, *, now: float | None = None, **more: Any) -> dict[str, Any]:
    arguments = {"job_id": run.job_id, **more}
    if now is None and run.row["status"] == "running":
        now = newest(run) + 5
    answer = answer_of([run], "get-training-observability", arguments, points=PLUGIN, now=now)
    assert answer.data is not None
    return dict(answer.data)


def newest(run: Recording) -> float:
    """Return the newest wall time that is one, Unix seconds."""
    times = [point[1] or 0.0 for points in run.metrics.values() for point in points]
    return max((time_s for time_s in times if time_s < 1e12), default=0.0)


def codes(data: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in data["run_report"]["findings"]]


def assert_nothing_is_claimed(data: dict[str, Any]) -> None:
    """Check that there is no verdict, no score, no gate and no advice."""
    assert data["overall_health"] == "insufficient_evidence"
    evaluation, intelligence = data["evaluation"], data["intelligence"]
    assert evaluation["overall_score"] is None
    assert evaluation["grade"] == "insufficient_evidence"
    assert evaluation["passed"] is False
    assert all(value is None for value in evaluation["components"].values())
    assert evaluation["diagnostics"]
    assert not any(intelligence["decision_gates"].values())
    assert intelligence["bottlenecks"] == []
    assert data["alerts"] == []
    assert data["next_experiment"]["recommendation_type"] is None
    assert data["next_experiment"]["rationale"]


ENDED_WELL = [name for name, run in RUNS.items() if run.row["status"] in ("completed", "stopped")]
# The log of a resumed run begins where it was resumed.
COMPLETED = [
    name
    for name, run in RUNS.items()
    if run.row["status"] == "completed" and run.metrics and name != "resume_after_stop"
]
WITH_STEPS = [name for name, run in RUNS.items() if run.metrics]


@pytest.mark.parametrize("name", ENDED_WELL)
def test_pitfall_1_3_4_without_log_and_metrics_nothing_is_claimed(name: str) -> None:
    data = observe(RUNS[name].without(log=True, metrics=True))
    assert_nothing_is_claimed(data)
    assert data["evaluation"]["coverage"] == 0
    assert data["intelligence"]["confidence"] == 0
    not_assessed = {"errors", "loss", "samples", "sources", "speed"}
    assert set(data["run_report"]["not_assessed"]) == not_assessed


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("fail_missing_dataset", "PATH_NOT_FOUND"),
        ("fail_missing_model_path", "MODEL_FILE_MISSING"),
        ("fail_missing_repo_offline", "HF_OFFLINE_CACHE_MISS"),
        ("dataset_removed_midway", "DATASET_FILES_GONE"),
        ("kill9_worker_alive", "PROC_SIGNAL"),
    ],
)
def test_the_row_alone_tells_why_a_run_failed(name: str, code: str) -> None:
    data = observe(RUNS[name].without(log=True, metrics=True))
    assert data["overall_health"] == "critical"
    assert codes(data) == [code]
    assert data["evaluation"]["passed"] is False


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("nan_loss", ["LOSS_NONFINITE", "LOSS_DIVERGED"]),
        ("high_lr_divergence", ["LOSS_DIVERGED"]),
        ("overfit", ["LOSS_AT_NOISE_LEVEL"]),
        ("slow_down", ["STEPS_SLOWED_DOWN"]),
        ("ok_200_steps", []),
        ("ok_with_validation", []),
        ("stop_midway", []),
    ],
)
def test_the_log_alone_gives_the_same_verdict(name: str, found: list[str]) -> None:
    whole, data = observe(RUNS[name]), observe(RUNS[name].without(metrics=True))
    assert data["overall_health"] == whole["overall_health"]
    assert [f["code"] for f in data["run_report"]["findings"] if f["severity"] != "info"] == found
    assert data["run_report"]["provenance"]["loss_source"] == "log"
    assert data["speed_analysis"]["source"] == "log"


@pytest.mark.parametrize("name", COMPLETED)
def test_the_log_shows_the_losses_that_the_metrics_hold(name: str) -> None:
    whole = observe(RUNS[name])["quality_analysis"]["loss"]
    data = observe(RUNS[name].without(metrics=True))["quality_analysis"]["loss"]
    # The last count of a bar has no loss of its own.
    assert abs(data["count"] - whole["count"]) <= 2
    assert data["median"] == pytest.approx(whole["median"], rel=0.02)


@pytest.mark.parametrize(
    "name", ["nan_loss", "high_lr_divergence", "overfit", "slow_down", "kill9_worker_alive"]
)
def test_the_metrics_alone_still_find_what_is_in_them(name: str) -> None:
    whole, data = observe(RUNS[name]), observe(RUNS[name].without(log=True))
    assert data["overall_health"] == whole["overall_health"]
    assert codes(data) == codes(whole)


def test_without_the_log_no_run_is_called_healthy_or_passed() -> None:
    for name in ENDED_WELL:
        data = observe(RUNS[name].without(log=True))
        assert data["overall_health"] != "healthy"
        assert data["evaluation"]["passed"] is False
        assert data["intelligence"]["decision_gates"]["safe_to_export"] is False


@pytest.mark.parametrize("name", WITH_STEPS)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_a_run_seen_earlier_is_judged_by_what_there_was(name: str, share: float) -> None:
    data = observe(cut_short(RUNS[name], log=share, metrics=share))
    status, count = data["status_snapshot"], data["quality_analysis"]["loss"]["count"]
    assert status["liveness"]["verdict"] == "training"
    assert count <= len(RUNS[name].metrics["loss/loss"]) * share + 1
    if RUNS[name].expected["healthy"]:
        assert data["overall_health"] != "critical"
    if count < 50 and not data["alerts"]:
        assert data["overall_health"] == "insufficient_evidence"
    if data["overall_health"] == "critical":
        assert data["intelligence"]["decision_gates"]["requires_immediate_stop"]


@pytest.mark.parametrize("name", ["nan_loss", "high_lr_divergence"])
def test_a_broken_run_is_known_while_it_still_runs(name: str) -> None:
    for share in (0.3, 0.6, 0.9):
        part = cut_short(RUNS[name], log=share, metrics=share)
        assert observe(part)["overall_health"] == "critical"
        assert observe(part.without(log=True))["overall_health"] == "critical"
    later = cut_short(RUNS[name], log=0.6)
    assert observe(later.without(metrics=True), now=newest(later))["overall_health"] == "critical"


def test_a_queued_job_is_waiting_and_not_assessed() -> None:
    run = changed(RUNS["ok_200_steps"].without(log=True, metrics=True), status="queued", step=0)
    data = observe(run)
    assert_nothing_is_claimed(data)
    assert data["status_snapshot"]["liveness"]["verdict"] == "waiting"


def test_the_points_of_an_earlier_run_do_not_make_a_queued_job_healthy() -> None:
    data = observe(changed(RUNS["ok_with_validation"], status="queued"))
    assert data["overall_health"] == "insufficient_evidence"
    assert data["evaluation"]["passed"] is False


def test_a_failed_fetch_of_metrics_is_told_apart_from_none() -> None:
    none = observe(RUNS["ok_200_steps"].without(metrics=True))["run_report"]["provenance"]
    assert (none["missing"], none["metric_keys"]) == ({}, [])


@pytest.mark.parametrize("points", [[], [[0, 1.0, 0.5]]], ids=["no rows", "one row"])
def test_a_metrics_database_with_next_to_nothing_in_it_supports_nothing(
    points: list[list[Any]],
) -> None:
    data = observe(evolve(RUNS["ok_200_steps"], metrics={"loss/loss": points}, log=""))
    assert data["quality_analysis"]["loss"]["count"] == len(points)
    assert data["overall_health"] == "insufficient_evidence"
    assert data["evaluation"]["passed"] is False


def test_one_point_in_the_metrics_does_not_hide_what_the_log_prints() -> None:
    run = evolve(RUNS["nan_loss"], metrics={"loss/loss": [[0, 1.0, 0.5]]})
    data = observe(run)
    assert data["overall_health"] == "critical"
    assert codes(data)[0] == "LOSS_NONFINITE"


def test_losses_that_are_all_zero_are_all_not_finite() -> None:
    run = RUNS["ok_200_steps"]
    points = [[step, time_s, 0.0] for step, time_s, _ in run.metrics["loss/loss"]]
    data = observe(evolve(run, metrics={"loss/loss": points}))
    assert codes(data) == ["LOSS_NONFINITE"]
    assert data["overall_health"] == "critical"
    assert data["quality_analysis"]["loss"]["count"] == 0


@pytest.mark.parametrize("value", [1e-300, 0.1, 1.0, 1e300])
def test_a_constant_loss_is_judged_without_an_error(value: float) -> None:
    run = RUNS["ok_200_steps"]
    points = [[step, time_s, value] for step, time_s, _ in run.metrics["loss/loss"]]
    data = observe(evolve(run, metrics={"loss/loss": points}))
    assert data["quality_analysis"]["trend"] in ("flat", "unknown")
    assert "LOSS_LEVEL_SHIFT" not in codes(data)


def test_pitfall_11_a_first_loss_of_zero_does_not_spoil_the_rest() -> None:
    run = RUNS["ok_200_steps"]
    points = [list(point) for point in run.metrics["loss/loss"]]
    points[0][2] = 0.0
    data = observe(evolve(run, metrics={"loss/loss": points}))
    assert codes(data) == ["LOSS_NONFINITE"]
    assert data["run_report"]["findings"][0]["severity"] == "warning"
    assert data["quality_analysis"]["loss"]["count"] == len(points) - 1


def test_pitfall_38_what_an_earlier_run_left_in_the_log_is_not_held_against_this_one() -> None:
    old, new = RUNS["nan_loss"], RUNS["ok_200_steps"]
    failed = RUNS["fail_missing_dataset"]
    for before in (old.log, failed.log):
        data = observe(evolve(new, log=before + "\n" + new.log))
        assert data["overall_health"] == "healthy"
        assert codes(data) == []
        assert data["quality_analysis"]["nan_count"] == 0


def test_pitfall_29_a_long_text_of_the_backend_is_cut_in_every_place() -> None:
    run = changed(RUNS["kill9_worker_alive"], info="CUDA out of memory. " * 100_000)
    data = observe(run, include_raw_log_excerpt=True, excerpt_lines=1000)
    assert len(data["status_snapshot"]["info"]) < 5000
    assert len(str(data)) < 150_000
    long_line = evolve(RUNS["ok_200_steps"], log=RUNS["ok_200_steps"].log + "x" * 2_000_000)
    assert len(str(observe(long_line, include_raw_log_excerpt=True))) < 150_000


def test_pitfall_78_impossible_steps_are_flagged_and_progress_stays_a_percentage() -> None:
    for step, progress in ((10**12, 100), (-5, 0)):
        status = observe(changed(RUNS["ok_200_steps"], step=step))["status_snapshot"]
        assert status["progress"] == progress
        assert status["faults"]


def test_pitfall_69_a_row_with_fields_of_the_wrong_type_is_still_reported_on() -> None:
    run = changed(RUNS["ok_200_steps"], step="abc", info=None, speed_string=7, job_config="no JSON")
    data = observe(run)
    assert data["status_snapshot"]["current_step"] is None
    assert data["status_snapshot"]["faults"]
    assert data["config_context"]["config_source"] is None


def test_a_log_of_replaced_characters_without_a_last_line_end_is_read() -> None:
    run = RUNS["nan_loss"]
    data = observe(evolve(run, log=run.log.replace("loss is nan", "loss is nan\ufffd")[:-1]))
    assert data["overall_health"] == "critical"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damaged(list(RUNS.values())))
def test_whatever_is_cut_or_damaged_the_report_fits_its_contract(run: Recording) -> None:
    # The dispatcher validates the answer; whatever a handler raises would come out here.
    data = observe(run, include_raw_log_excerpt=True)
    losses, health = data["quality_analysis"]["loss"]["count"], data["overall_health"]
    evaluation = data["evaluation"]
    if health == "healthy":
        assert losses >= 50
        assert data["logs"]["analyzed_line_count"] > 0
        assert run.row["status"] != "queued"
    if not run.log and not run.metrics and run.row["status"] != "error":
        assert health in ("insufficient_evidence", "critical")
    if health in ("critical", "insufficient_evidence"):
        assert evaluation["passed"] is False
        assert not data["intelligence"]["decision_gates"]["safe_to_export"]
    if evaluation["overall_score"] is None:
        assert evaluation["grade"] == "insufficient_evidence"
        assert evaluation["coverage"] < 0.6
