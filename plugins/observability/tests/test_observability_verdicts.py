"""What the report says of 17 recorded runs of the real trainer, of which is known how they went."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aitk_core.testing.evidence import answer_of, changed, cut_short
from aitk_core.testing.recorded import recorded_runs

TESTS = Path(__file__).parents[3] / "tests"
RUNS = recorded_runs()
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
PUBLISHED = json.loads(
    (TESTS / "published" / "get-training-observability.schema.json").read_text("utf-8")
)

VERDICTS: dict[str, tuple[str, list[str]]] = {
    "corrupt_image": ("warning", ["warning IMAGE_UNREADABLE"]),
    "dataset_removed_midway": (
        "critical",
        ["critical DATASET_FILES_GONE", "warning IMAGE_UNREADABLE"],
    ),
    "fail_missing_dataset": ("critical", ["critical PATH_NOT_FOUND"]),
    "fail_missing_model_path": ("critical", ["critical MODEL_FILE_MISSING"]),
    "fail_missing_repo_offline": (
        "critical",
        ["critical NET_DNS", "warning HF_OFFLINE_CACHE_MISS"],
    ),
    "hang_midway": ("critical", ["critical NO_PROGRESS"]),
    "high_lr_divergence": ("critical", ["critical LOSS_DIVERGED"]),
    "kill9_midway": ("critical", ["critical NO_PROGRESS"]),
    "kill9_worker_alive": ("critical", ["critical PROC_SIGNAL"]),
    "mark_stopped_midway": ("healthy", []),
    "nan_loss": ("critical", ["critical LOSS_NONFINITE", "critical LOSS_DIVERGED"]),
    "no_ui_logger": ("healthy", []),
    "ok_200_steps": ("healthy", []),
    "ok_with_validation": ("healthy", []),
    "overfit": ("warning", ["warning LOSS_AT_NOISE_LEVEL", "warning OVERFITTING"]),
    "resume_after_stop": ("healthy", []),
    "slow_down": ("warning", ["warning STEPS_SLOWED_DOWN"]),
    "stop_midway": ("healthy", []),
}
FULL_EVIDENCE = ["ok_with_validation", "overfit"]


def report(name: str, *, now: float | None = None, **more: Any) -> dict[str, Any]:
    run = RUNS[name]
    return dict(observe(run, now=now, **more))


def observe(run: Any, *, now: float | None = None, **more: Any) -> Any:
    arguments = {"job_id": run.job_id, **more}
    return answer_of([run], "get-training-observability", arguments, points=PLUGIN, now=now).data


def codes(data: dict[str, Any]) -> list[str]:
    return [
        f"{finding['severity']} {finding['code']}" for finding in data["run_report"]["findings"]
    ]


def test_every_recording_has_a_verdict_here() -> None:
    assert set(VERDICTS) == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_the_verdict_is_what_really_happened(name: str) -> None:
    data = report(name)
    health, findings = VERDICTS[name]
    assert (data["overall_health"], codes(data)) == (health, findings)
    if RUNS[name].expected["healthy"]:
        assert health != "critical"
    else:
        assert health in ("critical", "warning")


@pytest.mark.parametrize("name", RUNS)
def test_all_parts_of_a_report_say_the_same(name: str) -> None:
    data = report(name)
    run = data["run_report"]
    grave = [f for f in run["findings"] if f["severity"] != "info"]
    assert [alert["code"] for alert in data["alerts"]] == [f["code"] for f in grave]
    assert run["alerts"] == data["alerts"]
    assert run["overall_health"] == data["overall_health"]
    assert len(data["intelligence"]["bottlenecks"]) == len(grave)
    gates = data["intelligence"]["decision_gates"]
    if data["overall_health"] == "critical":
        assert not gates["ready_for_long_run"]
        assert not data["evaluation"]["passed"]
    if gates["safe_to_export"]:
        assert gates["ready_for_long_run"]
        assert data["evaluation"]["passed"]
    assert data["quality_analysis"] == run["quality_analysis"]


@pytest.mark.parametrize("name", RUNS)
def test_every_warning_says_what_it_rests_on(name: str) -> None:
    for finding in report(name)["run_report"]["findings"]:
        assert finding["method"]
        assert finding["n"] >= 1
        assert finding["evidence"], finding["code"]
        assert finding["remedies"] or finding["unknown"], finding["code"]


@pytest.mark.parametrize(
    ("name", "quote"),
    [
        ("fail_missing_dataset", "/toolkit/datasets/does_not_exist"),
        ("fail_missing_model_path", "/toolkit/models/no_such_model"),
        ("fail_missing_repo_offline", "some-org/some-gated-model"),
        ("dataset_removed_midway", "image after image and could open none"),
        ("kill9_worker_alive", "SIGKILL"),
    ],
)
def test_the_cause_of_a_failure_names_what_is_at_fault(name: str, quote: str) -> None:
    assert quote in report(name)["run_report"]["findings"][0]["message"]


def test_a_loss_that_is_not_finite_comes_first_with_its_lines_and_steps() -> None:
    data = report("nan_loss")
    first = data["run_report"]["findings"][0]
    assert (first["code"], first["severity"]) == ("LOSS_NONFINITE", "critical")
    assert data["quality_analysis"]["nan_count"] == RUNS["nan_loss"].expected["nan_messages_in_log"]
    sources = {reference["source"] for reference in first["evidence"]}
    assert sources == {"metrics", "log"}
    assert data["intelligence"]["bottlenecks"][0]["code"] == "QUALITY_NUMERICAL"
    assert data["next_experiment"]["parameter"] == "learning_rate"
    assert data["next_experiment"]["proposed"] < data["next_experiment"]["current"]


def test_a_slow_down_is_measured_on_medians_of_this_run() -> None:
    data = report("slow_down")
    (finding,) = data["run_report"]["findings"]
    assert 2.5 < finding["estimate"]["value"] < 3.9
    assert data["intelligence"]["bottlenecks"][0]["code"] == "THROUGHPUT_LOW"
    assert data["speed_analysis"]["trend"] == "slowing_down"


def test_a_stop_that_was_asked_for_is_no_failure() -> None:
    for name in ("stop_midway", "mark_stopped_midway", "resume_after_stop"):
        data = report(name)
        assert data["error_analysis"]["severity"] == "none"
        assert data["alerts"] == []


@pytest.mark.parametrize("name", ["hang_midway", "kill9_midway"])
def test_a_run_that_stands_still_is_found_by_its_silence_only(name: str) -> None:
    last = RUNS[name].last_wall_time
    assert last is not None
    soon, late = report(name, now=last + 10), report(name, now=last + 3600)
    assert soon["status_snapshot"]["liveness"]["verdict"] == "training"
    assert soon["overall_health"] != "critical"
    assert late["status_snapshot"]["liveness"]["verdict"] == "stuck"
    assert late["status_snapshot"]["liveness"]["silence_s"] == pytest.approx(3600, abs=1)
    assert codes(late) == ["critical NO_PROGRESS"]
    assert late["intelligence"]["bottlenecks"][0]["code"] == "ERROR_CRITICAL"


def test_a_resumed_run_that_loads_is_not_stuck_by_the_points_of_the_run_before() -> None:
    run = RUNS["stop_midway"]
    assert run.last_wall_time is not None
    again = changed(
        run.without(log=True),
        status="running",
        info="Loading model",
        updated_at="2026-11-23T09:00:00.000Z",
    )
    data = observe(again, now=1795424400.0 + 20)
    assert 1795424400.0 - run.last_wall_time > 3600
    assert data["status_snapshot"]["liveness"]["verdict"] == "loading"
    assert codes(data) == []


def test_a_running_job_is_not_called_healthy_where_nothing_tells_that_it_moves() -> None:
    run = RUNS["kill9_midway"]
    assert run.last_wall_time is not None
    data = observe(run.without(metrics=True), now=run.last_wall_time + 3600)
    assert data["status_snapshot"]["liveness"]["verdict"] == "undetermined"
    assert data["overall_health"] == "insufficient_evidence"


def test_the_time_left_is_told_for_a_running_job_only() -> None:
    part = cut_short(RUNS["ok_200_steps"], log=0.6, metrics=0.6)
    assert part.last_wall_time is not None
    data = observe(part, now=part.last_wall_time + 1)
    left = data["speed_analysis"]["time_left"]
    assert 0 < left["interval_s"][0] <= left["seconds"] <= left["interval_s"][1] < 60
    assert "time_left" not in report("ok_200_steps")["speed_analysis"]


@pytest.mark.parametrize("name", FULL_EVIDENCE)
def test_with_full_evidence_the_published_schema_accepts_the_answer(name: str) -> None:
    for more in (
        {},
        {"include_raw_log_excerpt": True, "include_baseline_comparison": True},
        {"include_dataset": False, "include_nlp": False},
        {"include_evaluation": False, "include_next_experiment": False},
    ):
        data = report(name, **more)
        jsonschema.validate(data, PUBLISHED, cls=jsonschema.Draft202012Validator)


def test_without_full_evidence_only_scores_that_are_null_leave_the_published_schema() -> None:
    validator = jsonschema.Draft202012Validator(PUBLISHED)
    for name in RUNS:
        outside = {error.json_path for error in validator.iter_errors(report(name))}
        assert outside <= {"$.evaluation", "$.next_experiment"}


def test_a_run_with_validation_is_scored_and_graded() -> None:
    evaluation = report("ok_with_validation")["evaluation"]
    assert evaluation["passed"] is True
    assert evaluation["grade"] == "B"
    assert evaluation["components"]["dataset"] is None
    assert evaluation["weights"]["dataset"] == 0
    assert sum(evaluation["weights"].values()) == pytest.approx(1)
    assert evaluation["scoring_method"] == "evidence_v1"
    assert report("ok_with_validation", pass_threshold=95)["evaluation"]["passed"] is False


def test_a_loss_that_was_never_better_proposes_a_look_at_the_base_not_one_step() -> None:
    experiment = report("overfit")["next_experiment"]
    assert experiment["parameter"] == "base_model_fit"


def test_pitfall_12_last_is_the_last_in_time() -> None:
    for name in ("ok_200_steps", "slow_down"):
        run, data = RUNS[name], report(name)
        losses = [value for _, _, value in run.metrics["loss/loss"]]
        assert data["quality_analysis"]["loss"]["last"] == pytest.approx(losses[-1], abs=1e-6)
        assert data["quality_analysis"]["loss"]["max"] == pytest.approx(max(losses), abs=1e-6)
        assert (
            data["run_report"]["metrics"]["speed_last_iter_per_sec"]
            == (data["speed_analysis"]["iter_per_sec"]["last"])
        )


def test_pitfall_9_the_verdict_covers_the_whole_series_whatever_lines_are_asked() -> None:
    few, many = report("ok_200_steps", lines=10), report("ok_200_steps", lines=20000)
    for data in (few, many):
        assert data["quality_analysis"]["steps"] == [1, 199]
        assert data["quality_analysis"]["complete"] is True
    assert few["quality_analysis"] == many["quality_analysis"]


def test_pitfall_6_16_the_score_of_convergence_is_not_shut_in_between_20_and_80() -> None:
    from aitk_observability.scoring.evidence import components_of

    falls, _ = components_of([], {}, {}, (1.0, 0.6, 0.5, 0.45, 0.4), (None, None, "no dataset"))
    rises, _ = components_of([], {}, {}, (1.0, 1.4, 1.6, 1.8, 2.0), (None, None, "no dataset"))
    assert falls["convergence"] == 100.0
    assert rises["convergence"] == 0.0


def test_pitfall_19_without_an_evaluation_nothing_is_safe_to_export() -> None:
    data = report("ok_with_validation", include_evaluation=False)
    assert data["evaluation"] == {"skipped": True}
    assert data["intelligence"]["decision_gates"]["safe_to_export"] is False
    assert report("ok_with_validation")["intelligence"]["decision_gates"]["safe_to_export"] is True


def test_pitfall_20_a_run_with_a_warning_about_quality_is_not_ready() -> None:
    data = report("overfit", pass_threshold=0)
    assert {b["code"] for b in data["intelligence"]["bottlenecks"]} == {"QUALITY_REGRESSION"}
    assert not any(data["intelligence"]["decision_gates"].values())
