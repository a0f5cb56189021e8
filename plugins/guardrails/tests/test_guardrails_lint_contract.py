"""The contract's own vectors: its codes are kept for what they mean, and its flaws are not."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from aitk_guardrails.lint.facts import LintFacts, ModelFacts
from aitk_guardrails.lint.run import is_valid, lint

STORED = json.loads((Path(__file__).parent / "data/contract_vectors.json").read_text("utf-8"))
CONTRACT = {
    *["MISSING_MODEL_NAME", "MISSING_DATASET_PATH", "MISSING_BATCH_SIZE", "INVALID_BATCH_SIZE"],
    *["MISSING_STEPS", "INVALID_STEPS", "MISSING_LEARNING_RATE", "INVALID_LEARNING_RATE"],
    *["MISSING_RANK", "INVALID_RANK", "INVALID_ALPHA", "INVALID_RESOLUTION", "MODEL_ARCH_MISMATCH"],
    *["INVALID_CONFIG_TYPE", "INVALID_CONFIG_ROOT", "MISSING_PROCESS", "BATCH_SIZE_HIGH"],
    *["STEPS_LOW", "STEPS_HIGH", "LEARNING_RATE_OUT_OF_RANGE", "LEARNING_RATE_HIGH", "RANK_HIGH"],
    *["ALPHA_HIGH_VS_RANK", "RESOLUTION_LOW", "RESOLUTION_HIGH", "FLUX_RESOLUTION_LOW"],
    *["MODEL_ARCH_UNEXPECTED", "MODEL_PATH_UNRESOLVED", "LOW_VRAM_DISABLED_FOR_FLUX"],
    "PROMPTS_MISSING_TRIGGER",
}
FLAWS: dict[str, tuple[set[str], set[str]]] = {
    # The text "nan" is a wrong type, not an absence.
    "validate_config-41": ({"INVALID_LEARNING_RATE"}, set()),
    # Pitfall 35: 5 is not dug out of "abc 5", nor 1 out of 1.9 and true.
    "validate_config-42": ({"INVALID_LEARNING_RATE"}, set()),
    "validate_config-43": ({"INVALID_STEPS"}, set()),
    "validate_config-44": ({"INVALID_BATCH_SIZE"}, set()),
    # Pitfall 103: every architecture is checked, not Flux alone.
    "validate_config-45": ({"MODEL_ARCH_MISMATCH"}, set()),
    "validate_config-46": ({"MODEL_ARCH_MISMATCH"}, set()),
    # The architecture makes a Flux model, whatever its name is.
    "validate_config-31": (set(), {"MODEL_ARCH_UNEXPECTED", "FLUX_RESOLUTION_LOW"}),
    # A file of Stable Diffusion that names no architecture is unexpected, too.
    "validate_config-33": (set(), {"MODEL_PATH_UNRESOLVED", "MODEL_ARCH_UNEXPECTED"}),
}
FACTS = LintFacts(models={"missing.safetensors": ModelFacts(state="missing")})


def config_of(vector: dict[str, Any]) -> Any:
    """The vector's config, with the job and type that the trainer needs and the contract forgot."""
    if "config" in vector:
        return vector["config"]
    config = deepcopy(STORED["base"])
    process = config["config"]["process"][0]
    places = {
        "model": (process["model"], "name_or_path"),
        "arch": (process["model"], "arch"),
        "lv": (process["model"], "low_vram"),
        "ds": (process["datasets"][0], "folder_path"),
        "res": (process["datasets"][0], "resolution"),
        "bs": (process["train"], "batch_size"),
        "steps": (process["train"], "steps"),
        "lr": (process["train"], "lr"),
        "rank": (process["network"], "linear"),
        "alpha": (process["network"], "linear_alpha"),
        "tw": (process, "trigger_word"),
        "prompts": (process["sample"], "prompts"),
    }
    for name, value in vector["changes"].items():
        block, key = places[name]
        block[key] = value
    flow = process["model"]["arch"] != "sd15"
    process["train"]["noise_scheduler"] = "flowmatch" if flow else "ddpm"
    process["type"] = "diffusion_trainer"
    return config | {"job": "extension"}


@pytest.mark.parametrize("vector", STORED["vectors"], ids=lambda each: each["id"])
def test_a_vector_of_the_contract_gives_its_codes_or_mends_its_flaw(vector: dict[str, Any]) -> None:
    issues = lint(config_of(vector), FACTS)
    errors = {each.code for each in issues if each.severity == "error"}
    warnings = {each.code for each in issues if each.severity == "warning"} & CONTRACT
    expected = FLAWS.get(vector["id"], (set(vector["error_codes"]), set(vector["warning_codes"])))
    assert (errors, warnings) == expected
    assert is_valid(issues) is not bool(expected[0])


def config_with(lr: Any = 1e-4, name: str = "n", model: str = "x/sd15", arch: str = "sd15") -> Any:
    config = config_of({"changes": {"lr": lr, "model": model, "arch": arch}})
    config["config"]["name"] = name
    return config


def codes(config: Any) -> set[str]:
    return {each.code for each in lint(config) if each.severity == "error"}


@pytest.mark.parametrize("text", ["abc 5", "NaN", "1e-4", "", "0.0001 maybe"])
def test_pitfall_35_a_number_in_a_text_is_a_wrong_type(text: str) -> None:
    assert codes(config_with(lr=text)) == {"INVALID_LEARNING_RATE"}


@pytest.mark.parametrize(
    ("model", "arch"),
    [
        ("stabilityai/stable-diffusion-xl-base-1.0", "sd15"),
        ("Qwen/Qwen-Image", "sd15"),
        ("Tongyi-MAI/Z-Image", "sdxl"),
        ("Wan-AI/Wan2.2-TI2V-5B-Diffusers", "wan21:14b"),
        ("black-forest-labs/FLUX.2-dev", "flex1"),
        ("ostris/Flex.2-preview", "flex1"),
        ("user/reflex-sd15", "flex1"),
    ],
)
def test_pitfall_103_a_model_of_another_architecture_is_an_error(model: str, arch: str) -> None:
    assert codes(config_with(model=model, arch=arch)) >= {"MODEL_ARCH_MISMATCH"}


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("name", ["steps", "rank", "bs", "lr", "alpha"])
def test_pitfall_105_numbers_of_zero_and_less_are_errors(name: str, value: int) -> None:
    assert len(codes(config_of({"changes": {name: value}}))) == 1


@pytest.mark.parametrize("name", ["../../../etc/x", "a\nb", "a" * 300, "sub/dir", " n"])
def test_pitfall_124_a_name_that_makes_no_folder_is_an_error(name: str) -> None:
    assert codes(config_with(name=name)) == {"INVALID_NAME"}


def test_pitfall_126_metadata_that_is_null_is_tolerated() -> None:
    assert not codes(config_with() | {"training_metadata": None})
