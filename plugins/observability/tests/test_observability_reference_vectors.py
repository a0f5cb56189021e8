"""Every vector of the reference that has to be kept: `vectors.json`, part of the contract's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from aitk_core.convert import unstructure
from aitk_observability.scoring import reference
from aitk_observability.scoring.bands import delta_band
from aitk_observability.scoring.context import (
    adaptive_thresholds,
    model_family,
    run_class,
    run_context,
    speed_curve,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

DOCUMENT: Final[Json] = json.loads(
    (Path(__file__).parent / "vectors.json").read_text(encoding="utf-8")
)
VECTORS: Final[list[Json]] = DOCUMENT["vectors"]
WORDING: Final = frozenset(
    {"message", "action", "rationale", "validation_plan", "diagnostics", "diagnostic_codes"}
)


def _plain(value: Any) -> Any:
    """Leave out what the contract does not fix: wording."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in WORDING}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _evaluation(given: Json) -> Any:
    answer = reference.evaluate(
        given["metrics"],
        quality=given["quality_analysis"],
        nlp=given["nlp_analysis"],
        context=run_context(given.get("config_payload")),
        override=given["rubric_weights"],
        pass_threshold=given["pass_threshold"],
    )
    return unstructure(answer) | {"diagnostics_count": len(answer.diagnostics)}


def _intelligence(given: Json) -> Any:
    evaluation = given["evaluation"]
    return unstructure(
        reference.intelligence(
            given["snapshot"],
            metrics=given["run_report"].get("metrics", {}),
            context=run_context(given["config"]),
            evaluation_passed=None if evaluation is None else evaluation["passed"],
        )
    )


def _suggestion(given: Json) -> Any:
    report = given["run_report"]
    return unstructure(
        reference.suggestion(
            given["evaluation"]["components"],
            quality=report["quality_analysis"],
            errors=report["error_analysis"],
            dataset=report["dataset_analysis"],
            nlp=report["nlp_analysis"],
            hparams=run_context(given["config"]).hparams,
        )
    )


def _alerts(given: Json) -> Any:
    return unstructure(
        reference.alerts(
            speed=given["speed_analysis"],
            quality=given["quality_analysis"],
            errors=given["error_analysis"],
            dataset=given["dataset_analysis"],
            nlp=given["nlp_analysis"],
        )
    )


def _position(given: Json) -> Any:
    ranking = next(v["output"] for v in VECTORS if v["id"] == given["ranking_of"])
    return reference.ranking_position(ranking, given["job_id"])


def _speed_score(given: Json) -> Any:
    curve = speed_curve(given["model_family"], given["run_class"])
    return reference.speed_score(given["mean_iter_per_sec"], curve)


RUNNERS: Final[dict[str, Callable[[Any], Any]]] = {
    "speed_curve": lambda g: unstructure(speed_curve(g["model_family"], g["run_class"])),
    "adaptive_thresholds": lambda g: unstructure(
        adaptive_thresholds(g["model_family"], g["run_class"])
    ),
    "speed_score": _speed_score,
    "model_family": lambda g: model_family(g.get("name_or_path"), g.get("arch")),
    "run_class": lambda g: run_class(g["steps"], g["resolution"]),
    "rank_runs": lambda g: unstructure(reference.rank_runs(g["runs"])),
    "delta_band": lambda g: delta_band(g["delta"]),
    "ranking_position": _position,
    "dataset_score": reference.dataset_score,
    "stability_score": lambda g: reference.stability_score(
        g["quality_analysis"], g["error_analysis"], g["alerts"]
    ),
    "caption_score": reference.caption_score,
    "evaluation": _evaluation,
    "intelligence": _intelligence,
    "suggestion": _suggestion,
    "alerts": _alerts,
}


def _without(value: Any, paths: list[str]) -> Any:
    """Return the value without the dotted fields in which the reference is wrong."""
    if not isinstance(value, dict):
        return value
    here = {path for path in paths if "." not in path}
    return {
        key: _without(
            item, [path.partition(".")[2] for path in paths if path.startswith(f"{key}.")]
        )
        for key, item in value.items()
        if key not in here
    }


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS if v["group"] in RUNNERS and v["verdict"] == "keep"],
    ids=lambda v: v["id"],
)
def test_reference_v1_gives_what_the_reference_gave(vector: Json) -> None:
    answer = _plain(RUNNERS[vector["group"]](vector["input"]))
    ignored = vector.get("ignore", [])
    assert _without(answer, ignored) == _without(vector["output"], ignored)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["group"] == "quality_from_log"], ids=lambda v: v["id"]
)
def test_convergence_follows_the_recorded_loss_figures(vector: Json) -> None:
    told = vector["output"]
    score = reference.convergence_score(told["improvement_pct"], flags=told["flags"])
    assert score == told["convergence_score"]


def test_the_vectors_here_are_all_there() -> None:
    counted = {group: sum(v["group"] == group for v in VECTORS) for group in DOCUMENT["groups"]}
    assert counted == DOCUMENT["groups"]
    assert set(DOCUMENT["groups"]) == RUNNERS.keys() | {"quality_from_log"}
    assert {v["verdict"] for v in VECTORS} == {"keep"}


def test_model_family_is_unknown_without_a_config() -> None:
    assert run_context(None).model_family == "unknown"
    assert run_context(None).hparams == {}
