from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from aitk_core.configkeys.archs import archs
from aitk_core.configkeys.form import form_process
from aitk_core.errors import InvalidArgumentsError
from aitk_core.evidence.retention import retention
from aitk_training.configs.build import (
    ConfigRequest,
    ValidationImage,
    build_config,
)
from aitk_training.configs.validate import config_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_training.configs.build import (
        BuiltConfig,
    )

DATA = Path(__file__).parent / "data" / "configs"
FORM = json.loads((DATA / "form_results.json").read_text(encoding="utf-8"))
KNOWN = json.loads((DATA / "known_keys.json").read_text(encoding="utf-8"))["sections"]
CONTRACT_DEFAULTS: dict[str, Any] = {
    "resolution": 512,
    "batch_size": 1,
    "learning_rate": 0.0002,
    "steps": 1000,
    "rank": 16,
    "alpha": 16,
    "low_vram": True,
}


def request(**values: Any) -> ConfigRequest:
    told = {"name": "my_lora", "model_name": "m", "dataset_path": "/data/set", "arch": "sdxl"}
    return ConfigRequest(**{**told, **values})


def build(**values: Any) -> BuiltConfig:
    return build_config(request(**values), training_folder="/toolkit/output")


def process_of(built: BuiltConfig) -> dict[str, Any]:
    process: dict[str, Any] = built.config["config"]["process"][0]
    return process


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from flat(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, each in enumerate(value):
            yield from flat(each, f"{path}.{index}")
    else:
        yield path, value


@pytest.mark.parametrize("arch_id", list(FORM["changes"]))
def test_an_architecture_gets_exactly_what_the_form_makes(arch_id: str) -> None:
    change = FORM["changes"][arch_id]
    expected = {**FORM["flex1"], **change["set"]}
    for path in change["removed"]:
        del expected[path]
    assert dict(flat(form_process(archs()[arch_id]))) == expected


def test_the_forms_own_results_cover_all_architectures() -> None:
    assert set(FORM["changes"]) == set(archs())


@pytest.mark.parametrize("arch_id", list(archs()))
def test_every_key_of_a_built_config_is_known_to_the_trainer(arch_id: str) -> None:
    arch = archs()[arch_id]
    built = build(
        arch=None if arch.control_images == "none" else arch_id,
        model_name=arch.default_name_or_path,
        trigger_word="sks",
        validation_images=(ValidationImage(image_path="/data/val.png", prompt="sks"),),
        **CONTRACT_DEFAULTS,
    )
    assert built.match.arch.id == arch_id
    config, process = built.config, process_of(built)
    assert set(config) - {"training_metadata"} <= set(KNOWN["root"])
    assert set(config["config"]) <= set(KNOWN["config"])
    assert set(process) <= set(KNOWN["process"])
    for block in ("network", "train", "save", "model", "sample", "logging"):
        assert set(process[block]) <= set(KNOWN[block])
    assert set(process["datasets"][0]) <= set(KNOWN["datasets[]"])
    assert set(process["model"]["model_kwargs"]) <= set(KNOWN["model.model_kwargs"])
    assert set(process["network"]["network_kwargs"]) <= set(KNOWN["network.network_kwargs"])
    assert set(process["sample"]["samples"][0]) <= set(KNOWN["sample.samples[]"])
    validation = process["train"]["validation_config"]
    assert set(validation) <= set(KNOWN["train.validation_config"])


@pytest.mark.parametrize("arch_id", list(archs()))
def test_every_built_config_passes_its_own_check_and_no_start_rule_stops_it(arch_id: str) -> None:
    built = build(arch=arch_id)
    process = process_of(built)
    assert config_faults(built.config, name="my_lora") == []
    assert json.loads(json.dumps(built.config, allow_nan=False)) == built.config
    train = process["train"]
    # Backend API, section 14.3.
    assert not (train["bypass_guidance_embedding"] and train.get("do_guidance_loss"))
    assert not (train["unload_text_encoder"] and train["cache_text_embeddings"])
    assert ("ddpm" in process["sample"]["sampler"]) == ("ddpm" in train["noise_scheduler"])


@pytest.mark.parametrize("arch_id", ["sdxl", "flux", "zimage:turbo", "wan22_14b:t2v"])
def test_the_frame_of_a_job_is_the_backends(arch_id: str) -> None:
    built = build(name="  my lora ", arch=arch_id)
    config, process = built.config, process_of(built)
    assert config["job"] == "extension"
    assert config["config"]["name"] == "my lora"
    assert config["meta"] == {"name": "[name]", "version": "1.0"}
    assert process["type"] == "diffusion_trainer"
    assert process["training_folder"] == "/toolkit/output"
    assert process["logging"] == {"log_every": 1, "use_ui_logger": True}
    assert process["model"]["arch"] == arch_id


def test_the_callers_values_win_over_the_defaults() -> None:
    built = build(
        arch="minimax_h3",
        model_name="Comfy-Org/MiniMax-H3",
        resolution=512,
        batch_size=2,
        learning_rate=0.0002,
        steps=1000,
        rank=8,
        alpha=4,
        low_vram=False,
        save_every=100,
        sample_every=50,
        trigger_word=" sks ",
        test_prompts=("a [trigger] cat", "sks dog"),
        disable_sampling=True,
    )
    process = process_of(built)
    network, train = process["network"], process["train"]
    assert (network["linear"], network["linear_alpha"]) == (8, 4)
    assert (network["conv"], network["conv_alpha"]) == (4, 4)
    assert (train["steps"], train["batch_size"], train["lr"]) == (1000, 2, 0.0002)
    assert train["disable_sampling"] is True
    assert process["model"]["low_vram"] is False
    assert process["datasets"][0]["resolution"] == [512]
    assert process["datasets"][0]["folder_path"] == "/data/set"
    assert (process["save"]["save_every"], process["sample"]["sample_every"]) == (100, 50)
    assert process["trigger_word"] == "sks"
    assert process["sample"]["samples"] == [{"prompt": "a [trigger] cat"}, {"prompt": "sks dog"}]
    assert built.config["training_metadata"] == {
        "trigger_word": "sks",
        "test_prompts": ["a [trigger] cat", "sks dog"],
        "model_name": "Comfy-Org/MiniMax-H3",
        "dataset_path": "/data/set",
        "resolution": 512,
        "steps": 1000,
        "rank": 8,
        "alpha": 4,
        "learning_rate": 0.0002,
    }
    assert set(built.sources.values()) == {"argument"}


def test_a_value_left_out_is_the_architectures_own_and_says_so() -> None:
    built = build(arch="hidream", model_name="HiDream-ai/HiDream-I1-Full")
    process = process_of(built)
    assert process["train"]["lr"] == 0.0002
    assert built.sources["learning_rate"] == "arch_default"
    assert process["train"]["steps"] == 3000
    assert built.sources["steps"] == "form_default"
    assert process["datasets"][0]["resolution"] == [512, 768, 1024]
    assert built.config["training_metadata"]["resolution"] == [512, 768, 1024]
    assert process["trigger_word"] is None
    assert process["sample"]["samples"] == []


def test_alpha_follows_the_rank_as_in_the_form() -> None:
    built = build(rank=4)
    network = process_of(built)["network"]
    assert (network["linear_alpha"], built.sources["alpha"]) == (4, "rank")


def test_a_rank_adds_no_convolutions_where_the_form_removed_them() -> None:
    network = process_of(build(arch="krea2", rank=8))["network"]
    assert "conv" not in network
    assert "conv_alpha" not in network


def test_without_prompts_the_trigger_word_is_the_prompt() -> None:
    built = build(trigger_word="sks")
    assert process_of(built)["sample"]["samples"] == [{"prompt": "sks"}]


def test_two_builds_share_nothing() -> None:
    first = build(arch="hidream")
    process_of(first)["network"]["network_kwargs"]["ignore_if_contains"].append("x")
    process_of(first)["datasets"][0]["resolution"].append(1)
    assert process_of(build(arch="hidream")) != process_of(first)


def test_weights_and_biases_keeps_the_contracts_keys_and_is_noted() -> None:
    built = build(use_wandb=True)
    process = process_of(built)
    assert process["wandb"] == {
        "enabled": True,
        "project": "lora-training-my_lora",
        "run_name": "my_lora",
    }
    assert process["logging"]["use_ui_logger"] is True
    assert process["logging"]["log_every"] == 1
    assert process["logging"]["use_wandb"] is True
    assert any("loss table" in note for note in built.notes)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"arch": None, "model_name": "black-forest-labs/FLUX.1-dev"}, "accept its terms at"),
        ({"arch": None, "model_name": "user/my-sdxl-mix"}, "told from the model's name"),
        ({"arch": None, "model_name": "krea/Krea-2-Raw"}, "'krea2:o_edit'"),
        ({"arch": "flux", "model_name": "user/my-sdxl-mix"}, "speaks of arch 'sdxl'"),
        ({"arch": "qwen_image_edit"}, "trains on pairs"),
        ({"arch": "wan21:1b"}, "still images only"),
        ({"trigger_word": "sks", "test_prompts": ("a cat",)}, "'sks' or [trigger]"),
        ({"test_prompts": ("a cat --w 512",)}, "sampling flags"),
        ({}, "no sample prompt"),
        ({}, "7 earlier step checkpoints will be deleted: only those of steps 2000, 2250"),
        ({"save_every": 0}, "only the final weights"),
    ],
)
def test_what_an_author_should_know_is_noted(values: dict[str, Any], words: str) -> None:
    assert any(words in note for note in build(**values).notes)


def test_a_config_that_needs_no_word_gets_none() -> None:
    built = build(
        model_name="stabilityai/stable-diffusion-xl-base-1.0",
        trigger_word="sks",
        test_prompts=("sks cat", "[trigger] dog"),
        steps=1000,
    )
    assert built.notes == ()


def test_control_folders_go_where_the_architecture_reads_them() -> None:
    single = process_of(build(arch="flux_kontext", control_paths=("/data/c",)))
    assert single["datasets"][0]["control_path"] == "/data/c"
    multi = process_of(build(arch="qwen_image_edit_plus", control_paths=("/data/c", "/data/d")))
    assert multi["datasets"][0]["control_path_2"] == "/data/d"
    assert multi["datasets"][0]["control_path_3"] is None
    with pytest.raises(InvalidArgumentsError) as caught:
        build(arch="sdxl", control_paths=("/data/c",))
    assert caught.value.details["faults"][0]["path"] == "/control_paths"


def test_validation_images_become_the_trainers_items() -> None:
    images = (ValidationImage(image_path="/data/v.png", prompt="p"),)
    train = process_of(build(validation_images=images, validate_every=50))["train"]
    assert train["validation_config"] == {
        "validation_items": [{"image_path": "/data/v.png", "prompt": "p"}],
        "validate_every_n_steps": 50,
    }


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"steps": 0}, "/config/process/0/train/steps"),
        ({"steps": -5}, "/config/process/0/train/steps"),
        ({"batch_size": 0}, "/config/process/0/train/batch_size"),
        ({"learning_rate": -0.1}, "/config/process/0/train/lr"),
        ({"learning_rate": float("nan")}, "/config/process/0/train/lr"),
        ({"rank": 0}, "/config/process/0/network/linear"),
        ({"resolution": -512}, "/config/process/0/datasets/0/resolution/0"),
        ({"resolution": ()}, "/config/process/0/datasets/0/resolution"),
        ({"trigger_word": "${HF_TOKEN}"}, "/config/process/0/trigger_word"),
        ({"test_prompts": ("${HF_TOKEN}",)}, "/config/process/0/sample/samples/0/prompt"),
        ({"dataset_path": "/data/${HOME}"}, "/config/process/0/datasets/0/folder_path"),
        ({"name": "../../etc/x"}, "/name"),
        ({"name": "two\nlines"}, "/name"),
    ],
)
def test_what_must_not_be_saved_is_refused(values: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        build(**values)
    assert path in {fault["path"] for fault in caught.value.details["faults"]}


def test_a_request_names_no_default_of_its_own() -> None:
    told = {field.name for field in attrs.fields(ConfigRequest) if field.default is attrs.NOTHING}
    assert told == {"name", "model_name", "dataset_path"}


def test_the_recorded_run_kept_the_checkpoints_we_foretell() -> None:
    # Recorded: 200 steps, a save every 50, at most 4 kept: 50, 100, 150 and the final file.
    assert retention(steps=200, save_every=50, keep=4).kept == (50, 100, 150)
    assert retention(steps=1000, save_every=250, keep=2).kept == (500, 750)
    assert retention(steps=1000, save_every=250, keep=2).deleted_count == 1
    assert retention(steps=1000, save_every=250, keep=0).kept == (250, 500, 750)
    assert retention(steps=1000, save_every=0, keep=4).kept == ()
