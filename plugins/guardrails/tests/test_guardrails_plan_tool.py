"""recommend-training-plan over recorded runs, a dataset, a saved config, an absent backend."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.configkeys.archs import archs
from aitk_core.errors import ConfigNotFoundError, InvalidArgumentsError
from aitk_core.specs import Lazy, ToolSpec
from aitk_core.testing.evidence import answer_of, changed
from aitk_core.testing.plugins import declare, fake_points
from aitk_core.testing.recorded import recorded_runs
from aitk_guardrails.arguments import RecommendTrainingPlan
from aitk_schemas import folder
from support.samplepictures import encoded, picture

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from aitk_core.backend.protocol import Backend
    from aitk_core.records.results import ToolResult
    from aitk_core.testing.recorded import Recording

RUNS = recorded_runs()
SPEC = ToolSpec(
    name="recommend-training-plan",
    description="As it will be registered.",
    arguments=RecommendTrainingPlan,
    contract="recommend-training-plan.v1",
    handler=Lazy("aitk_guardrails.tools.plan:recommend_training_plan"),
    text="json",
)
ALONE = fake_points(guardrails=declare(aitk_tools=[SPEC], aitk_schemas=[folder()]))
OK = RUNS["ok_200_steps"]


def installed(*names: str) -> list[EntryPoint]:
    points: list[EntryPoint] = list(ALONE)
    for name in names:
        points += entry_points(group="aitk.plugins", name=name)
    return points


def ask(
    backend: Iterable[Recording] | Backend = (),
    *,
    points: Iterable[EntryPoint] = ALONE,
    environment: dict[str, str] | None = None,
    **arguments: Any,
) -> ToolResult:
    return answer_of(
        backend,
        "recommend-training-plan",
        arguments,
        points=points,
        now=1_760_000_000,
        environment=environment,
    )


def data_of(answer: ToolResult) -> dict[str, Any]:
    assert answer.data is not None
    return dict(answer.data)


def of_config(run: Recording, config: dict[str, Any], **row: Any) -> Recording:
    return changed(run, job_config=json.dumps(config), **row)


def test_the_contract_is_kept_by_the_plugin_alone() -> None:
    data = data_of(ask([OK], goal="a style", base_model="black-forest-labs/FLUX.1-dev"))
    assert data["dataset_analysis"] == {"skipped": True}
    assert data["context"]["arch"] == "flux"
    assert data["context"]["past_runs"] == 0
    assert data["plan"]["is_flux_model"] is True
    assert data["plan"]["goal_profile"] == "style"
    assert data["system_snapshot"]["ram_total"] == 8.0
    assert data["system_snapshot"]["gpu_memory_total"] is None
    assert data["plan"]["assumptions"]["target_vram_gb"] is None
    assert data["plan"]["recommended_plan"]["estimated_minutes"] is None
    assert data["plan"]["recommended_plan"]["vram"]["parts"]
    process = data["plan"]["recommended_plan"]["config"]["config"]["process"][0]
    assert process["training_folder"] == "/toolkit/output"
    assert len(json.dumps(data)) < 60_000


def test_the_speed_of_a_recorded_run_at_these_settings_becomes_the_time() -> None:
    """Times are recorded; the config is put in, since no recorded run is of a form's model."""
    arguments: dict[str, Any] = {"arch": "sd15", "dataset_path": "/data/cats"}
    config = data_of(ask([OK], **arguments))["plan"]["recommended_plan"]["config"]
    data = data_of(ask([of_config(OK, config)], time_budget_minutes=1000, **arguments))
    plan = data["plan"]["recommended_plan"]
    assert data["context"]["past_runs"] == 1
    assert plan["time"]["n"] == 1
    assert plan["time"]["job_ids"] == [OK.job_id]
    assert plan["estimated_minutes"] == plan["time"]["minutes"]
    assert plan["time"]["low_minutes"] < plan["time"]["minutes"] < plan["time"]["high_minutes"]
    assert plan["time"]["seconds_per_step"] == pytest.approx(0.13, rel=0.3)
    assert plan["time"]["fits_budget"] == "yes"
    assert data["plan"]["assumptions"]["throughput_steps_per_min"] == pytest.approx(
        60 / plan["time"]["seconds_per_step"], rel=0.01
    )


def test_pitfall_112_without_such_a_run_the_budget_cannot_be_checked() -> None:
    data = data_of(ask([OK], arch="sd15", time_budget_minutes=1))
    plan = data["plan"]
    assert plan["assumptions"]["throughput_steps_per_min"] is None
    assert {each["estimated_minutes"] for each in plan["alternative_plans"]} == {None}
    assert {each["time"]["fits_budget"] for each in plan["alternative_plans"]} == {"undetermined"}
    assert any("cannot be checked" in warning for warning in plan["warnings"])
    assert [each["steps"] for each in plan["alternative_plans"]] == [1000, 2000, 3000]


def test_the_aliases_are_one_and_base_model_wins() -> None:
    data = data_of(ask([OK], base_model="Qwen/Qwen-Image", model_name="stabilityai/sdxl"))
    assert data["inputs"]["base_model"] == "Qwen/Qwen-Image"
    assert data["context"]["arch"] == "qwen_image"


def test_an_architecture_without_a_model_takes_its_usual_one() -> None:
    data = data_of(ask([OK], arch="sdxl"))
    assert data["plan"]["recommended_plan"]["model_name"] == archs()["sdxl"].default_name_or_path


def test_a_goal_that_names_flux_is_taken_at_its_word_and_says_so() -> None:
    data = data_of(ask([OK], goal="a flux lora of my cat"))
    assert data["context"]["config_source"] == "heuristic_default"
    assert data["plan"]["recommended_plan"]["model_name"] == "ostris/Flex.1-alpha"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "no model is named"),
        ({"goal": "an influx of reflexes"}, "no model is named"),
        ({"base_model": "user/unheard-of"}, "user/unheard-of"),
        ({"base_model": "black-forest-labs/FLUX.2-klein"}, "flux2_klein_4b"),
    ],
)
def test_a_model_that_says_nothing_of_its_architecture_is_asked_for(
    arguments: dict[str, Any], word: str
) -> None:
    data = data_of(ask([OK], **arguments))
    assert data["context"]["arch"] is None
    assert word in data["context"]["arch_missing"]
    assert "arch" in data["next_actions"][0]
    assert {each["config"] is None for each in data["plan"]["alternative_plans"]} == {True}
    assert data["plan"]["recommended_plan"]["steps"] > 0


def test_an_architecture_that_the_backend_does_not_know_is_an_error_that_names_it() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        ask([OK], arch="fluks")
    assert caught.value.details["faults"][0]["path"] == "/arch"
    assert "flux" in caught.value.details["candidates"]


@pytest.mark.parametrize(
    "bad",
    [
        {"time_budget_minutes": 0},
        {"target_vram_gb": -1},
        {"max_dataset_files": 5},
        {"max_dataset_files": 20_001},
        {"include_dataset_scan": "false"},
        {"goal": 3},
        {"unheard": 1},
    ],
)
def test_arguments_out_of_bounds_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentsError):
        ask([OK], **bad)


def test_a_backend_that_is_away_leaves_machine_and_runs_unknown() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    backend = AiToolkitBackend("http://away.test", transport=httpx.MockTransport(refuse))
    data = data_of(ask(backend, arch="sdxl", target_vram_gb=12))
    assert data["context"]["past_runs"] is None
    assert data["context"]["past_runs_missing"].startswith("BACKEND_UNREACHABLE")
    assert set(data["system_snapshot"]["missing"]) == {"gpu", "cpu"}
    assert data["plan"]["recommended_plan"]["vram"]["fits"]["verdict"] in {"yes", "undetermined"}
    assert data["plan"]["assumptions"]["target_vram_gb"] == 12


def test_a_config_name_needs_a_tool_that_reads_configs() -> None:
    with pytest.raises(InvalidArgumentsError):
        ask([OK], config_name="mine")


def test_a_saved_config_gives_model_architecture_and_dataset(tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    configs.mkdir()
    process = {
        "type": "sd_trainer",
        "model": {"name_or_path": "/models/mine", "arch": "sdxl"},
        "datasets": [{"folder_path": "/data/dogs"}],
    }
    config = {"job": "extension", "config": {"name": "mine", "process": [process]}}
    (configs / "mine.json").write_text(json.dumps(config), encoding="utf-8")
    environment = {"AITK_CONFIGS_DIR": str(configs)}
    points = installed("training")
    data = data_of(ask([OK], points=points, environment=environment, config_name="mine"))
    assert data["context"]["config_source"] == "saved_config"
    assert data["context"]["dataset_source"] == "config"
    assert data["context"]["arch"] == "sdxl"
    assert data["inputs"]["base_model"] == "/models/mine"
    assert data["inputs"]["dataset_path"] == "/data/dogs"
    with pytest.raises(ConfigNotFoundError):
        ask([OK], points=points, environment=environment, config_name="other")


def test_the_dataset_is_looked_at_where_that_is_offered(tmp_path: Path) -> None:
    cats = tmp_path / "sets" / "cats"
    cats.mkdir(parents=True)
    for number in range(12):
        (cats / f"{number:02d}.jpg").write_bytes(encoded(picture(number)))
        if number < 6:
            (cats / f"{number:02d}.txt").write_text(f"a cat {number}", encoding="utf-8")
    environment = {"AITK_DATASETS_DIR": str(tmp_path / "sets"), "AITK_PARALLEL": "threads"}
    points = installed("datasets", "observability")
    data = data_of(
        ask([OK], points=points, environment=environment, arch="sdxl", dataset_path="cats")
    )
    assert data["dataset_analysis"]["total_images"] == 12
    assert data["plan"]["assumptions"]["dataset_images"] == 12
    assert data["plan"]["assumptions"]["caption_coverage_pct"] == 50.0
    assert any("50 %" in warning for warning in data["plan"]["warnings"])
    assert data["plan"]["confidence_basis"]["assessed"]["pictures"] is True
    assert data["system_snapshot"]["active_jobs"] == 0
    skipped = ask(
        [OK],
        points=points,
        environment=environment,
        arch="sdxl",
        dataset_path="cats",
        include_dataset_scan=False,
    )
    assert data_of(skipped)["dataset_analysis"] == {"skipped": True}


@pytest.mark.parametrize(
    ("path", "error"), [("gone", "dataset_path_not_found"), (None, "dataset_path_unresolved")]
)
def test_a_folder_that_is_not_there_is_told_in_the_contracts_words(
    tmp_path: Path, path: str | None, error: str
) -> None:
    (tmp_path / "sets").mkdir()
    environment = {"AITK_DATASETS_DIR": str(tmp_path / "sets")}
    more = {} if path is None else {"dataset_path": path}
    answer = ask([OK], points=installed("datasets"), environment=environment, arch="sdxl", **more)
    analysis = data_of(answer)["dataset_analysis"]
    assert analysis["exists"] is False
    assert analysis["error"] == error
    assert data_of(answer)["plan"]["recommended_plan"]["is_valid"] is False


def test_the_memory_of_the_first_gpu_counts_where_none_is_given() -> None:
    gpu = {"index": 0, "name": "A card", "memory": {"total": 24576, "used": 0, "free": 24576}}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/gpu":
            return httpx.Response(200, json={"hasNvidiaSmi": True, "isMac": False, "gpus": [gpu]})
        return httpx.Response(200, json={"jobs": []})

    transport = httpx.MockTransport(answer)
    data = data_of(ask(AiToolkitBackend("http://gpu.test", transport=transport), arch="sdxl"))
    assert data["plan"]["assumptions"]["target_vram_gb"] == 24.0
    assert data["plan"]["recommended_plan"]["vram"]["fits"]["verdict"] == "yes"


def test_the_text_for_a_person_names_the_choice_and_the_three_profiles() -> None:
    text = ask([OK], arch="sdxl", target_vram_gb=24).summary
    assert text.startswith("Recommended: balanced")
    for word in ("fast:", "balanced:", "quality:", "time not measured", "Next:"):
        assert word in text


def test_metrics_that_never_come_do_not_hold_up_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aitk_guardrails.tools.plan._PAST_SECONDS", 0.05)
    config = data_of(ask([OK], arch="sd15"))["plan"]["recommended_plan"]["config"]
    row = dict(of_config(OK, config).row)

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/loss"):
            await asyncio.Event().wait()
        return httpx.Response(200, json={"jobs": [row]})

    backend = AiToolkitBackend("http://slow.test", transport=httpx.MockTransport(answer))
    data = data_of(ask(backend, arch="sd15"))
    assert data["context"]["past_runs"] is None
    assert data["context"]["past_runs_missing"] == "not read within 0.05 seconds"
    assert data["plan"]["recommended_plan"]["time"]["missing"]
