"""Each check finds what it is for, and leaves its neighbour alone."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import aitk_guardrails.lint
from aitk_core.configkeys.archs import archs
from aitk_core.configkeys.form import form_process, put
from aitk_core.configkeys.patch import apply_patch
from aitk_guardrails.lint.facts import DatasetFacts, LintFacts, ModelFacts
from aitk_guardrails.lint.lora_size import lora_numbers, optimizer_state, stored
from aitk_guardrails.lint.run import lint

FOLDER = "/data/pictures"
GB = 10**9


def config_of(arch_id: str, **changes: Any) -> dict[str, Any]:
    """What the form makes for an architecture, with values at paths (`train__lr`) changed."""
    arch = archs()[arch_id]
    process = form_process(arch)
    process["datasets"][0]["folder_path"] = FOLDER
    process["model"]["name_or_path"] = arch.default_name_or_path
    process["sample"]["samples"] = [{"prompt": "a red house"}]
    for path, value in changes.items():
        block, _, name = path.partition("__")
        if block == "dataset":
            process["datasets"][0][name] = value
        else:
            put(process, path.replace("__", "."), deepcopy(value))
    return {"job": "extension", "config": {"name": "my_lora", "process": [process]}}


def codes(config: Any, facts: LintFacts | None = None) -> set[str]:
    return {each.code for each in lint(config, facts)}


def folder(**known: Any) -> LintFacts:
    return LintFacts(datasets={FOLDER: DatasetFacts(**{"state": "folder", **known})})


SCHNELL = {"model__name_or_path": "black-forest-labs/FLUX.1-schnell"}
TWICE = {"image_path": f"{FOLDER}/a.png", "prompt": ""}
APART = {"image_path": "/data/validation/a.png", "prompt": ""}
TWO = [{"folder_path": FOLDER, "buckets": False}, {"folder_path": "/data/b", "buckets": True}]
SAME = [{"folder_path": FOLDER, "buckets": False}, {"folder_path": "/data/b", "buckets": False}]

BY_CONFIG = [
    ("LEARNING_RATE_NOT_NEAR_ONE", "flux", {"train__optimizer": "prodigy"}, {"train__lr": 1e-4}),
    ("LEARNING_RATE_BURNS", "flux", {"train__lr": 1e-3}, {"train__lr": 9e-4}),
    ("LEARNING_RATE_LOW", "flux", {"train__lr": 1e-5}, {"train__lr": 2e-5}),
    ("LEARNING_RATE_LOW_FOR_LOKR", "flux", {"network__type": "lokr", "train__lr": 9e-5}, {}),
    ("ALPHA_NOT_RANK", "flux", {"network__linear_alpha": 16}, {"network__linear_alpha": 32}),
    ("ARCH_MISSING", "sd15", {"model__arch": None}, {"model__arch": "sd15"}),
    ("NOISE_SCHEDULER_MISMATCH", "flux", {"train__noise_scheduler": "ddpm"}, {}),
    ("NOISE_SCHEDULER_MISMATCH", "sdxl", {"train__noise_scheduler": "flowmatch"}, {}),
    ("MODEL_GATED", "flux", {}, SCHNELL),
    ("FLUX_MODEL_FILE_NOT_ALLOWED", "flux", {"model__name_or_path": "/m/flux1.safetensors"}, {}),
    ("DISTILLED_WITHOUT_ADAPTER", "flux", SCHNELL, {}),
    ("DISTILLED_WITHOUT_ADAPTER", "zimage:turbo", {"model__assistant_lora_path": None}, {}),
    ("CONTROL_PATH_MISSING", "flux_kontext", {}, {"dataset__control_path": "/data/controls"}),
    ("PICTURES_FLIPPED", "flux", {"dataset__flip_x": True}, {}),
    ("CACHED_CAPTIONS_CANNOT_VARY", "flux", {"train__cache_text_embeddings": True}, {}),
    ("CAPTIONS_IGNORED", "flux", {"train__unload_text_encoder": True}, {}),
    (
        "VALIDATION_IN_TRAINING",
        "flux",
        {"train__validation_config": {"validation_items": [TWICE]}},
        {"train__validation_config": {"validation_items": [APART]}},
    ),
    ("VALIDATION_OFF", "flux", {}, {"train__validation_config": {"validation_items": [APART]}}),
    ("METRICS_OFF", "flux", {"logging__use_ui_logger": False}, {}),
    ("CHECKPOINTS_DELETED", "flux", {}, {"save__max_step_saves_to_keep": 12}),
    ("NO_STEP_CHECKPOINT", "flux", {"save__save_every": 3000}, {}),
    ("CHECKPOINTS_RARE", "flux", {"save__save_every": 1000}, {"save__save_every": 600}),
    ("NO_SAMPLE_PROMPTS", "flux", {"sample__samples": []}, {}),
    ("PROMPTS_IGNORED", "flux", {"sample__prompts": ["a"]}, {}),
    ("SAMPLING_OFF", "flux", {"train__disable_sampling": True}, {}),
    ("NO_SAMPLE_DURING_RUN", "flux", {"sample__sample_every": 3001}, {}),
    (
        "PROMPT_CUT",
        "flux",
        {"sample__samples": [{"prompt": "a house -- red"}]},
        {"sample__samples": [{"prompt": "a house --w 768 --seed 3"}]},
    ),
    ("SAMPLE_SIZE_ROUNDED", "flux", {"sample__width": 1001}, {}),
    ("PROMPTS_MISSING_TRIGGER", "flux", {"trigger_word": "zxc"}, {"trigger_word": "house"}),
    ("GRADIENT_CHECKPOINTING_OFF", "flux", {"train__gradient_checkpointing": False}, {}),
    ("LARGE_MODEL_NOT_QUANTIZED", "flux", {"model__quantize": False}, {}),
    ("LOW_VRAM_DISABLED_FOR_FLUX", "flux", {}, {"model__low_vram": True}),
    ("FP16_ON_FLOW_MODEL", "flux", {"train__dtype": "fp16"}, {}),
    ("FP32_ON_LARGE_MODEL", "flux", {"train__dtype": "fp32"}, {}),
    ("NOTHING_TRAINED", "flux", {"train__train_unet": False}, {}),
    ("TEXT_ENCODER_TRAINED", "flux", {"train__train_text_encoder": True}, {}),
    ("BUCKETS_MIXED", "flux", {"datasets": TWO}, {"datasets": SAME}),
    ("SCHNELL_RANK_HIGH", "flux", {**SCHNELL, "network__linear": 64}, SCHNELL),
    ("OFFLOADING_WITH_QUANTIZATION", "flux2", {"model__layer_offloading": True}, {}),
    ("LION_WITH_FEW_BITS", "flux", {"train__optimizer": "lion", "model__qtype": "uint4"}, {}),
    (
        "RECOVERY_ADAPTER_PATH",
        "qwen_image",
        {"model__qtype": "uint3|adapter.safetensors"},
        {"model__qtype": "uint3|ostris/adapters/a.safetensors"},
    ),
    ("TIMESTEPS_EMPTY", "flux", {"train__min_denoising_steps": 999}, {}),
    ("NOTHING_LEFT_TO_TRAIN", "flux", {"train__start_step": 3000}, {"train__start_step": 2999}),
    ("UPLOAD_WITHOUT_REPOSITORY", "flux", {"save__push_to_hub": True}, {}),
    (
        "EXPERTS_SWAPPED_OFTEN",
        "wan22_14b:t2v",
        {"model__low_vram": True, "train__switch_boundary_every": 1},
        {"train__switch_boundary_every": 10},
    ),
]

MISSING = LintFacts(models={"black-forest-labs/FLUX.1-dev": ModelFacts(state="missing")})
EMPTY_MODEL = LintFacts(models={"black-forest-labs/FLUX.1-dev": ModelFacts(state="folder")})
WHOLE_MODEL = LintFacts(
    models={
        "black-forest-labs/FLUX.1-dev": ModelFacts(
            state="folder", entries=frozenset({"transformer"})
        )
    }
)
VIDEO = {"dataset__num_frames": 41}
BY_FACTS: list[tuple[str, dict[str, Any], LintFacts, LintFacts]] = [
    ("MODEL_PATH_UNRESOLVED", {}, MISSING, LintFacts()),
    ("FLUX_MODEL_DIR_INVALID", {}, EMPTY_MODEL, WHOLE_MODEL),
    ("DATASET_PATH_NOT_FOUND", {}, folder(state="missing"), folder()),
    ("DATASET_PATH_NOT_DIRECTORY", {}, folder(state="file"), folder()),
    ("DATASET_EMPTY", {}, folder(images=0), folder(images=20)),
    ("VIDEO_READ_AS_PICTURES", {}, folder(images=0, videos=3), folder(images=3, videos=3)),
    ("PICTURES_READ_AS_VIDEO", VIDEO, folder(images=9, videos=0), folder(images=9, videos=1)),
    ("DATASET_CORRUPT_IMAGES", {}, folder(images=20, corrupt=1), folder(images=20, corrupt=0)),
    ("DATASET_DUPLICATES_DETECTED", {}, folder(duplicates=1), folder(duplicates=0)),
    (
        "DATASET_LOW_CAPTION_COVERAGE",
        {},
        folder(images=20, captioned=17),
        folder(images=20, captioned=18),
    ),
    ("DATASET_FEW_IMAGES", {}, folder(images=9), folder(images=10)),
    ("BATCH_LARGER_THAN_DATASET", {"train__batch_size": 8}, folder(images=7), folder(images=8)),
    ("IMAGES_BELOW_RESOLUTION", {}, folder(smallest_side=1023), folder(smallest_side=1024)),
    ("STEPS_MANY_FOR_IMAGES", {}, folder(images=7), folder(images=8)),
    ("STEPS_FEW_FOR_IMAGES", {}, folder(images=1001), folder(images=1000)),
    ("DISK_TOO_SMALL", {}, LintFacts(free_disk_bytes=GB), LintFacts(free_disk_bytes=4 * GB)),
    ("WILL_RESUME", {}, LintFacts(existing_step=500), LintFacts(existing_step=0)),
    ("NOTHING_LEFT_TO_TRAIN", {}, LintFacts(existing_step=3000), LintFacts(existing_step=2999)),
]


@pytest.mark.parametrize(("code", "arch_id", "bad", "good"), BY_CONFIG)
def test_a_check_finds_its_mistake_in_the_config_and_not_beside_it(
    code: str, arch_id: str, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    assert code in codes(config_of(arch_id, **bad))
    assert code not in codes(config_of(arch_id, **good))


@pytest.mark.parametrize(("code", "changes", "bad", "good"), BY_FACTS)
def test_a_check_finds_what_was_collected_and_says_nothing_of_what_was_not(
    code: str, changes: dict[str, Any], bad: LintFacts, good: LintFacts
) -> None:
    config = config_of("flux", **changes)
    assert code in codes(config, bad)
    assert code not in codes(config, good)
    assert code not in codes(config)


def test_every_code_of_the_checks_is_tested() -> None:
    lint_folder = Path(aitk_guardrails.lint.__file__).parent
    written = "".join(file.read_text("utf-8") for file in lint_folder.glob("*.py"))
    made = set(re.findall(r'issue\(\s*"([A-Z_]+)"', written))
    tests = "".join(file.read_text("utf-8") for file in Path(__file__).parent.glob("*.py"))
    assert {code for code in made if code not in tests} == set()


@pytest.mark.parametrize(
    ("token", "severity"), [(True, "info"), (None, "info"), (False, "warning")]
)
def test_a_gated_model_without_a_token_is_graver(token: bool | None, severity: str) -> None:
    (found,) = (
        each
        for each in lint(config_of("flux"), LintFacts(has_hub_token=token))
        if each.code == "MODEL_GATED"
    )
    assert found.severity == severity


def test_a_large_card_needs_no_saving_of_memory() -> None:
    config = config_of("flux", model__quantize=False, train__gradient_checkpointing=False)
    quiet = codes(config, LintFacts(gpu_memory_bytes=80 * GB))
    assert not quiet & {
        "GRADIENT_CHECKPOINTING_OFF",
        "LARGE_MODEL_NOT_QUANTIZED",
        "LOW_VRAM_DISABLED_FOR_FLUX",
    }


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"train__learning_rate": 1}, None),
        ({"train__stepz": 500}, None),
        ({"train__steps": "3000"}, 3000),
        ({"train__dtype": "bf61"}, "bf16"),
        ({"train__optimizer": "adamw8bits"}, "adamw8bit"),
        ({"model__arch": "fluxx"}, "flux"),
    ],
)
def test_the_nearest_known_word_is_proposed(wrong: dict[str, Any], right: Any) -> None:
    config = config_of("flux", **wrong)
    ((path, value),) = wrong.items()
    pointer = "/config/process/0/" + path.replace("__", "/")
    (found,) = (each for each in lint(config) if each.path == pointer)
    if right is None:
        assert found.expected
        return
    assert found.value == value
    assert found.fix is not None
    block, _, name = path.partition("__")
    assert apply_patch(config, found.fix)["config"]["process"][0][block][name] == right


def test_a_misspelt_key_is_moved_to_its_name() -> None:
    config = config_of("flux")
    train = config["config"]["process"][0]["train"]
    train["gradient_acumulation"] = 2
    del train["gradient_accumulation"]
    (found,) = (each for each in lint(config) if each.code == "UNKNOWN_KEY")
    assert found.fix is not None
    assert apply_patch(config, found.fix)["config"]["process"][0]["train"] == {
        **{key: value for key, value in train.items() if key != "gradient_acumulation"},
        "gradient_accumulation": 2,
    }


def test_the_size_of_a_flux_lora_is_that_of_its_files() -> None:
    numbers = lora_numbers(arch_id="flux", parameters_billion=12, rank=16)
    assert numbers is not None
    size = stored(numbers, "bf16")
    assert size.low == size.high == 171_835_392
    assert stored(numbers, "float32").low == 2 * size.low
    assert optimizer_state(numbers, "adamw8bit").high == size.low


def test_a_model_of_unknown_layers_has_an_interval_and_one_of_unknown_size_none() -> None:
    numbers = lora_numbers(arch_id="hidream", parameters_billion=17, rank=32)
    assert numbers is not None
    assert numbers[0] < numbers[1]
    assert lora_numbers(arch_id="omnigen2", parameters_billion=None, rank=32) is None


@pytest.mark.parametrize("name", ["steps", "lr", "batch_size"])
def test_a_number_that_only_the_author_can_choose_is_not_taken_out(name: str) -> None:
    (found,) = (
        each
        for each in lint(config_of("flux", **{f"train__{name}": None}))
        if each.path == f"/config/process/0/train/{name}"
    )
    assert found.code.startswith("MISSING_")
    assert found.fix is None


def test_a_number_in_a_text_of_words_is_not_read() -> None:
    config = config_of("flux", train__lr="nan", train__steps="1_000")
    fixes = {each.path: each.fix for each in lint(config) if each.code.startswith("INVALID_")}
    assert list(fixes.values()) == [None, None]


@pytest.mark.parametrize(("name", "billions"), [("1.3B", 1.3), ("14B", 14.0)])
def test_an_untagged_architecture_has_the_size_that_the_models_name_says(
    name: str, billions: float
) -> None:
    from aitk_core.configkeys.rules import Process
    from aitk_core.configkeys.table import key_table
    from aitk_guardrails.lint.facts import LintFacts
    from aitk_guardrails.lint.subject import Subject

    model = {"arch": "wan21", "name_or_path": f"Wan-AI/Wan2.1-T2V-{name}-Diffusers"}
    process = Process(table=key_table(), block={"type": "diffusion_trainer", "model": model})
    entry = Subject(config={}, index=0, process=process, facts=LintFacts()).arch
    assert entry is not None
    assert entry.transformer_params_billion == pytest.approx(billions, rel=0.1)
