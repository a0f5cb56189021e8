"""A run's speed against finished runs of its kind, and metrics beyond the usual ones."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.evidence.peers import peers_of, seconds_per_step
from aitk_core.testing.evidence import answer_of, job_config, job_row
from aitk_core.testing.recorded import recorded_runs

if TYPE_CHECKING:
    from aitk_core.testing.recorded import Recording

TESTS = Path(__file__).parents[3] / "tests"
RUNS = recorded_runs()
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
OWN = RUNS["ok_200_steps"]
OWN_SECONDS = 0.0976


def peer(number: int, seconds: float, **row: Any) -> Recording:
    name = f"peer{number}"
    text = f"{seconds:.4f} sec/iter"
    changed = {**OWN.row, "id": f"job-{name}", "name": name, "speed_string": text} | row
    return evolve(OWN, name=name, row=changed)


def observe(*peers: Recording) -> dict[str, Any]:
    answer = answer_of(
        [OWN, *peers], "get-training-observability", {"job_id": OWN.job_id}, points=PLUGIN
    )
    assert answer.data is not None
    return dict(answer.data)


def test_a_run_slower_than_the_slowest_of_three_of_its_kind_scores_by_the_ratio() -> None:
    alone = observe()["evaluation"]["components"]["speed"]
    data = observe(*(peer(i, OWN_SECONDS / (2 + i)) for i in range(3)))
    past = data["speed_analysis"]["past_runs"]
    assert past["n"] == 3
    assert past["relative_to_slowest"] == pytest.approx(0.5, abs=0.01)
    assert data["evaluation"]["components"]["speed"] == pytest.approx(
        alone * past["relative_to_slowest"], abs=0.02
    )


def test_a_run_within_what_its_kind_has_shown_loses_nothing() -> None:
    alone = observe()["evaluation"]["components"]["speed"]
    data = observe(*(peer(i, OWN_SECONDS * factor) for i, factor in enumerate((0.2, 0.5, 3.0))))
    assert data["evaluation"]["components"]["speed"] == alone


def test_two_finished_runs_are_shown_and_do_not_count() -> None:
    alone = observe()["evaluation"]["components"]["speed"]
    data = observe(peer(1, 0.001), peer(2, 0.001))
    assert data["speed_analysis"]["past_runs"]["counts"] is False
    assert data["evaluation"]["components"]["speed"] == alone


@pytest.mark.parametrize(
    "row",
    [
        {"status": "stopped"},
        {"gpu_ids": "1"},
        {"speed_string": ""},
        {"speed_string": "0.0 iter/sec"},
        {"job_config": "{"},
    ],
)
def test_runs_of_another_kind_or_without_a_speed_are_no_peers(row: dict[str, Any]) -> None:
    assert observe(peer(1, 0.001, **row))["speed_analysis"]["past_runs"]["n"] == 0


def test_another_batch_or_resolution_is_another_kind() -> None:
    own = job_row(id="own", speed_string="1.0 sec/iter")
    config = job_config(batch_size=2)
    assert peers_of(own, [job_row(id="b", config=config, speed_string="1.0 sec/iter")]) == ()
    config = job_config()
    config["config"]["process"][0]["datasets"][0]["resolution"] = [768]
    assert peers_of(own, [job_row(id="b", config=config, speed_string="1.0 sec/iter")]) == ()
    assert len(peers_of(own, [job_row(id="b", speed_string="1.0 sec/iter"), own])) == 1


@given(st.floats(0.001, 1e6))
def test_both_units_of_the_backends_text_are_read(value: float) -> None:
    text = f"{value:.4f}"
    assert seconds_per_step(f"{text} sec/iter") == pytest.approx(float(text))
    assert seconds_per_step(f"{text} iter/sec") == pytest.approx(1 / float(text))


@given(st.text(max_size=40))
def test_any_text_is_read_or_left(text: str) -> None:
    found = seconds_per_step(text)
    assert found is None or found > 0


def test_any_other_metric_that_was_recorded_is_shown() -> None:
    points = [[step, 1.7e9 + step, 0.5] for step in range(50)]
    run = evolve(OWN, metrics={**OWN.metrics, "loss/audio": points})
    answer = answer_of([run], "get-training-observability", {"job_id": run.job_id}, points=PLUGIN)
    assert answer.data is not None
    shown = answer.data["quality_analysis"]["other_metrics"]
    assert shown["loss/audio"]["count"] == 50
    assert shown["loss/audio"]["mean"] == 0.5
    assert json.dumps(answer.data)
