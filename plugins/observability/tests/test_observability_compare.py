"""compare-training-runs: an order that says what it rests on, and ties that are ties."""

from __future__ import annotations

import copy
import json
import math
import random
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core.errors import BackendUnreachableError, NotFoundError
from aitk_core.testing.evidence import answer_of
from aitk_core.testing.recorded import recorded_runs

if TYPE_CHECKING:
    from aitk_core.testing.recorded import Recording

TESTS = Path(__file__).parents[3] / "tests"
RUNS = recorded_runs()
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
PUBLISHED = json.loads(
    (TESTS / "published" / "compare-training-runs.schema.json").read_text("utf-8")
)
TOOL = "compare-training-runs"
VALIDATED = RUNS["ok_with_validation"]


def compare(runs: list[Recording], **more: Any) -> dict[str, Any]:
    arguments = {"job_ids": [run.job_id for run in runs], **more}
    answer = answer_of(runs, TOOL, arguments, points=PLUGIN)
    assert answer.data is not None
    return dict(answer.data)


def entries(data: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data["ranking"]["ranking"]
    return found


def twin(name: str, *, validation: float = 1.0, seed: int = 1, **train: Any) -> Recording:
    """The recorded run with its validation loss times a factor, under another name."""
    row = copy.deepcopy(dict(VALIDATED.row))
    config = row["job_config"]
    config = json.loads(config) if isinstance(config, str) else config
    config["config"]["process"][0]["train"] |= train
    row |= {"id": f"job-{name}", "name": name, "job_config": json.dumps(config)}
    noise = random.Random(seed)  # noqa: S311 - a test's series
    metrics = {
        key: [
            [s, t, v * (validation if key == "val/loss" else math.exp(noise.gauss(0, 0.3)))]
            if key != "learning_rate"
            else [s, t, v]
            for s, t, v in points
        ]
        for key, points in VALIDATED.metrics.items()
    }
    return evolve(VALIDATED, name=name, row=row, metrics=metrics)


def test_a_lower_validation_loss_at_equal_samples_wins() -> None:
    data = compare([twin("worse", validation=1.03), twin("better")])
    first, second = entries(data)
    assert data["ranking"]["winner_job_id"] == "job-better"
    assert first["comparison"]["verdict"] == "winner"
    assert first["comparison"]["distinguishable"] is True
    assert second["comparison"]["verdict"] == "behind"
    assert second["comparison"]["delta"]["high"] < 0
    assert second["comparison"]["validation"]["against_winner"]["verdict"] == "higher"


def test_pitfall_7_runs_within_the_spread_of_seeds_are_tied() -> None:
    data = compare([twin("a", validation=1.002), twin("b", seed=2), twin("c", seed=3)])
    first, *others = entries(data)
    assert first["comparison"]["verdict"] == "tied"
    assert first["comparison"]["distinguishable"] is False
    assert set(first["comparison"]["tied_with"]) == {entry["job_id"] for entry in others}
    for entry in others:
        low, high = entry["comparison"]["delta"]["low"], entry["comparison"]["delta"]["high"]
        assert low <= 0 <= high
        assert entry["comparison"]["verdict"] == "tied_with_winner"


def test_the_training_loss_ranks_nothing_however_low_it_is() -> None:
    low = twin("memorised")
    points = [[s, t, v * 0.2] for s, t, v in low.metrics["loss/loss"]]
    low = evolve(low, metrics={**low.metrics, "loss/loss": points})
    data = compare([twin("plain"), low])
    first, second = entries(data)
    assert first["job_id"] == "job-plain"  # input order: the two are tied
    assert first["comparison"]["verdict"] == "tied"
    told = second["comparison"]["training_loss"]
    assert told["verdict"] == "lower"
    assert told["used_for_ranking"] is False


def test_a_run_that_broke_is_behind_one_that_did_not_without_any_validation() -> None:
    data = compare([RUNS["high_lr_divergence"], RUNS["ok_200_steps"]])
    first, second = entries(data)
    assert first["job_id"] == RUNS["ok_200_steps"].job_id
    assert first["comparison"]["verdict"] == "winner"
    assert second["comparison"]["distinguishable"] is True
    assert first["scores"]["components"]["convergence"] is None
    assert "validation" in first["comparison"]["not_compared"]["convergence"]


def test_speeds_of_different_runs_are_shown_and_never_ranked() -> None:
    slow = twin("slow")
    metrics = {
        key: [[s, points[0][1] + 3 * (t - points[0][1]), v] for s, t, v in points]
        for key, points in slow.metrics.items()
    }
    data = compare([evolve(slow, metrics=metrics), twin("fast", seed=2)])
    first, second = entries(data)
    assert first["comparison"]["verdict"] == "tied"
    assert second["comparison"]["speed"]["times_the_winners"] == pytest.approx(3.0, rel=0.01)
    assert second["comparison"]["speed"]["used_for_ranking"] is False


def test_pitfall_13_speeds_a_thousandth_apart_do_not_rank_runs() -> None:
    data = compare([twin("a"), twin("b")])
    assert entries(data)[1]["delta_to_winner"]["components"]["speed"] == 0.0


def test_what_else_differs_is_named_and_two_changes_confound() -> None:
    one = compare([twin("base"), twin("lr", lr=2e-4, validation=1.05)])
    (difference,) = entries(one)[1]["comparison"]["differs_in"]
    assert difference["path"] == "config.process.0.train.lr"
    assert difference["value"] == 2e-4
    assert entries(one)[1]["comparison"]["confounded"] is False
    two = compare([twin("base"), twin("both", lr=2e-4, optimizer="lion", validation=1.05)])
    assert entries(two)[1]["comparison"]["confounded"] is True
    assert entries(two)[1]["comparison"]["differences"] == 2


def test_validation_losses_of_other_targets_are_not_compared() -> None:
    data = compare([twin("base"), twin("flow", noise_scheduler="flowmatch", validation=0.5)])
    assert entries(data)[0]["scores"]["components"]["convergence"] is None
    reason = entries(data)[0]["comparison"]["not_compared"]["convergence"]
    assert "train.noise_scheduler" in reason
    assert entries(data)[1]["comparison"]["training_loss"]["verdict"] == "not_comparable"


def test_pitfall_76_a_run_named_twice_is_compared_once() -> None:
    run = VALIDATED
    answer = answer_of([run], TOOL, {"job_ids": [run.job_id, run.job_id]}, points=PLUGIN)
    assert answer.data is not None
    assert answer.data["compared_count"] == 1
    assert answer.data["ranking"]["ranking"][0]["comparison"]["verdict"] == "alone"


def test_runs_that_cannot_be_judged_are_listed_with_the_reason() -> None:
    empty = evolve(twin("empty"), metrics={}, log="")
    data = compare([twin("a"), empty], job_ids=["job-a", "job-empty", "no-such-job"])
    assert data["inputs"]["job_ids"] == ["job-a"]
    reasons = {run["job_id"]: run["reason"] for run in data["skipped_runs"]}
    assert reasons == {"job-empty": "insufficient_evidence", "no-such-job": "job_not_found"}


def test_pitfall_72_with_nothing_to_rank_the_winner_is_null_and_the_answer_valid() -> None:
    data = compare([], job_ids=["no-such-job"])
    assert data["ranking"] == {
        "ranking": [],
        "winner_job_id": None,
        "winner_score": None,
        "score_spread": None,
    }


def test_only_terminal_runs_leaves_out_what_still_runs_and_takes_the_next() -> None:
    live = twin("live")
    live = evolve(live, row={**live.row, "status": "running"})
    runs = [live, twin("a"), twin("b")]
    named = compare(runs, only_terminal_runs=True)
    assert [r["reason"] for r in named["skipped_runs"]] == ["non_terminal_status"]
    answer = answer_of(runs, TOOL, {"limit": 2, "only_terminal_runs": True}, points=PLUGIN)
    assert answer.data is not None
    assert answer.data["inputs"]["requested_job_ids"] == ["job-a", "job-b"]


def test_pitfall_2_68_a_backend_that_is_down_is_an_error_not_an_empty_ranking() -> None:
    from aitk_core.backend.client import AiToolkitBackend

    backend = AiToolkitBackend("http://127.0.0.1:9", backoff_s=())
    with pytest.raises(BackendUnreachableError):
        answer_of(backend, TOOL, {"job_ids": ["a", "b"]}, points=PLUGIN)


@pytest.mark.parametrize("policy", ["absolute_delta_thresholds_v1", "noise_calibrated_v2"])
def test_the_band_policy_is_chosen_by_call_and_named(policy: str) -> None:
    data = compare([twin("a"), twin("b", validation=1.002)], band_policy=policy)
    for entry in entries(data):
        assert entry["delta_to_winner"]["band_source"]["id"] == policy
    bands = {entry["delta_to_winner"]["total_band"] for entry in entries(data)[1:]}
    assert bands == ({"negligible"} if policy.startswith("absolute") else {"undetermined"})


def test_a_band_policy_that_is_not_installed_is_refused_naming_those_that_are() -> None:
    with pytest.raises(NotFoundError, match="no band policy") as refusal:
        compare([twin("a")], band_policy="acme_v9")
    assert "noise_calibrated_v2" in refusal.value.remedy


def test_reference_v1_ranks_by_the_published_formulas_and_claims_no_certainty() -> None:
    data = compare([twin("a"), twin("b", seed=5)], scoring_method="reference_v1")
    for entry in entries(data):
        assert entry["comparison"]["scoring_method"] == "reference_v1"
        assert entry["comparison"]["distinguishable"] is None
    assert entries(data)[0]["scores"]["total"] >= entries(data)[1]["scores"]["total"]


@pytest.mark.parametrize("method", ["evidence_v1", "reference_v1"])
def test_with_full_evidence_the_answer_fits_the_published_schema(method: str) -> None:
    data = compare([twin("a"), twin("b", validation=1.1)], scoring_method=method)
    jsonschema.validate(data, PUBLISHED)


def test_all_recorded_runs_at_once_put_the_broken_behind_the_sound() -> None:
    data = compare(list(RUNS.values()))
    ranked = {entry["job_name"]: entry["rank"] for entry in entries(data)}
    sound = [ranked[n] for n in ranked if RUNS[n].expected["healthy"]]
    broken = [ranked[n] for n in ranked if not RUNS[n].expected["healthy"] and n != "slow_down"]
    assert max(sound) < min(broken)


@settings(max_examples=20)
@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=5))
def test_the_ranking_is_a_permutation_in_order_of_the_totals(factors: list[float]) -> None:
    runs = [twin(f"r{i}", validation=factor, seed=i) for i, factor in enumerate(factors)]
    data = compare(runs)
    totals = [entry["scores"]["total"] for entry in entries(data)]
    assert totals == sorted(totals, reverse=True)
    assert sorted(entry["job_id"] for entry in entries(data)) == sorted(r.job_id for r in runs)
    assert [entry["rank"] for entry in entries(data)] == list(range(1, len(runs) + 1))
    values = {f"job-r{i}": factor for i, factor in enumerate(factors)}
    if entries(data)[0]["comparison"]["verdict"] == "winner":
        assert data["ranking"]["winner_job_id"] == min(values, key=lambda k: values[k])


def test_a_long_ranking_shows_whole_reports_of_the_first_ten_only_unless_asked() -> None:
    runs = [twin(f"r{i}", validation=1 + i / 20, seed=i) for i in range(13)]
    brief, full = entries(compare(runs)), entries(compare(runs, detail="full"))
    assert ["findings" in entry for entry in brief] == [True] * 10 + [False] * 3
    assert all("findings" in entry for entry in full)
    for short, whole in zip(brief, full, strict=True):
        for name in ("job_id", "rank", "scores", "delta_to_winner", "overall_health"):
            assert short[name] == whole[name]
        assert short["comparison"]["delta"] == whole["comparison"]["delta"]
        assert short["comparison"]["verdict"] == whole["comparison"]["verdict"]


def test_200_runs_are_the_limit() -> None:
    from aitk_core.errors import InvalidArgumentsError

    with pytest.raises(InvalidArgumentsError):
        compare([], job_ids=[f"job-{i}" for i in range(201)])


def test_pitfall_119_the_baseline_comparison_places_the_run_and_names_what_was_dropped() -> None:
    runs = [twin("a"), twin("b", validation=1.1), twin("c", validation=1.2)]
    answer = answer_of(
        runs,
        "get-training-observability",
        {
            "job_id": "job-b",
            "include_baseline_comparison": True,
            "baseline_job_ids": ["job-a", "job-b", "job-a", "job-c", "job-d"],
            "baseline_limit": 2,
        },
        points=PLUGIN,
    )
    assert answer.data is not None
    found = answer.data["baseline_comparison"]
    assert found["candidate_job_ids"] == ["job-a", "job-c"]
    assert found["dropped_job_ids"] == ["job-d"]
    assert found["position"]["rank"] == 2
    assert found["position"]["winner_job_id"] == "job-a"
    assert found["compared_job_ids"] == ["job-b", "job-a", "job-c"]


def test_without_other_runs_the_baseline_comparison_says_so() -> None:
    answer = answer_of(
        [VALIDATED],
        "get-training-observability",
        {"job_id": VALIDATED.job_id, "include_baseline_comparison": True},
        points=PLUGIN,
    )
    assert answer.data is not None
    assert answer.data["baseline_comparison"]["error"] == "insufficient_baseline_runs"
