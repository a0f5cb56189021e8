"""evaluate-lora: a rubric that counts what was assessed, by either scoring method."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from aitk_core.errors import InvalidArgumentsError, JobNotFoundError
from aitk_core.testing.evidence import answer_of
from aitk_core.testing.recorded import recorded_runs

if TYPE_CHECKING:
    from aitk_core.testing.recorded import Recording

RUNS = recorded_runs()
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
METHODS = ["evidence_v1", "reference_v1"]


def evaluate(run: Recording, **more: Any) -> dict[str, Any]:
    answer = answer_of([run], "evaluate-lora", {"job_id": run.job_id, **more}, points=PLUGIN)
    assert answer.data is not None
    return dict(answer.data)


def test_a_sound_run_with_validation_gets_a_grade_and_says_what_is_missing() -> None:
    verdict = evaluate(RUNS["ok_with_validation"])["evaluation"]
    assert verdict["grade"] == "B"
    assert verdict["passed"] is True
    assert verdict["coverage"] == 0.85
    assert verdict["components"]["dataset"] is None
    assert [text for text in verdict["diagnostics"] if text.startswith("dataset: not assessed")]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", RUNS)
def test_every_run_is_scored_by_the_method_asked_for_which_the_answer_names(
    name: str, method: str
) -> None:
    data = evaluate(RUNS[name], scoring_method=method)
    verdict = data["evaluation"]
    assert verdict["scoring_method"] == data["inputs"]["scoring_method"] == method
    assert (verdict["overall_score"] is None) == (verdict["grade"] == "insufficient_evidence")
    if data["run_report"]["overall_health"] in ("critical", "insufficient_evidence"):
        assert verdict["passed"] is False


@pytest.mark.parametrize("method", METHODS)
def test_pitfall_1_an_empty_log_gives_no_grade_and_never_passes(method: str) -> None:
    run = RUNS["ok_200_steps"].without(log=True, metrics=True)
    for include in (True, False):
        verdict = evaluate(
            run,
            scoring_method=method,
            include_dataset=include,
            include_nlp=include,
            pass_threshold=0,
        )["evaluation"]
        assert verdict["overall_score"] is None
        assert verdict["grade"] == "insufficient_evidence"
        assert verdict["passed"] is False
        assert verdict["coverage"] == 0.0


def test_a_component_that_was_not_assessed_weighs_nothing() -> None:
    verdict = evaluate(RUNS["ok_with_validation"])["evaluation"]
    there = {k: v for k, v in verdict["components"].items() if v is not None}
    assert sum(verdict["weights"].values()) == pytest.approx(1.0, abs=1e-5)
    assert all(verdict["weights"][name] == 0 for name in verdict["components"] if name not in there)
    mean = sum(there[name] * verdict["weights"][name] for name in there)
    assert verdict["overall_score"] == pytest.approx(mean, abs=0.01)


def test_weights_replace_only_those_that_are_given() -> None:
    data = evaluate(RUNS["ok_with_validation"], rubric_weights={"speed": 0, "stability": 1})
    assert data["inputs"]["rubric_weights"] == {
        "convergence": 0.35,
        "stability": 1.0,
        "speed": 0.0,
        "dataset": 0.1,
        "caption_quality": 0.05,
    }
    assert data["evaluation"]["weights"]["speed"] == 0


@pytest.mark.parametrize(
    "weights",
    [
        {"speed": -1},
        {"sped": 1},
        {"speed": "high"},
        {"convergence": 1e308},
        {"convergence": 0, "stability": 0, "speed": 0, "dataset": 0, "caption_quality": 0},
    ],
)
def test_pitfall_71_weights_that_make_no_sense_are_refused(weights: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentsError) as refusal:
        evaluate(RUNS["ok_with_validation"], rubric_weights=weights)
    assert "rubric_weights" in str(refusal.value.to_json())


def test_reference_v1_follows_the_published_formulas_on_the_recorded_series() -> None:
    run = RUNS["ok_with_validation"]
    losses = [point[2] for point in run.metrics["loss/loss"]]
    fall = (losses[0] - losses[-1]) / losses[0] * 100
    expected = 50 + max(-60.0, min(60.0, fall)) * 0.5
    components = evaluate(run, scoring_method="reference_v1")["evaluation"]["components"]
    assert components["convergence"] == pytest.approx(expected, abs=0.01)
    # Regressing by its last value: quality warning 15, one warning alert 3.
    assert components["stability"] == 82.0
    assert components["speed"] == 95.0


def test_reference_v1_gives_nothing_for_a_loss_that_was_not_finite() -> None:
    components = evaluate(RUNS["nan_loss"], scoring_method="reference_v1")["evaluation"]
    assert components["components"]["convergence"] == 0.0
    assert components["components"]["stability"] <= 10.0


def test_an_unknown_job_is_an_error() -> None:
    run = RUNS["ok_200_steps"]
    with pytest.raises(JobNotFoundError):
        answer_of([run], "evaluate-lora", {"job_id": "no-such-job"}, points=PLUGIN)


def test_the_summary_says_score_coverage_and_method_in_a_few_lines() -> None:
    run = evolve(RUNS["ok_with_validation"])
    answer = answer_of([run], "evaluate-lora", {"job_id": run.job_id}, points=PLUGIN)
    first = answer.summary.splitlines()[0]
    assert "80.05 (B), passed at 70; 85% assessed (evidence_v1)" in first
