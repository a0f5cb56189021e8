"""create-training-config, list-configs, get-config and get-training-info through the dispatcher."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from attrs import evolve

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.errors import (
    BackendUnreachableError,
    ConfigNotFoundError,
    ConflictError,
    InvalidArgumentsError,
    JobNotFoundError,
)
from aitk_core.testing.recorded import recorded_backend, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.records.results import ToolResult

RUNS = recorded_runs()
OK = RUNS["ok_200_steps"]
MADE = {"name": "my_lora", "model_name": "ostris/Flex.1-alpha", "dataset_path": "/data/set"}
Ask = "Callable[..., ToolResult]"


def up() -> AiToolkitBackend:
    return recorded_backend(RUNS.values())


def down() -> AiToolkitBackend:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    return AiToolkitBackend("http://down.test", backoff_s=(), transport=httpx.MockTransport(refuse))


def folder(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "configs"
    path.mkdir(parents=True, exist_ok=True)
    return path


def saved(tmp_path: Path, name: str = "my_lora") -> dict[str, Any]:
    text = (folder(tmp_path) / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def process_of(config: dict[str, Any]) -> dict[str, Any]:
    process: dict[str, Any] = config["config"]["process"][0]
    return process


@pytest.fixture
def create(call: Callable[..., ToolResult]) -> Callable[..., dict[str, Any]]:
    def run(backend: AiToolkitBackend | None = None, **arguments: Any) -> dict[str, Any]:
        result = call(backend or up(), "create-training-config", arguments)
        return dict(result.data or {})

    return run


def test_a_config_gets_the_contracts_defaults_and_says_so(
    call: Callable[..., ToolResult], tmp_path: Path
) -> None:
    result = call(up(), "create-training-config", MADE | {"rank": 32})
    data = dict(result.data or {})
    process = process_of(saved(tmp_path))
    assert process["train"]["lr"] == 0.0002
    assert process["train"]["steps"] == 1000
    assert process["datasets"][0]["resolution"] == [512]
    assert (process["network"]["linear"], process["network"]["linear_alpha"]) == (32, 16)
    assert process["model"]["low_vram"] is True
    assert process["logging"] == {"log_every": 1, "use_ui_logger": True}
    assert process["training_folder"] == "/toolkit/output"
    sources = data["value_sources"]
    assert (sources["rank"], sources["steps"]) == ("argument", "contract_default")
    assert (sources["arch"], sources["training_folder"]) == ("default_model", "backend")
    assert any("strength is 0.5" in note for note in data["notes"])
    assert "'my_lora' created" in result.summary
    assert f"Saved to: {folder(tmp_path) / 'my_lora.yaml'}" in result.summary
    assert "Rank: 32 (argument)" in result.summary


def test_saves_are_spaced_as_in_the_contract(create: Any, tmp_path: Path) -> None:
    create(**MADE, steps=10_000)
    process = process_of(saved(tmp_path))
    assert process["save"]["save_every"] == process["sample"]["sample_every"] == 1000


@pytest.mark.parametrize(
    ("model", "arch", "scheduler"),
    [
        ("stabilityai/stable-diffusion-xl-base-1.0", "sdxl", "ddpm"),
        ("Qwen/Qwen-Image", "qwen_image", "flowmatch"),
        ("Wan-AI/Wan2.1-T2V-14B-Diffusers", "wan21:14b", "flowmatch"),
        ("black-forest-labs/FLUX.1-dev", "flux", "flowmatch"),
        ("black-forest-labs/FLUX.2-dev", "flux2", "flowmatch"),
    ],
)
def test_pitfall_103_each_model_gets_its_own_architecture(
    create: Any, tmp_path: Path, model: str, arch: str, scheduler: str
) -> None:
    data = create(name="a", model_name=model, dataset_path="/data/set")
    process = process_of(saved(tmp_path, "a"))
    assert data["arch"] == process["model"]["arch"] == arch
    assert process["train"]["noise_scheduler"] == scheduler


def test_pitfall_103_an_unknown_model_is_asked_for_its_arch(create: Any) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        create(name="a", model_name="someone/mystery", dataset_path="/data/set")
    assert "pass arch" in caught.value.remedy
    assert create(**{**MADE, "model_name": "someone/mystery"}, arch="sdxl")["arch"] == "sdxl"


def test_pitfall_104_a_saved_config_is_replaced_only_when_asked(
    create: Any, tmp_path: Path
) -> None:
    create(**MADE)
    with pytest.raises(ConflictError):
        create(**MADE, steps=5)
    assert process_of(saved(tmp_path))["train"]["steps"] == 1000
    data = create(**MADE, steps=5, overwrite=True)
    assert data["overwritten"] is True
    assert process_of(saved(tmp_path))["train"]["steps"] == 5


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0}, {"steps": -5}, {"rank": 0}, {"alpha": -1}, {"batch_size": 0},
        {"learning_rate": 0}, {"learning_rate": -1e-4}, {"resolution": 0},
        {"overrides": {"process.0.train.steps": -1}}, {"overrides": {"process.0.train.lr": "fast"}},
    ],
)  # fmt: skip
def test_pitfall_105_impossible_numbers_are_refused_before_saving(
    create: Any, tmp_path: Path, bad: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentsError):
        create(**MADE, **bad)
    assert list(folder(tmp_path).iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["a\nb", "sub/dir", "../../evil", "/abs/olute", "x" * 300, "..", "a\\b", "", "${HOME}", "nul"],
)
@pytest.mark.parametrize("tool", ["create-training-config", "get-config", "get-training-info"])
def test_pitfalls_53_and_106_names_cannot_leave_the_folder(
    call: Callable[..., ToolResult], tmp_path: Path, tool: str, name: str
) -> None:
    (tmp_path / "evil.yaml").write_text("config: {name: evil}\n", encoding="utf-8")
    arguments = {**MADE, "name": name} if tool.startswith("create") else {"name": name}
    with pytest.raises(InvalidArgumentsError) as caught:
        call(up(), tool, arguments)
    assert str(tmp_path) not in json.dumps(caught.value.to_json())
    assert list(folder(tmp_path).iterdir()) == []


def test_pitfall_107_letters_stay_as_they_are(
    call: Callable[..., ToolResult], tmp_path: Path
) -> None:
    prompts = ["ein Bär im Wald", "猫の絵"]
    call(up(), "create-training-config", {**MADE, "test_prompts": prompts})
    assert "Bär" in (folder(tmp_path) / "my_lora.yaml").read_text(encoding="utf-8")
    result = call(up(), "get-config", {"name": "my_lora"})
    assert "猫の絵" in result.summary
    data = dict(result.data or {})
    assert (data["format"], data["file"]) == ("yaml", "my_lora.yaml")
    samples = process_of(data["config"])["sample"]["samples"]
    assert [each["prompt"] for each in samples] == prompts


def test_pitfall_108_each_file_has_its_own_status(
    call: Callable[..., ToolResult], tmp_path: Path
) -> None:
    place = folder(tmp_path)
    (place / "empty.yaml").write_text("", encoding="utf-8")
    (place / "list.yaml").write_text("- 1\n", encoding="utf-8")
    (place / "good.yml").write_text("config: {name: good, process: []}\n", encoding="utf-8")
    result = call(up(), "list-configs", {})
    data = dict(result.data or {})
    assert {each["name"]: each["status"] for each in data["configs"]} == {
        "empty": "empty",
        "good": "ok",
        "list": "invalid",
    }
    assert (data["total"], data["usable"]) == (3, 1)
    assert "- good\n" in result.summary + "\n"
    with pytest.raises(InvalidArgumentsError, match="is empty"):
        call(up(), "get-config", {"name": "empty"})
    with pytest.raises(InvalidArgumentsError, match="holds a list"):
        call(up(), "get-training-info", {"name": "list"})


def test_no_configs_is_an_answer_and_a_wrong_name_an_error(
    call: Callable[..., ToolResult],
) -> None:
    assert call(up(), "list-configs", {}).summary == "No saved training configs."
    with pytest.raises(ConfigNotFoundError):
        call(up(), "get-config", {"name": "nothing"})


def test_pitfall_111_info_comes_from_the_config_without_metadata(
    call: Callable[..., ToolResult], tmp_path: Path
) -> None:
    path = folder(tmp_path) / "recorded.json"
    path.write_text(OK.row["job_config"], encoding="utf-8")
    result = call(up(), "get-training-info", {"name": "recorded"})
    data = dict(result.data or {})
    assert (data["steps"], data["has_metadata"]) == (200, False)
    assert data["kept_checkpoints"] == [50, 100, 150]
    assert data["job_name"] == "ok_200_steps"
    assert "- Steps: 200" in result.summary


def test_pitfall_126_metadata_of_null_is_tolerated(
    call: Callable[..., ToolResult], tmp_path: Path
) -> None:
    config = json.loads(OK.row["job_config"]) | {"training_metadata": None}
    (folder(tmp_path) / "odd.json").write_text(json.dumps(config), encoding="utf-8")
    assert dict(call(up(), "get-training-info", {"name": "odd"}).data or {})["rank"] == 4


def test_metadata_that_contradicts_the_config_is_named(
    call: Callable[..., ToolResult], tmp_path: Path
) -> None:
    config = json.loads(OK.row["job_config"]) | {"training_metadata": {"steps": 9}}
    (folder(tmp_path) / "odd.json").write_text(json.dumps(config), encoding="utf-8")
    result = call(up(), "get-training-info", {"name": "odd"})
    assert dict(result.data or {})["conflicts"] == [
        {"field": "steps", "config": 200, "metadata": 9}
    ]
    assert "Conflict: steps is 200 in the config" in result.summary


def test_a_config_can_be_made_while_the_backend_is_down(create: Any, tmp_path: Path) -> None:
    data = create(down(), **MADE)
    assert data["training_folder"] == "/ai-toolkit/outputs"
    assert any("BACKEND_UNREACHABLE" in note for note in data["notes"])
    assert process_of(saved(tmp_path))["training_folder"] == "/ai-toolkit/outputs"


def test_overrides_by_dotted_path_win_and_are_told(create: Any, tmp_path: Path) -> None:
    data = create(
        **MADE, overrides={"process.0.train.steps": 77, "process.0.train.optimiser": "adamw"}
    )
    config = saved(tmp_path)
    assert process_of(config)["train"]["steps"] == config["training_metadata"]["steps"] == 77
    assert data["value_sources"]["steps"] == "override"
    assert {"path": "process.0.train.steps", "old": 1000, "new": 77} in data["changes"]
    assert any("did you mean 'optimizer'" in note for note in data["notes"])


@pytest.mark.parametrize("path", ["name", "config.name"])
def test_an_override_cannot_rename_the_job(create: Any, path: str) -> None:
    with pytest.raises(InvalidArgumentsError, match="must be the name of the job"):
        create(**MADE, overrides={path: "other"})


def test_an_environment_variable_of_the_trainer_cannot_be_named(create: Any) -> None:
    with pytest.raises(InvalidArgumentsError, match="may not hold"):
        create(**MADE, trigger_word="${HF_TOKEN}")


def test_a_past_job_can_be_cloned_and_changed(create: Any, tmp_path: Path) -> None:
    data = create(
        name="again", clone_job_id=OK.job_id, steps=300,
        overrides={"process.0.train.lr": 0.0005},
    )  # fmt: skip
    old, new = json.loads(OK.row["job_config"]), saved(tmp_path, "again")
    assert new["config"]["name"] == "again"
    expected = process_of(old)
    expected["train"] |= {"steps": 300, "lr": 0.0005}
    assert process_of(new) == expected
    assert new["training_metadata"]["steps"] == 300
    sources = data["value_sources"]
    assert (sources["steps"], sources["learning_rate"], sources["rank"]) == (
        "argument",
        "override",
        "job",
    )
    assert data["cloned_from"] == OK.job_id


def test_a_clone_records_metrics_even_where_its_job_did_not(create: Any, tmp_path: Path) -> None:
    data = create(name="again", clone_job_id=RUNS["no_ui_logger"].job_id)
    assert process_of(saved(tmp_path, "again"))["logging"]["use_ui_logger"] is True
    assert any("use_ui_logger was switched on" in note for note in data["notes"])


def test_what_cannot_be_cloned_is_refused(create: Any) -> None:
    with pytest.raises(JobNotFoundError):
        create(name="a", clone_job_id="00000000-0000-0000-0000-000000000003")
    with pytest.raises(BackendUnreachableError):
        create(down(), name="a", clone_job_id=OK.job_id)
    with pytest.raises(InvalidArgumentsError, match="arch cannot be changed"):
        create(name="a", clone_job_id=OK.job_id, arch="sdxl")
    with pytest.raises(InvalidArgumentsError, match="are the same value"):
        create(name="a", clone_job_id=OK.job_id, steps=3, overrides={"process.0.train.steps": 4})
    broken = evolve(OK, row={**OK.row, "job_config": "nonsense"})
    with pytest.raises(ConflictError, match="no config that can be copied"):
        create(recorded_backend([broken]), name="a", clone_job_id=OK.job_id)


def test_without_a_job_model_and_dataset_are_required(create: Any) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        create(name="a")
    assert [fault["path"] for fault in caught.value.details["faults"]] == [
        "/model_name",
        "/dataset_path",
    ]


def test_a_model_is_found_by_its_file_name_below_the_roots(
    call: Callable[..., ToolResult], tmp_path: Path
) -> None:
    root = tmp_path / "models"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "My_SDXL.safetensors").write_bytes(b"x")
    result = call(
        up(),
        "create-training-config",
        {**MADE, "model_name": "my_sdxl", "arch": "sdxl"},
        environment={"COMFYUI_MODEL_ROOTS": str(root)},
    )
    data = dict(result.data or {})
    assert data["model"] == str(root / "deep" / "My_SDXL.safetensors")
    assert data["requested_model"] == "my_sdxl"
    assert "my_sdxl, found as" in result.summary


def test_flux_needs_a_folder_with_a_model_in_it(
    call: Callable[..., ToolResult], tmp_path: Path
) -> None:
    root = tmp_path / "models"
    (root / "flux-empty").mkdir(parents=True)
    (root / "flux-dev.safetensors").write_bytes(b"x")
    for model, reason in (("flux-dev", "single file"), ("flux-empty", "has neither")):
        with pytest.raises(InvalidArgumentsError, match=reason):
            call(
                up(),
                "create-training-config",
                {**MADE, "model_name": model, "arch": "flux"},
                environment={"COMFYUI_MODEL_ROOTS": str(root)},
            )
    assert list(folder(tmp_path).iterdir()) == []
