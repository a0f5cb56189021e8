"""validate-training-config as a user meets it: one answer, each issue with its fix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from aitk_core.configkeys.patch import ConfigPatch, apply_patch
from aitk_core.errors import AitkError, ConfigNotFoundError, InvalidArgumentsError
from aitk_core.testing.recorded import recorded_backend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.records.results import ToolResult


@pytest.fixture
def validate(call: Callable[..., ToolResult], tmp_path: Path) -> Callable[..., ToolResult]:
    """Give a function that checks a config where datasets, models and outputs can be seen."""

    def run(**arguments: Any) -> ToolResult:
        environment = {
            "AITK_DATASETS_DIR": str(tmp_path / "datasets"),
            "AITK_OUTPUTS_DIR": str(tmp_path),
            "AITK_CONFIGS_DIR": str(tmp_path / "configs"),
            "COMFYUI_MODEL_ROOTS": str(tmp_path / "models"),
        }
        for name in ("datasets", "configs", "models"):
            (tmp_path / name).mkdir(exist_ok=True)
        return call(
            recorded_backend(()), "validate-training-config", arguments, environment=environment
        )

    return run


def pictures(folder: Path, count: int, *, captions: int) -> str:
    folder.mkdir(parents=True)
    for number in range(count):
        # Each another picture, so that none repeats one.
        Image.effect_noise((640, 640), 40 + number).save(folder / f"{number}.png")
        if number < captions:
            (folder / f"{number}.txt").write_text(f"a picture, number {number}", encoding="utf-8")
    return str(folder)


def codes(answer: ToolResult, *groups: str) -> set[str]:
    data = answer.data or {}
    return {each["code"] for group in groups or ("errors", "warnings") for each in data[group]}


def draft(**values: Any) -> dict[str, Any]:
    return {
        "model_name": "runwayml/stable-diffusion-v1-5",
        "dataset_path": "/elsewhere/pictures",
        "name": "cats",
        **values,
    }


def test_a_sound_config_may_proceed(validate: Callable[..., ToolResult], tmp_path: Path) -> None:
    folder = pictures(tmp_path / "datasets" / "cats", 12, captions=12)
    answer = validate(**draft(dataset_path=folder, trigger_word="ohwx", test_prompts=["ohwx cat"]))
    data = answer.data or {}
    assert data["valid"] is True
    assert not data["errors"], data["errors"]
    assert data["summary"]["dataset_checked"] is True
    assert data["normalized_config"]["dataset"]["exists"] is True
    assert data["normalized_config"]["dataset"]["stats"]["total_images"] == 12
    assert "can start" in (answer.summary or "")


def test_no_issue_gives_the_single_suggestion_that_it_may_proceed(
    validate: Callable[..., ToolResult], tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "datasets" / "cats", 20, captions=20)
    data = validate(**draft(dataset_path=folder, max_dataset_files=100)).data or {}
    assert [data["errors"], data["warnings"]] == [[], []]
    assert data["suggested_fixes"] == ["No problem was found; the config may proceed to training."]


def test_the_dataset_is_looked_at_through_its_own_tool(
    validate: Callable[..., ToolResult], tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "datasets" / "cats", 12, captions=3)
    (tmp_path / "datasets" / "cats" / "broken.png").write_bytes(b"no picture")
    answer = validate(**draft(dataset_path=folder))
    assert {"DATASET_CORRUPT_IMAGES", "DATASET_LOW_CAPTION_COVERAGE"} <= codes(answer)
    assert (answer.data or {})["valid"] is False


def test_a_dataset_that_is_not_there_is_an_error(
    validate: Callable[..., ToolResult], tmp_path: Path
) -> None:
    answer = validate(**draft(dataset_path=str(tmp_path / "datasets" / "nowhere")))
    assert "DATASET_PATH_NOT_FOUND" in codes(answer, "errors")
    (tmp_path / "datasets" / "file").write_text("x", encoding="utf-8")
    answer = validate(**draft(dataset_path=str(tmp_path / "datasets" / "file")))
    assert "DATASET_PATH_NOT_DIRECTORY" in codes(answer, "errors")


def test_a_dataset_that_cannot_be_seen_is_not_judged_but_named(
    validate: Callable[..., ToolResult],
) -> None:
    data = validate(**draft(dataset_path="/elsewhere/pictures")).data or {}
    assert not {each["code"] for each in data["errors"]} & {"DATASET_PATH_NOT_FOUND"}
    assert any("/elsewhere/pictures" in each for each in data["not_checked"])
    assert data["normalized_config"]["dataset"]["exists"] is None
    assert data["summary"]["dataset_checked"] is False


def test_a_folder_is_left_alone_when_not_asked_for(
    validate: Callable[..., ToolResult], tmp_path: Path
) -> None:
    folder = str(tmp_path / "datasets" / "nowhere")
    answer = validate(**draft(dataset_path=folder, check_dataset=False))
    assert "DATASET_PATH_NOT_FOUND" not in codes(answer)


def test_a_text_is_read_as_json_or_yaml(validate: Callable[..., ToolResult]) -> None:
    config = {
        "job": "extension",
        "config": {
            "name": "a",
            "process": [{"type": "diffusion_trainer", "train": {"lr": "fast", "stpes": 100}}],
        },
    }
    given = [validate(config=config), validate(config=json.dumps(config))]
    given.append(validate(config="job: extension\nconfig: " + json.dumps(config["config"])))
    first = given[0].data or {}
    assert {"INVALID_LEARNING_RATE", "MISSING_STEPS"} <= codes(given[0], "errors")
    assert all((each.data or {})["errors"] == first["errors"] for each in given)
    assert first["config_context"]["config_source"] == "config_argument"


def test_each_fix_is_a_patch_that_ends_its_issue(validate: Callable[..., ToolResult]) -> None:
    config = {
        "job": "extension",
        "config": {
            "name": "a",
            "process": [
                {
                    "type": "diffusion_trainer",
                    "train": {"learning_rate": 1e-4, "steps": "1000", "batch_size": 1},
                    "model": {"name_or_path": "black-forest-labs/FLUX.1-dev", "arch": "flux"},
                    "network": {"type": "lora", "linear": 16, "linear_alpha": 16},
                }
            ],
        },
    }
    answer = validate(config=config, check_dataset=False)
    data = answer.data or {}
    fixed = [each for each in (*data["errors"], *data["warnings"]) if each["fix"]]
    assert {"INVALID_STEPS", "UNKNOWN_KEY"} <= {each["code"] for each in fixed}
    for each in fixed:
        mended = apply_patch(config, ConfigPatch.from_json(each["fix"]))
        left = validate(config=mended, check_dataset=False).data or {}
        assert not [
            one
            for group in ("errors", "warnings")
            for one in left[group]
            if (one["code"], one["path"]) == (each["code"], each["path"])
        ]


def test_a_saved_config_is_found_by_its_name(
    validate: Callable[..., ToolResult], tmp_path: Path
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.yaml").write_text(
        "job: extension\nconfig:\n  name: mine\n  process:\n  - type: diffusion_trainer\n",
        encoding="utf-8",
    )
    data = validate(config_name="mine").data or {}
    assert data["config_context"]["requested_config_name"] == "mine"
    assert data["normalized_config"]["job_name"] == "mine"
    with pytest.raises(ConfigNotFoundError):
        validate(config_name="other")


def test_a_model_file_that_is_nowhere_below_the_roots_is_named(
    validate: Callable[..., ToolResult], tmp_path: Path
) -> None:
    answer = validate(**draft(model_name="missing.safetensors", arch="sd15"))
    assert "MODEL_PATH_UNRESOLVED" in codes(answer)
    (tmp_path / "models" / "deep").mkdir(parents=True)
    (tmp_path / "models" / "deep" / "here.safetensors").write_bytes(b"")
    data = validate(**draft(model_name="here.safetensors", arch="sd15")).data or {}
    assert data["normalized_config"]["model"]["resolved_name_or_path"].endswith("here.safetensors")
    assert data["normalized_config"]["model"]["resolution_source"] == "models"


@pytest.mark.parametrize("arguments", [{}, {"model_name": "x"}, {"config": "a: [1"}])
def test_nothing_to_check_is_an_error_that_says_what_to_give(
    validate: Callable[..., ToolResult], arguments: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        validate(**arguments)
    assert caught.value.remedy


@pytest.mark.parametrize("config", [{}, {"config": 3}, {"config": {"process": []}}])
def test_what_is_no_config_is_an_issue_not_a_failure(
    validate: Callable[..., ToolResult], config: Any
) -> None:
    data = validate(config=config).data or {}
    assert data["valid"] is False
    assert codes(validate(config=config), "errors") <= {"INVALID_CONFIG_ROOT", "MISSING_PROCESS"}


def test_a_hostile_config_is_refused_or_judged_but_never_breaks(
    validate: Callable[..., ToolResult],
) -> None:
    for config in ("&a [*a]", "{" * 5000, "a: &x [*x, *x]", "\x00", "!!python/object:os.system"):
        with pytest.raises(AitkError) as caught:
            validate(config=config)
        assert caught.value.status < 500


def test_memory_is_an_interval_or_undetermined_with_the_reason(
    validate: Callable[..., ToolResult],
) -> None:
    memory = (validate(**draft()).data or {})["vram"]
    assert memory["low_gib"] <= memory["estimate_gib"] <= memory["high_gib"]
    assert memory["fits"]["verdict"] == "undetermined"  # nobody said what GPU there is
    assert {part["source"] for part in memory["parts"]}
    unknown = (validate(config={"config": {"process": [{"type": "x"}]}}).data or {})["vram"]
    assert unknown["estimate_gib"] is None
    assert unknown["reason"]
    none = (validate(config={}).data or {})["vram"]
    assert none["fits"]["verdict"] == "undetermined"


def test_a_run_that_cannot_fit_is_warned_of_with_what_it_would_need() -> None:
    from aitk_guardrails.lint.inputs import Draft, draft_config
    from aitk_guardrails.vram.fit import memory_of

    config = draft_config(Draft(model_name="black-forest-labs/FLUX.1-dev", dataset_path="/d"))
    _, small = memory_of(config, 4 * 2**30)
    assert small is not None
    assert (small.code, small.severity) == ("VRAM_TOO_SMALL", "warning")
    assert memory_of(config, 80 * 2**30)[1] is None
    assert memory_of(config, None)[1] is None


def test_what_an_equal_run_used_here_counts_in_place_of_the_estimate() -> None:
    from aitk_guardrails.lint.inputs import Draft, draft_config
    from aitk_guardrails.vram.fit import memory_of
    from aitk_guardrails.vram.records import Observation
    from aitk_guardrails.vram.settings import settings_of

    config = draft_config(Draft(model_name="black-forest-labs/FLUX.1-dev", dataset_path="/d"))
    seen = Observation(job_id="j", settings=settings_of(config), peak_mib=21 * 1024.0)
    memory, _ = memory_of(config, 24 * 2**30, [seen])
    alone, _ = memory_of(config, 24 * 2**30)
    assert memory["n"] == 1
    assert memory["method"] != alone["method"]
    assert memory["low_gib"] <= 21.0 * 1.1 <= memory["high_gib"] * 1.1
    assert memory["high_gib"] - memory["low_gib"] < alone["high_gib"] - alone["low_gib"]
