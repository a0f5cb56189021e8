"""detail=brief: the verdict and what it rests on, within 800 tokens."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from typing import Any

import pytest
from attrs import evolve

from aitk_core.testing.evidence import answer_of, cut_short
from aitk_core.testing.recorded import recorded_runs

RUNS = recorded_runs()
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
TOKENS = 800
CHARS_PER_TOKEN = 4


def observe(run: Any, **more: Any) -> Any:
    arguments = {"job_id": run.job_id, **more}
    return answer_of([run], "get-training-observability", arguments, points=PLUGIN)


@pytest.mark.parametrize("name", RUNS)
def test_a_brief_report_says_what_the_full_one_says(name: str) -> None:
    full, brief = observe(RUNS[name]).data, observe(RUNS[name], detail="brief").data
    assert brief["overall_health"] == full["overall_health"]
    codes = [finding["code"] for finding in full["run_report"]["findings"]]
    assert [finding["code"] for finding in brief["findings"]] == codes[:5]
    assert brief["score"]["overall"] == full["evaluation"]["overall_score"]
    assert brief["not_assessed"] == sorted(full["run_report"]["not_assessed"])


def test_no_report_leaves_it_to_silence_that_samples_were_not_looked_at() -> None:
    full, brief = observe(RUNS["ok_200_steps"]), observe(RUNS["ok_200_steps"], detail="brief")
    assert "evaluate-lora" in full.data["run_report"]["not_assessed"]["samples"]
    assert "Samples: not looked at" in full.summary
    assert "samples" in brief.data["not_assessed"]
    assert "evaluate-lora" in brief.data["more"]


@pytest.mark.parametrize("name", RUNS)
def test_a_brief_report_fits_800_tokens_with_all_its_text(name: str) -> None:
    answer = observe(RUNS[name], detail="brief")
    size = len(json.dumps(answer.data, separators=(",", ":"))) + len(answer.summary)
    assert size <= TOKENS * CHARS_PER_TOKEN


def test_a_brief_report_stays_short_with_names_and_errors_of_any_length() -> None:
    run = RUNS["fail_missing_dataset"]
    row = {**run.row, "name": "n" * 5000, "info": "Error: " + "x" * 50_000}
    answer = observe(evolve(run, row=row), detail="brief")
    assert len(json.dumps(answer.data)) <= TOKENS * CHARS_PER_TOKEN


def test_a_running_run_says_how_long_it_will_take() -> None:
    run = cut_short(RUNS["ok_200_steps"], log=0.6, metrics=0.6)
    now = run.last_wall_time
    arguments = {"job_id": run.job_id, "detail": "brief"}
    data = answer_of([run], "get-training-observability", arguments, points=PLUGIN, now=now).data
    assert data is not None
    low, high = data["speed"]["seconds_left_interval"]
    assert low <= data["speed"]["seconds_left"] <= high


def test_the_full_form_is_the_default() -> None:
    run = RUNS["ok_200_steps"]
    assert observe(run).data["analysis_mode"] == "deep_log_intelligence"
    assert observe(run, detail="full").data["analysis_mode"] == "deep_log_intelligence"
