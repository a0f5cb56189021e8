"""Which config a run is judged by, and which dataset counts: one answer for the whole report."""

from __future__ import annotations

import copy
import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core import errors
from aitk_core.records.results import ToolResult
from aitk_core.testing.evidence import answer_of, changed, cut_short
from aitk_core.testing.plugins import declare, fake_points, fake_tool
from aitk_core.testing.recorded import recorded_runs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aitk_core.testing.recorded import Recording

RUNS = recorded_runs()
RUN = RUNS["ok_200_steps"]
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))

FLUX = {
    "job": "extension",
    "config": {
        "name": "flux_style",
        "process": [
            {
                "type": "diffusion_trainer",
                "network": {"type": "lora", "linear": 32, "linear_alpha": 16},
                "datasets": [{"folder_path": "/toolkit/datasets/style", "resolution": [512, 1024]}],
                "train": {
                    "steps": 5000,
                    "lr": 4e-4,
                    "batch_size": 2,
                    "noise_scheduler": "flowmatch",
                },
                "model": {"name_or_path": "black-forest-labs/FLUX.1-dev", "arch": "flux"},
            }
        ],
    },
}


async def get_config(arguments: Mapping[str, Any], _context: Any) -> ToolResult:
    if arguments["name"] != "flux_style":
        raise errors.ConfigNotFoundError(f"there is no saved config {arguments['name']!r}")
    return ToolResult(data={"name": "flux_style", "config": FLUX})


def observe(
    run: Recording = RUN, *, installed: bool = True, now: float | None = None, **more: Any
) -> dict[str, Any]:
    configs = fake_points(configs=declare(aitk_tools=[fake_tool(get_config, "get-config")]))
    points = (*PLUGIN, *configs) if installed else PLUGIN
    arguments = {"job_id": run.job_id, **more}
    tool = "get-training-observability"
    answer = answer_of([run], tool, arguments, points=points, now=now)
    assert answer.data is not None
    return dict(answer.data)


def test_without_a_name_the_jobs_own_config_counts() -> None:
    data = observe()
    assert data["config_context"] == {
        "requested_config_name": None,
        "resolved_config_name": "ok_200_steps",
        "config_source": "job_payload",
    }
    assert data["intelligence"]["context"]["model_family"] == "sd_like"
    assert data["intelligence"]["context"]["run_class"] == "smoke"


def test_pitfall_117_a_saved_config_counts_in_every_part_of_the_report() -> None:
    data = observe(config_name="flux_style")
    assert data["config_context"]["config_source"] == "saved_config"
    assert data["config_context"]["resolved_config_name"] == "flux_style"
    context = data["intelligence"]["context"]
    assert (context["model_family"], context["run_class"]) == ("flux_flex", "long")
    assert context["hparams"] == {
        "learning_rate": 4e-4,
        "steps": 5000,
        "batch_size": 2,
        "rank": 32,
        "alpha": 16,
        "resolution": 1024,
    }
    assert data["intelligence"]["thresholds"]["dataset_repair_score"] == 73
    assert data["dataset_resolution"]["dataset_path"] == "/toolkit/datasets/style"


def test_the_losses_of_the_log_are_found_whatever_the_saved_config_is_called() -> None:
    run = RUN.without(metrics=True)
    own, other = observe(run), observe(run, config_name="flux_style")
    assert own["quality_analysis"]["loss"]["count"] >= 199
    assert own["quality_analysis"]["loss"] == other["quality_analysis"]["loss"]


def test_the_time_left_is_that_of_the_config_the_run_was_started_with() -> None:
    part = cut_short(RUN, log=0.6, metrics=0.6)
    now = (part.last_wall_time or 0) + 1
    own = observe(part, now=now)["speed_analysis"]["time_left"]
    other = observe(part, now=now, config_name="flux_style")["speed_analysis"]["time_left"]
    assert own == other


def test_pitfall_118_an_unknown_config_is_an_error() -> None:
    with pytest.raises(errors.ConfigNotFoundError):
        observe(config_name="nope")
    with pytest.raises(errors.InvalidArgumentsError) as caught:
        observe(config_name="flux_style", installed=False)
    assert caught.value.to_json()["remedy"]


@pytest.mark.parametrize("name", ["", "../evil", "/etc/passwd", "a\nb", "x" * 300])
def test_pitfall_53_the_name_of_a_config_is_no_path(name: str, tmp_path: Path) -> None:
    training = entry_points(group="aitk.plugins", name="training")
    (tmp_path / "configs").mkdir()
    (tmp_path / "evil.yaml").write_text(json.dumps(FLUX), encoding="utf-8")
    with pytest.raises((errors.InvalidArgumentsError, errors.NotFoundError)) as caught:
        answer_of(
            [RUN],
            "get-training-observability",
            {"job_id": RUN.job_id, "config_name": name},
            points=(*PLUGIN, *training),
            environment={"AITK_HOME": str(tmp_path)},
        )
    assert str(tmp_path) not in json.dumps(caught.value.to_json())


def test_a_config_that_get_config_reads_from_disk_counts(tmp_path: Path) -> None:
    training = entry_points(group="aitk.plugins", name="training")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "flux_style.yaml").write_text(json.dumps(FLUX), encoding="utf-8")
    answer = answer_of(
        [RUN],
        "get-training-observability",
        {"job_id": RUN.job_id, "config_name": "flux_style"},
        points=(*PLUGIN, *training),
        environment={"AITK_HOME": str(tmp_path)},
    )
    assert answer.data is not None
    assert answer.data["intelligence"]["context"]["hparams"]["rank"] == 32


@pytest.mark.parametrize(
    ("asked", "source"),
    [({"dataset_path": "/toolkit/datasets/mine"}, "argument"), ({}, "config")],
)
def test_pitfall_116_one_dataset_counts_in_every_part_of_the_report(
    asked: dict[str, Any], source: str
) -> None:
    data = observe(**asked)
    path = asked.get("dataset_path") or data["dataset_resolution"]["dataset_path"]
    assert data["dataset_resolution"] == {"dataset_path": path, "dataset_source": source}
    assert data["dataset_analysis"]["dataset_path"] == path
    assert data["run_report"]["dataset_path"] == path
    assert data["run_report"]["dataset_analysis"] == data["dataset_analysis"]
    assert data["alerts"] == data["run_report"]["alerts"]


def test_pitfall_4_a_dataset_that_nobody_assessed_scores_nothing_and_asks_for_no_repair() -> None:
    data = observe()
    assert data["nlp_analysis"]["assessed"] is False
    assert data["evaluation"]["components"]["caption_quality"] is None
    assert data["evaluation"]["weights"]["caption_quality"] == 0
    assert not data["intelligence"]["decision_gates"]["requires_caption_repair"]
    assert data["intelligence"]["bottlenecks"] == []


@pytest.mark.parametrize(
    "config",
    [
        None,
        "null",
        "[]",
        '{"config": null}',
        '{"config": {"process": []}}',
        '{"config": {"process": [null], "name": 7}}',
        '{"config": {"process": [{"train": {"steps": -5, "lr": "abc", "batch_size": 0}}]}}',
        '{"config": {"process": [{"train": [], "datasets": {}, "model": 1, "network": "lora"}]}}',
    ],
)
def test_pitfall_126_a_config_of_any_shape_is_read_as_far_as_it_goes(config: str | None) -> None:
    data = observe(changed(RUN, job_config=config))
    assert data["overall_health"] == "healthy"
    hparams = data["intelligence"]["context"]["hparams"]
    assert not {"steps", "learning_rate", "batch_size"} & set(hparams)


def test_pitfall_17_a_proposal_changes_something() -> None:
    from aitk_core.testing.evidence import job_config, job_row, run_evidence
    from aitk_observability.analyzers import errors as analyzer
    from aitk_observability.report.experiment import next_experiment

    line = "# OOM during training step, skipping batch 1/3 #\n"
    for batch, sizes, low_vram in ((1, [512], None), (2, [512], None), (1, [512, 768], None)):
        config = copy.deepcopy(job_config(batch_size=batch))
        process = config["config"]["process"][0]
        process["datasets"][0]["resolution"] = sizes
        process["model"]["low_vram"] = low_vram
        evidence = run_evidence(log=f"Running 1 job\n{line}", job=job_row(config=config))
        found = analyzer.analyze(evidence).findings
        assert [finding.code for finding in found] == ["OOM_STEP_SKIPPED"]
        advice = next_experiment(found, evidence, assessed=True)
        if advice["recommendation_type"] is None:
            assert (batch, sizes) == (1, [512])
        else:
            assert advice["proposed"] != advice["current"]
