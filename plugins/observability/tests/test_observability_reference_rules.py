"""What the vectors leave open in `reference_v1`: laws, refusals, and published flaws it keeps.

`reference_v1` is the published formula on whatever it is given. Where PITFALLS.md section A asks
for another verdict, `evidence_v1` gives it; the tests by number hold the line between the two.
"""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.convert import unstructure
from aitk_core.errors import InvalidArgumentsError
from aitk_core.testing import strategies
from aitk_observability.scoring import reference
from aitk_observability.scoring.bands import delta_band
from aitk_observability.scoring.context import adaptive_thresholds, run_context, speed_curve
from aitk_observability.scoring.reference_bottlenecks import ACTIONS, MESSAGES, confidence_of
from aitk_observability.scoring.reference_components import weighted_mean

CONTEXT: Final = run_context(None)
GOOD: Final = {"convergence": 80, "stability": 80, "speed": 80, "dataset": 80}


def _evaluate(metrics: dict[str, Any], **changes: Any) -> reference.Evaluation:
    given: dict[str, Any] = {"quality": {}, "nlp": None, "context": CONTEXT} | changes
    return reference.evaluate(metrics, **given)


def _suggest(components: dict[str, Any], **changes: Any) -> reference.Suggestion:
    empty: dict[str, Any] = {
        name: {} for name in ("quality", "errors", "dataset", "nlp", "hparams")
    }
    return reference.suggestion(components, **empty | changes)


def _intelligence(
    snapshot: dict[str, Any], metrics: dict[str, Any], *, steps: int = 3000, passed: bool | None
) -> reference.Profile:
    config = {"config": {"process": [{"train": {"steps": steps}, "model": {"arch": "sd15"}}]}}
    return reference.intelligence(
        snapshot, metrics=metrics, context=run_context(config), evaluation_passed=passed
    )


@given(
    st.dictionaries(
        st.sampled_from(
            (
                "convergence_score",
                "stability_score",
                "dataset_quality_score",
                "speed_mean_iter_per_sec",
            )
        ),
        st.none() | st.floats(),
    )
)
def test_an_evaluation_is_a_finite_score_whatever_the_metrics(metrics: dict[str, Any]) -> None:
    answer = _evaluate(metrics)
    assert 0 <= answer.overall_score <= 100
    assert answer.passed == (answer.overall_score >= 70)
    assert answer.grade == reference.grade(answer.overall_score)


@given(strategies.scores(), strategies.scores())
def test_a_better_component_never_lowers_the_overall_score(one: float, other: float) -> None:
    low, high = sorted((one, other))
    base = {"convergence_score": 50, "stability_score": 50}
    worse = _evaluate(base | {"dataset_quality_score": low})
    better = _evaluate(base | {"dataset_quality_score": high})
    assert worse.overall_score <= better.overall_score


@given(
    st.lists(
        st.tuples(strategies.scores(), strategies.scores(), st.floats(0.001, 50.0)),
        min_size=1,
        max_size=6,
    )
)
def test_a_ranking_falls_from_the_winner_and_names_every_run_once(
    given_runs: list[tuple[float, float, float]],
) -> None:
    runs: list[dict[str, Any]] = [
        {
            "job_id": f"job-{index}",
            "metrics": {
                "convergence_score": convergence,
                "stability_score": stability,
                "speed_mean_iter_per_sec": speed,
            },
        }
        for index, (convergence, stability, speed) in enumerate(given_runs)
    ]
    answer = reference.rank_runs(runs)
    totals = [entry.scores.total for entry in answer.ranking]
    assert totals == sorted(totals, reverse=True)
    assert sorted(entry.job_id for entry in answer.ranking) == sorted(r["job_id"] for r in runs)
    assert [entry.rank for entry in answer.ranking] == list(range(1, len(runs) + 1))
    assert all(entry.delta_to_winner.total <= 0 for entry in answer.ranking)
    for entry in answer.ranking:
        delta = entry.delta_to_winner
        assert delta.total_band == delta_band(delta.total)
        assert {n: delta_band(d) for n, d in delta.components.items()} == delta.component_bands


def test_ties_keep_the_order_they_came_in() -> None:
    runs = [{"job_id": name, "metrics": {"stability_score": 60}} for name in ("b", "a", "c")]
    assert [entry.job_id for entry in reference.rank_runs(runs).ranking] == ["b", "a", "c"]


def test_a_ranking_asks_the_policy_it_is_given() -> None:
    class OneBand:
        def band(self, delta: float, *, standard_error: float | None, n: int | None) -> str:
            assert (standard_error, n) == (None, None)
            return "any" if delta <= 0 else "never"

        def source(self) -> dict[str, Any]:
            return {"id": "one_band_v1", "units": "score_points", "thresholds": {}}

    entry = reference.rank_runs([{"job_id": "a", "metrics": {}}], policy=OneBand()).ranking[0]
    assert entry.delta_to_winner.total_band == "any"
    assert entry.delta_to_winner.component_bands["dataset"] is None
    assert entry.delta_to_winner.band_source["id"] == "one_band_v1"


def test_a_position_without_a_usable_rank_is_computed() -> None:
    for rank in (None, 0, 3, True, "1", 1.0):
        entries = [{"job_id": "a", "rank": rank, "scores": {"total": 9.0}}, {"job_id": "b"}]
        answer = reference.ranking_position({"ranking": entries}, "a")
        assert (answer["rank"], answer["rank_source"]) == (1, "computed_position")
    assert reference.ranking_position({"ranking": [{"job_id": "a"}]}, "a")["percentile"] == 100.0


@pytest.mark.parametrize(
    ("overall", "letter"),
    [(100, "A"), (90, "A"), (89.99, "B"), (80, "B"), (70, "C"), (60, "D"), (59.99, "F")],
)
def test_grade_bounds_are_inclusive(overall: float, letter: str) -> None:
    assert reference.grade(overall) == letter


@pytest.mark.parametrize("weight", [math.nan, math.inf, "1", None, True])
def test_a_weight_that_is_no_finite_number_is_refused(weight: Any) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        _evaluate({}, override={"speed": weight})
    assert caught.value.details["faults"][0]["path"] == "/rubric_weights/speed"


@pytest.mark.parametrize("override", [{"convergence": 0, "stability": 0}, {"stability": 1e308}])
def test_weights_that_give_no_mean_are_refused(override: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentsError):
        _evaluate({"stability_score": 100.0}, override=override)


def test_a_threshold_that_is_no_number_is_refused_and_others_are_held() -> None:
    with pytest.raises(InvalidArgumentsError):
        _evaluate({}, pass_threshold=math.nan)
    assert _evaluate({}, pass_threshold=-5.0).pass_threshold == 0.0


def test_a_mean_needs_an_observed_component() -> None:
    with pytest.raises(InvalidArgumentsError):
        weighted_mean({"convergence": None}, {"convergence": 1.0})


def test_diagnostics_name_their_codes_in_order() -> None:
    answer = _evaluate(
        {"dataset_quality_score": 69.99, "speed_mean_iter_per_sec": 0.01},
        quality={"status": "critical", "trend": "regressing"},
        nlp={"caption_token_diversity": 0.2},
    )
    assert answer.diagnostic_codes == (
        "QUALITY_CRITICAL",
        "QUALITY_REGRESSION",
        "DATASET_QUALITY_LOW",
        "THROUGHPUT_LOW",
        "CAPTION_QUALITY_LOW",
    )
    assert len(set(answer.diagnostics)) == 5


def test_every_bottleneck_has_a_message_and_an_action() -> None:
    assert MESSAGES.keys() == ACTIONS.keys()


def test_confidence_is_the_highest_of_the_category_and_held_to_its_limits() -> None:
    alerts: list[dict[str, Any]] = [
        {"category": "speed", "severity": "warning", "confidence": 0.3},
        {"category": "speed", "severity": "info"},
        {"category": "speed", "severity": "warning", "confidence": math.nan},
        {"category": "errors", "severity": "warning", "confidence": -1},
    ]
    assert confidence_of("speed", "warning", alerts) == (0.72, "alert_category_max")
    assert confidence_of("errors", "warning", alerts) == (0.1, "alert_category_max")
    assert confidence_of("nlp", "critical", alerts) == (0.9, "severity_default")
    assert confidence_of("nlp", "info", alerts) == (0.65, "severity_default")


def test_quality_bottlenecks_exclude_each_other() -> None:
    def codes(**quality: Any) -> list[str]:
        profile = _intelligence({"quality_analysis": quality}, {}, passed=None)
        return [b.code for b in profile.bottlenecks if b.code.startswith("QUALITY")]

    assert codes(status="critical", flags=["loss_inf_detected"]) == ["QUALITY_NUMERICAL"]
    assert codes(status="critical", flags=[], trend="regressing") == ["QUALITY_CRITICAL"]
    assert codes(status="warning", flags=[], trend="regressing") == ["QUALITY_REGRESSION"]
    assert codes(status="healthy", flags=[], trend="improving") == []


def test_a_critical_alert_or_health_closes_the_gates() -> None:
    metrics = {"convergence_score": 95, "stability_score": 95, "speed_mean_iter_per_sec": 1.0}
    assert _intelligence({}, metrics, passed=True).decision_gates.safe_to_export
    for snapshot in ({"overall_health": "critical"}, {"alerts": [{"severity": "critical"}]}):
        gates = _intelligence(snapshot, metrics, passed=True).decision_gates
        assert not gates.ready_for_long_run
        assert not gates.safe_to_export
    failed = _intelligence({}, metrics, passed=False).decision_gates
    assert (failed.ready_for_long_run, failed.safe_to_export) == (True, False)


def test_gates_stay_closed_without_an_overall_score() -> None:
    gates = reference.decision_gates(
        None,
        components={"dataset": None, "caption_quality": None},
        codes=(),
        is_critical=False,
        evaluation_passed=None,
        thresholds=adaptive_thresholds("unknown", "standard"),
    )
    assert set(unstructure(gates).values()) == {False}


def test_a_dataset_without_known_coverage_is_not_scored() -> None:
    assert reference.dataset_score({"exists": True, "scanned_images": 5}) is None


@given(st.floats(), st.floats())
def test_a_faster_run_never_scores_lower(one: float, other: float) -> None:
    curve = speed_curve("sdxl", "long")
    scores = [reference.speed_score(speed, curve) for speed in sorted((one, other))]
    if None not in scores and scores[0] is not None and scores[1] is not None:
        assert scores[0] <= scores[1]


def test_convergence_stays_in_its_published_range() -> None:
    assert reference.convergence_score(1e9) == 80.0
    assert reference.convergence_score(-1e9) == 20.0
    assert reference.convergence_score(-800.0, flags=["loss_spikes_detected"]) == 0.0
    assert reference.convergence_score(50.0, flags=["loss_nan_detected"]) == 0.0
    assert reference.convergence_score(None, flags=["no_loss_values_detected"]) is None


def test_a_suggestion_without_a_config_proposes_from_the_published_defaults() -> None:
    assert _suggest(GOOD | {"stability": 10}).proposed == 0.00016
    assert _suggest(GOOD | {"convergence": 10}).proposed == 24


def test_a_proposed_learning_rate_has_a_floor() -> None:
    low = _suggest(GOOD | {"stability": 10}, hparams={"learning_rate": 1e-9})
    assert low.proposed == 1e-6


def test_a_suggestion_ignores_what_was_not_observed() -> None:
    unseen = GOOD | {"dataset": None, "speed": None, "caption_quality": None}
    assert _suggest(unseen).recommendation_type == "exploration"


def test_pitfall_1_an_empty_log_still_passes_here() -> None:
    answer = _evaluate({"convergence_score": None, "stability_score": 100.0})
    assert (answer.overall_score, answer.grade, answer.passed) == (73.08, "C", True)


def test_pitfall_3_unmeasured_speed_is_still_a_bottleneck_here() -> None:
    profile = _intelligence({}, {}, passed=None)
    assert [b.code for b in profile.bottlenecks] == ["THROUGHPUT_LOW"]
    assert profile.confidence == 0.71


def test_pitfall_13_speeds_a_thousandth_apart_are_still_a_hundred_points_here() -> None:
    runs = [
        {"job_id": name, "metrics": {"speed_mean_iter_per_sec": speed}}
        for name, speed in (("a", 1.0), ("b", 0.999))
    ]
    components = [e.scores.components["speed"] for e in reference.rank_runs(runs).ranking]
    assert components == [100.0, 0.0]


def test_pitfall_17_suggestions_that_change_nothing_are_still_made_here() -> None:
    oom = _suggest(
        GOOD | {"stability": 59},
        errors={"category_counts": {"oom": 2}},
        hparams={"batch_size": 1},
    )
    small = _suggest(GOOD | {"speed": 49}, hparams={"resolution": 512})
    rank = _suggest(GOOD | {"convergence": 64}, hparams={"steps": 3000, "rank": 256})
    assert (oom.current, oom.proposed) == (1, 1)
    assert (small.current, small.proposed) == (512, 512)
    assert (rank.current, rank.proposed) == (256, 128)


def test_pitfall_17_a_component_of_zero_is_a_value() -> None:
    assert _suggest(GOOD | {"dataset": 0.0}).recommendation_type == "dataset"
    assert _suggest(GOOD | {"stability": 0.0}).recommendation_type == "stability"


def test_pitfall_18_bottleneck_and_gate_still_use_two_dataset_marks_here() -> None:
    metrics = {"dataset_quality_score": 71.0, "speed_mean_iter_per_sec": 1.0}
    profile = _intelligence({}, metrics, steps=5000, passed=None)
    assert profile.bottlenecks == ()
    assert profile.decision_gates.requires_dataset_repair


def test_pitfall_19_no_evaluation_still_counts_as_not_failed_here() -> None:
    metrics = {"convergence_score": 95, "stability_score": 95, "speed_mean_iter_per_sec": 1.0}
    assert _intelligence({}, metrics, passed=None).decision_gates.safe_to_export


def test_pitfall_20_a_regressing_run_can_still_be_ready_here() -> None:
    profile = _intelligence(
        {"quality_analysis": {"status": "warning", "trend": "regressing"}},
        {"convergence_score": 40, "stability_score": 100, "speed_mean_iter_per_sec": 1.0},
        steps=800,
        passed=True,
    )
    assert [b.code for b in profile.bottlenecks] == ["QUALITY_REGRESSION"]
    assert profile.decision_gates.ready_for_long_run


def test_pitfall_76_a_run_named_twice_is_ranked_once() -> None:
    run = {"job_id": "n", "metrics": {"stability_score": 90}}
    assert len(reference.rank_runs([run, run]).ranking) == 1


def test_scoring_imports_nothing_heavy() -> None:
    code = (
        "import sys, aitk_observability.scoring.reference;"
        "print([m for m in ('numpy', 'httpx', 'mcp', 'cattrs', 'jsonschema') if m in sys.modules])"
    )
    # Fixed code, this interpreter.
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8"
    )
    assert answer.stdout.strip() == "[]"
