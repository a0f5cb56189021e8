"""suggest-next-experiment: proposals that a finding motivates, or none."""

from __future__ import annotations

import copy
import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given

from aitk_core.configkeys.check import check_config
from aitk_core.configkeys.patch import ConfigPatch, apply_patch, check_patch, make_patch
from aitk_core.testing.evidence import (
    answer_of,
    job_config,
    job_row,
    run_evidence,
    run_evidences,
    series_of,
)
from aitk_core.testing.recorded import recorded_runs
from aitk_observability.analyzers import errors, loss, speed
from aitk_observability.suggestions.rules import candidates

if TYPE_CHECKING:
    from aitk_core.evidence.records import RunEvidence
    from aitk_core.testing.recorded import Recording
    from aitk_observability.suggestions.candidate import Candidate

RUNS = recorded_runs()
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
OOM = "Running 1 job\n# OOM during training step, skipping batch 1/3 #\n"


def suggest(*runs: Recording, **more: Any) -> dict[str, Any]:
    arguments = {"job_ids": [run.job_id for run in runs], **more}
    answer = answer_of(list(runs), "suggest-next-experiment", arguments, points=PLUGIN)
    assert answer.data is not None
    return dict(answer.data)


def proposals(evidence: RunEvidence) -> tuple[Candidate, ...]:
    findings = [
        finding
        for analyzer in (errors, loss, speed)
        for finding in analyzer.analyze(evidence).findings
    ]
    return candidates(findings, evidence, assessed=True)[0]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("nan_loss", ["learning_rate", "dtype"]),
        ("high_lr_divergence", ["learning_rate"]),
        ("overfit", ["base_model_fit", "learning_rate"]),
        ("slow_down", ["vram_headroom", "validation_config"]),
        ("corrupt_image", ["dataset_curation", "validation_config"]),
        ("ok_200_steps", ["validation_config", "seeded_eval_prompts"]),
        ("ok_with_validation", ["seeded_eval_prompts"]),
    ],
)
def test_each_recorded_run_gets_what_its_findings_ask_for(name: str, parameters: list[str]) -> None:
    data = suggest(RUNS[name])
    told = [data["recommendation"], *data["alternatives"]]
    assert [one["parameter"] for one in told] == parameters
    codes = {f["code"] for f in data["selected_run_report"]["findings"]}
    for one in told:
        assert set(one["motivated_by"]) <= codes
        assert one["proposed"] != one["current"]
        assert one["expected_effect"]
        assert one["source"]


@pytest.mark.parametrize("name", ["nan_loss", "high_lr_divergence", "overfit"])
def test_a_config_change_comes_as_a_patch_that_the_key_table_has_nothing_against(name: str) -> None:
    data = suggest(RUNS[name])
    config = json.loads(RUNS[name].row["job_config"])
    for one in [data["recommendation"], *data["alternatives"]]:
        assert one["patch_problems"] == []
        if one["patch"] is None:
            assert one["needs"]
            continue
        changed = apply_patch(config, ConfigPatch.from_json(one["patch"]))
        train = changed["config"]["process"][0]["train"]
        assert (
            train[{"learning_rate": "lr"}.get(one["parameter"], one["parameter"])]
            == (one["proposed"])
        )


@given(run_evidences())
def test_every_change_that_is_proposed_passes_the_key_table(evidence: RunEvidence) -> None:
    config = evidence.job.config
    if config is None:
        return
    before = {(p.code, p.path) for p in check_config(config)}
    for one in proposals(evidence):
        if one.changes:
            patch = make_patch(config, one.paths)
            after = {(p.code, p.path) for p in check_patch(config, patch)}
            assert after <= before
            assert check_config(apply_patch(config, patch)) is not None


@pytest.mark.parametrize("name", ["fail_missing_dataset", "kill9_worker_alive", "hang_midway"])
def test_a_run_that_failed_is_mended_first_and_nothing_is_proposed(name: str) -> None:
    data = suggest(RUNS[name])
    first = data["recommendation"]
    assert first["recommendation_type"] is None
    assert "has to be mended first" in first["rationale"]
    assert data["alternatives"] == []


def test_the_best_scored_candidate_is_the_one_to_start_from() -> None:
    data = suggest(RUNS["overfit"], RUNS["ok_with_validation"], RUNS["fail_missing_dataset"])
    assert data["selected_job_id"] == RUNS["ok_with_validation"].job_id
    assert len(data["candidate_scores"]) == 3
    assert "highest score" in data["selected_because"]


def test_job_id_and_job_ids_are_merged_and_none_means_the_newest() -> None:
    one, two = RUNS["ok_200_steps"], RUNS["overfit"]
    arguments = {"job_id": two.job_id, "job_ids": [one.job_id, two.job_id]}
    answer = answer_of([one, two], "suggest-next-experiment", arguments, points=PLUGIN)
    assert answer.data is not None
    assert answer.data["inputs"]["candidate_job_ids"] == [two.job_id, one.job_id]
    everything = answer_of(list(RUNS.values()), "suggest-next-experiment", {}, points=PLUGIN)
    assert everything.data is not None
    assert len(everything.data["inputs"]["candidate_job_ids"]) == 5


def test_with_nothing_to_judge_the_answer_says_so_with_the_reasons() -> None:
    data = suggest(job_ids=["no-such-job"])
    assert data["status"] == "no_evaluable_candidates"
    assert data["skipped_candidates"] == [{"job_id": "no-such-job", "reason": "job_not_found"}]


def test_the_cost_is_steps_and_seconds_by_the_runs_own_steps() -> None:
    data = suggest(RUNS["nan_loss"])
    cost = data["recommendation"]["cost"]
    config = json.loads(RUNS["nan_loss"].row["job_config"])
    assert cost["steps"] == config["config"]["process"][0]["train"]["steps"]
    low, high = cost["interval_s"]
    assert low <= cost["seconds"] <= high
    assert suggest(RUNS["nan_loss"].without(metrics=True))["recommendation"]["cost"]["seconds"] is (
        None
    )


@pytest.mark.parametrize(
    ("rate", "optimizer", "proposed"),
    [
        (3e-2, "adamw8bit", 1e-4),
        (3e-4, "adamw8bit", 1e-4),
        (1e-2, "lion", 3.3e-3),
        (1.0, "prodigy", None),
        (1e-6, "adamw8bit", None),
    ],
)
def test_a_broken_run_gets_a_lower_rate_where_it_is_one(
    rate: float, optimizer: str, proposed: float | None
) -> None:
    config = job_config(lr=rate, optimizer=optimizer)
    losses = [0.3 + 0.01 * (i % 7) for i in range(100)] + [50.0 + i % 3 for i in range(100)]
    evidence = run_evidence(losses, job=job_row(config=config))
    found = [one for one in proposals(evidence) if one.parameter == "learning_rate"]
    assert [one.proposed for one in found] == ([] if proposed is None else [proposed])
    for one in found:
        assert one.paths == {"config.process.0.train.lr": proposed}


def at_noise_level() -> list[float]:
    return [0.95 + 0.005 * (i * 7 % 11) for i in range(200)]


def test_a_loss_at_noise_level_since_the_start_asks_for_a_check_before_a_lower_rate() -> None:
    check, rate = (one for one in proposals(run_evidence(at_noise_level())))
    assert (check.parameter, check.changes) == ("base_model_fit", {})
    assert check.proposed == {"check": ["model", "dataset", "noise_scheduler", "text_encoder"]}
    assert "no learning rate" in check.rationale
    assert check.needs
    assert check.steps == 30  # noise_level_v1 answers from there
    assert rate.parameter == "learning_rate"
    assert "may not be the cause" in rate.rationale
    assert "changes nothing" in rate.risk
    assert (rate.expected_impact, rate.risk_level) == ("moderate", "medium")


def test_the_check_is_not_longer_than_the_run_and_shows_what_the_config_says() -> None:
    config = copy.deepcopy(job_config(steps=20))
    config["config"]["process"][0]["model"]["is_v_pred"] = True
    check = proposals(run_evidence(at_noise_level(), job=job_row(config=config)))[0]
    assert check.steps == 20
    assert check.current["is_v_pred"] is True
    assert check.current["noise_scheduler"] == "ddpm"


def test_what_the_check_shows_of_a_hostile_config_is_short_and_plain() -> None:
    config = copy.deepcopy(job_config())
    process = config["config"]["process"][0]
    process["model"] |= {"name_or_path": "m\n\u202e" * 9000, "is_v_pred": {"x": "y" * 9000}}
    process["datasets"] = [{"folder_path": f"/d/{n}/" + "z" * 900} for n in range(100)]
    current = proposals(run_evidence(at_noise_level(), job=job_row(config=config)))[0].current
    text = json.dumps(current)
    assert len(text) < 2500
    assert current["model"].isprintable()
    assert "is_v_pred" not in current


def test_overfitting_from_the_first_validation_on_proposes_a_lower_rate_not_one_step() -> None:
    losses = [0.3 + 0.01 * (i % 7) for i in range(200)]
    rising = series_of([0.5, 0.6, 0.7, 0.8, 0.9], key="val/loss", steps=[0, 50, 100, 150, 199])
    parameters = [one.parameter for one in proposals(run_evidence(losses, validation=rising))]
    assert "learning_rate" in parameters
    assert not {"steps", "base_model_fit"} & set(parameters)


def test_losses_beyond_every_range_from_the_first_step_on_ask_for_the_check_as_well() -> None:
    losses = [50.0 + i % 3 for i in range(200)]
    exploded = [one.parameter for one in proposals(run_evidence(losses))]
    assert exploded == ["base_model_fit", "learning_rate"]


@pytest.mark.parametrize("name", ["high_lr_divergence", "nan_loss"])
def test_a_run_that_was_better_once_gets_no_check_of_its_base(name: str) -> None:
    first = suggest(RUNS[name])["recommendation"]
    assert first["parameter"] == "learning_rate"
    assert "may not be the cause" not in first["rationale"]


def test_out_of_memory_offers_each_saving_once_in_the_order_that_costs_least() -> None:
    config = copy.deepcopy(job_config(batch_size=2, gradient_checkpointing=False))
    process = config["config"]["process"][0]
    process["datasets"][0]["resolution"] = [512, 768]
    process["model"] |= {"quantize": False, "low_vram": False}
    evidence = run_evidence(log=OOM, job=job_row(config=config))
    found = proposals(evidence)
    assert [one.parameter for one in found] == [
        "batch_size",
        "resolution",
        "gradient_checkpointing",
        "quantize",
        "low_vram",
    ]
    assert found[1].changes == {"datasets.0.resolution": [512]}


def test_a_validation_loss_that_still_falls_asks_for_more_steps() -> None:
    falling = series_of([1.0, 0.9, 0.8, 0.7, 0.6], key="val/loss", steps=[0, 50, 100, 150, 199])
    parameters = [one.parameter for one in proposals(run_evidence([0.3] * 200, validation=falling))]
    assert "steps" in parameters
    settled = series_of([1.0, 0.7, 0.601, 0.6, 0.6], key="val/loss", steps=[0, 50, 100, 150, 199])
    settled_for = proposals(run_evidence([0.3] * 200, validation=settled))
    assert "steps" not in [one.parameter for one in settled_for]


@given(run_evidences())
def test_any_run_gets_proposals_that_change_something_or_a_reason(evidence: RunEvidence) -> None:
    findings = [
        finding
        for analyzer in (errors, loss, speed)
        for finding in analyzer.analyze(evidence).findings
    ]
    found, why_none = candidates(findings, evidence, assessed=True)
    assert bool(found) != bool(why_none)
    for one in found:
        assert one.proposed != one.current
        assert one.rationale
        assert all(path.startswith("config.process.0.") for path in one.paths)


def test_without_enough_evidence_nothing_is_proposed() -> None:
    found, why_none = candidates([], run_evidence(), assessed=False)
    assert found == ()
    assert "not enough evidence" in why_none


def test_a_run_alone_without_a_score_is_still_the_one_to_start_from() -> None:
    run = evolve(RUNS["nan_loss"])
    data = suggest(run)
    assert data["selected_evaluation"]["passed"] is False
    assert data["selected_because"] == "the only run that could be judged"
