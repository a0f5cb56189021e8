"""Values and whole configs, judged by the table of config keys."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aitk_core.configkeys.check import check_config
from aitk_core.configkeys.json_values import (
    MOST_TEXT,
    MOST_VALUES,
    json_faults,
    json_types,
    plain_copy,
    require_json,
    shown,
)
from aitk_core.configkeys.paths import DEEPEST
from aitk_core.configkeys.problems import MOST_PROBLEMS
from aitk_core.configkeys.rules import RULES, Process
from aitk_core.configkeys.table import key_table
from aitk_core.configkeys.values import validate_value
from aitk_core.errors import InvalidArgumentsError, TooLargeError
from aitk_core.testing.recorded import recorded_runs

RUNS = recorded_runs()
CONFIGS = {name: json.loads(run.row["job_config"]) for name, run in RUNS.items()}
HEALTHY = CONFIGS["ok_200_steps"]
TABLE = key_table()
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**64) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(sorted({key.name for key in TABLE.keys})) | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


def codes_of(path: str, value: Any) -> list[str]:
    key = TABLE.find(path) or TABLE.find(f"config.process.0.{path}")
    assert key is not None
    return [each.code for each in validate_value(key, value)]


def config_with(**blocks: Any) -> dict[str, Any]:
    """The recorded healthy config, with keys of its blocks set."""
    config: dict[str, Any] = deepcopy(HEALTHY)
    process = config["config"]["process"][0]
    for name, values in blocks.items():
        if isinstance(process.get(name), dict) and isinstance(values, dict):
            process[name].update(values)
        else:
            process[name] = values
    return config


def broken(config: dict[str, Any]) -> dict[str, str]:
    """The codes of a config's problems, with their paths below the first process."""
    prefix = "config.process.0."
    return {each.code: each.path.removeprefix(prefix) for each in check_config(config)}


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_the_config_of_a_recorded_run_is_clean(name: str) -> None:
    """All started but three, and those failed by files, which a config does not show."""
    assert check_config(CONFIGS[name]) == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train.lr", 1e-4),
        ("train.lr", 1),
        ("train.steps", 2000.0),
        ("datasets.0.resolution", 512),
        ("datasets.0.resolution", [512, 768]),
        ("datasets.0.mask_path", None),
        ("save.save_every", None),
        ("network.network_kwargs.ignore_if_contains", None),
        ("train.optimizer", "AdamW8bit"),
        ("train.optimizer", "prodigy_whatever"),
        ("train.lr_scheduler", "polynomial"),
        ("model.qtype", "uint4|ostris/adapter.safetensors"),
        ("network.type", "LoKr"),
        ("train.guidance_loss_target", [1.0, 2]),
        ("train.guidance_loss_target", 3.0),
        ("train.gradient_accumulation_steps", 1),
        ("model.is_flux", False),
        ("datasets.0.controls", ["depth"]),
        ("datasets.0.controls", "depth"),
        ("sample.samples.0.network_multiplier", "0.5"),
        ("train", None),
        ("trigger_word", "p3r5on $ { }"),
    ],
)
def test_a_value_that_the_trainer_takes_is_no_problem(path: str, value: Any) -> None:
    assert codes_of(path, value) == []


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("train.lr", "1e-4", "WRONG_TYPE"),
        ("train.lr", True, "WRONG_TYPE"),
        ("train.steps", 10.5, "WRONG_TYPE"),
        ("train.steps", 2.0**60, "WRONG_TYPE"),
        ("train", [], "WRONG_TYPE"),
        ("datasets.0.flip_x", 1, "WRONG_TYPE"),
        ("datasets.0.resolution", ["512"], "WRONG_TYPE"),
        ("datasets", [1], "WRONG_TYPE"),
        ("train.lr", None, "NULL_REPLACES_DEFAULT"),
        ("network.linear_alpha", None, "NULL_REPLACES_DEFAULT"),
        ("model.name_or_path", None, "REQUIRED_MISSING"),
        ("type", None, "REQUIRED_MISSING"),
        ("train.optimizer", "adamw9000", "NOT_A_CHOICE"),
        ("train.noise_scheduler", "DDPM", "NOT_A_CHOICE"),
        ("datasets.0.controls", ["depth", "dept"], "NOT_A_CHOICE"),
        ("model.qtype", "uint9|adapter", "NOT_A_CHOICE"),
        ("model.text_encoder_bits", 12, "NOT_A_CHOICE"),
        ("train.lr", 0, "OUT_OF_RANGE"),
        ("train.steps", -1, "OUT_OF_RANGE"),
        ("datasets.0.resolution", [512, 4], "OUT_OF_RANGE"),
        ("datasets.0.caption_dropout_rate", 1.01, "OUT_OF_RANGE"),
        ("datasets.0.resolution", [], "WRONG_LENGTH"),
        ("train.guidance_loss_target", [1.0], "WRONG_LENGTH"),
        ("train.unet_lr", 1e-4, "NO_EFFECT"),
        ("network.rank", 16, "DEPRECATED"),
        ("trigger_word", "${HF_TOKEN}", "ENV_SUBSTITUTION"),
        ("train.optimizer_params", {"a": [{"${X}": 1}]}, "ENV_SUBSTITUTION"),
        ("trigger_word", "a\0b", "UNSAFE_TEXT"),
        ("trigger_word", "\ud800", "UNSAFE_TEXT"),
    ],
)
def test_a_value_that_the_trainer_does_not_take_is_named(path: str, value: Any, code: str) -> None:
    assert codes_of(path, value) == [code]


def test_a_problem_says_what_would_be_right() -> None:
    key = TABLE.find("config.process.0.save.save_format")
    assert key is not None
    (found,) = validate_value(key, "ckpt", path="config.process.0.save.save_format")
    assert found.path == "config.process.0.save.save_format"
    assert (found.value, found.expected) == ("ckpt", ["safetensors", "diffusers"])
    assert found.effect == "raises"
    assert found.remedy == 'use one of "safetensors", "diffusers"'


@pytest.mark.parametrize(
    "bad", [math.nan, math.inf, -math.inf, 2**63, pytest.param(10**5000, id="huge"), {1}, {1: 2}]
)
def test_what_is_no_json_is_refused(bad: Any) -> None:
    key = TABLE.find("config.process.0.train.optimizer_params")
    assert key is not None
    with pytest.raises(InvalidArgumentsError):
        validate_value(key, [bad])
    with pytest.raises(InvalidArgumentsError) as caught:
        check_config({"meta": {"x": [bad]}})
    assert caught.value.details["faults"][0]["path"].startswith("/meta/x/0")


def test_documents_without_end_are_refused_and_not_followed() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    loop: list[Any] = []
    loop.extend([loop, loop])
    with pytest.raises(InvalidArgumentsError):
        check_config({"meta": deep})
    with pytest.raises((InvalidArgumentsError, TooLargeError)):
        check_config({"meta": loop})
    with pytest.raises(TooLargeError):
        check_config({"meta": [0] * MOST_VALUES})
    with pytest.raises(TooLargeError):
        check_config({"meta": "a" * (MOST_TEXT + 1)})


def test_a_document_at_the_limits_is_taken() -> None:
    deep: Any = 0
    for _ in range(DEEPEST):
        deep = [deep]
    require_json(deep, what="it")
    require_json([0] * (MOST_VALUES - 1), what="it")
    with pytest.raises(InvalidArgumentsError):
        require_json([deep], what="it")


def test_a_config_of_problems_only_has_a_bounded_answer() -> None:
    found = check_config({f"{n}{'k' * 500}": "x" * 500 for n in range(2000)})
    assert len(found) == MOST_PROBLEMS
    assert all(len(each.message) < 500 and len(each.path) <= 200 for each in found)
    assert all(len(each.value) <= 200 for each in found)


def test_an_unknown_key_is_ignored_by_the_trainer_and_named_with_what_was_meant() -> None:
    found = check_config(config_with(train={"stepz": 5, "linear": 8}))
    assert [(each.code, each.effect, each.expected) for each in found] == [
        ("UNKNOWN_KEY", "ignored", ["steps"]),
        ("UNKNOWN_KEY", "ignored", ["config.process[].network.linear"]),
    ]
    assert [each.remedy for each in found] == [
        "did you mean 'steps'?",
        "it is read at config.process[].network.linear",
    ]


def test_a_key_with_dots_is_not_taken_for_a_path() -> None:
    config = deepcopy(HEALTHY)
    config["config"]["process"][0]["train.lr"] = 1
    assert broken(config) == {"UNKNOWN_KEY": "train.lr"}


@pytest.mark.parametrize(
    ("block", "values"),
    [
        ("train", {"optimizer_params": {"d_coef": 2.0}, "lr_scheduler_params": {"eta_min": 0}}),
        ("network", {"network_kwargs": {"anything": 1}}),
        ("model", {"quantize_kwargs": {"exclude": ["*norm*"]}}),
    ],
)
def test_blocks_of_free_form_have_no_unknown_keys(block: str, values: dict[str, Any]) -> None:
    assert check_config(config_with(**{block: values})) == ()


@pytest.mark.parametrize(
    ("blocks", "code", "path"),
    [
        (
            {"train": {"gradient_accumulation": 2, "gradient_accumulation_steps": -1}},
            "GRADIENT_ACCUMULATION_TWICE",
            "train.gradient_accumulation_steps",
        ),
        (
            {"train": {"bypass_guidance_embedding": True, "do_guidance_loss": True}},
            "GUIDANCE_LOSS_BYPASSED",
            "train.do_guidance_loss",
        ),
        (
            {"model": {"qtype": "uint3|a/b", "assistant_lora_path": "c"}},
            "RECOVERY_ADAPTER_WITH_ASSISTANT_LORA",
            "model.assistant_lora_path",
        ),
        (
            {"datasets": [{"cache_text_embeddings": True}, {}]},
            "TEXT_EMBEDDINGS_CACHED_IN_PART",
            "datasets.1.cache_text_embeddings",
        ),
        (
            {"train": {"unload_text_encoder": True}, "model": {"arch": "qwen_image_edit"}},
            "TEXT_ENCODER_UNLOADED_FOR_EDIT_MODEL",
            "train.unload_text_encoder",
        ),
        (
            {"train": {"diff_output_preservation": True, "blank_prompt_preservation": True}},
            "TWO_PRESERVATIONS",
            "train.blank_prompt_preservation",
        ),
        (
            {"train": {"diff_output_preservation": True}},
            "OUTPUT_PRESERVATION_UNMET",
            "train.diff_output_preservation",
        ),
        (
            {"train": {"blank_prompt_preservation": True}, "network": None},
            "BLANK_PRESERVATION_WITHOUT_NETWORK",
            "train.blank_prompt_preservation",
        ),
        (
            {"train": {"train_text_encoder": True, "cache_text_embeddings": True}},
            "TRAINED_TEXT_ENCODER_UNLOADED",
            "train.train_text_encoder",
        ),
        ({"datasets": [{}, {"poi": "face"}]}, "DATASET_POI_REMOVED", "datasets.1.poi"),
        (
            {"model": {"arch": "flux_kontext", "attn_masking": True}},
            "FLUX_ONLY_KEY",
            "model.attn_masking",
        ),
        (
            {
                "model": {
                    "arch": "wan22_14b:t2v",
                    "model_kwargs": {"train_high_noise": False, "train_low_noise": False},
                }
            },
            "BOTH_EXPERTS_OFF",
            "model.model_kwargs.train_high_noise",
        ),
        ({"model": {"arch": "flex1"}}, "SAVE_FORMAT_CHANGED", "save.save_format"),
        (
            {"datasets": [{"augments": ["x"], "cache_latents_to_disk": True}]},
            "LATENT_CACHE_SWITCHED_OFF",
            "datasets.0.cache_latents_to_disk",
        ),
        (
            {"model": {"quantize": True, "auto_memory": True}},
            "QTYPE_CHANGED",
            "model.qtype",
        ),
        ({"logging": {"use_wandb": True}}, "LOSS_TABLE_SWITCHED_OFF", "logging.use_wandb"),
        ({"network": None}, "FULL_FINE_TUNE", "network"),
        (
            {"train": {"noise_scheduler": "flowmatch"}},
            "SAMPLER_OF_ANOTHER_FAMILY",
            "sample.sampler",
        ),
        ({"model": {"arch": "flux3"}}, "ARCH_UNKNOWN", "model.arch"),
        (
            {"model": {"arch": "sdxl", "model_kwargs": {"kv_cache": True}}},
            "NOT_READ_BY_ARCH",
            "model.model_kwargs.kv_cache",
        ),
    ],
)
def test_a_broken_rule_is_named_where_it_is_broken(
    blocks: dict[str, Any], code: str, path: str
) -> None:
    assert broken(config_with(**blocks))[code] == path


@pytest.mark.parametrize(
    ("blocks", "code"),
    [
        ({"train": {"gradient_accumulation": 2}}, "GRADIENT_ACCUMULATION_TWICE"),
        ({"train": {"gradient_accumulation_steps": 4}}, "GRADIENT_ACCUMULATION_TWICE"),
        (
            {
                "train": {"cache_text_embeddings": True},
                "datasets": [{"cache_text_embeddings": True}, {}],
            },
            "TEXT_EMBEDDINGS_CACHED_IN_PART",
        ),
        (
            {"train": {"diff_output_preservation": True}, "datasets": [{"trigger_word": "x"}]},
            "OUTPUT_PRESERVATION_UNMET",
        ),
        ({"model": {"is_flux": True, "attn_masking": True}}, "FLUX_ONLY_KEY"),
        ({"model": {"arch": "wan22_14b"}}, "BOTH_EXPERTS_OFF"),
        (
            {"model": {"quantize": True, "layer_offloading": False, "auto_memory": True}},
            "QTYPE_CHANGED",
        ),
        ({"network": None, "adapter": {"type": "ip"}}, "FULL_FINE_TUNE"),
        (
            {"train": {"noise_scheduler": "flowmatch", "disable_sampling": True}},
            "SAMPLER_OF_ANOTHER_FAMILY",
        ),
        (
            {"model": {"arch": "krea2:turbo", "model_kwargs": {"kv_cache": True}}},
            "NOT_READ_BY_ARCH",
        ),
        ({"model": {"arch": "my_arch", "model_kwargs": {"kv_cache": True}}}, "NOT_READ_BY_ARCH"),
    ],
)
def test_a_rule_that_holds_is_not_named(blocks: dict[str, Any], code: str) -> None:
    assert code not in broken(config_with(**blocks))


def test_each_rule_of_the_table_is_decided_by_a_function_and_no_other() -> None:
    assert set(RULES) == {check.code for check in TABLE.cross_checks if check.code}


def test_rules_decided_by_one_key_are() -> None:
    """The cross-checks that are no rules: choices and needs."""
    config = config_with(save={"save_format": "ckpt"}, datasets=[{"type": "video"}])
    assert {each.code for each in check_config(config)} == {"NOT_A_CHOICE"}
    del config["config"]["process"][0]["model"]
    assert broken(config)["REQUIRED_MISSING"] == "model.name_or_path"


def test_a_captioner_is_held_to_its_own_keys_only() -> None:
    process: dict[str, Any] = {"type": "Qwen3VLCaptioner", "caption": {"extensions": []}}
    found = check_config({"job": "extension", "config": {"name": "a", "process": [process]}})
    assert [(each.code, each.path.rpartition(".")[2]) for each in found] == [
        ("WRONG_LENGTH", "extensions"),
        ("REQUIRED_MISSING", "model_name_or_path"),
        ("REQUIRED_MISSING", "path_to_caption"),
    ]


@example({"type": []})
@example({"model": {"arch": [1], "qtype": ["|"], "is_flux": {}}, "trigger_word": {}})
@example({"train": {"noise_scheduler": [], "gradient_accumulation": "2"}, "datasets": {"0": 1}})
@given(ANY_JSON)
def test_any_json_in_any_place_has_an_answer_or_a_typed_error(value: Any) -> None:
    for config in (
        {"config": value},
        {"config": {"process": [value]}},
        {"config": {"process": [{"train": value, "model": value, "datasets": [value]}]}},
        {"config": {"process": [{"train": {"gradient_accumulation": value, "lr": value}}]}},
    ):
        try:
            found = check_config(config)
        except (InvalidArgumentsError, TooLargeError):
            continue
        for each in found:
            assert each.message.isprintable()
            json.dumps([each.value, each.expected], allow_nan=False)


@given(st.sampled_from(TABLE.keys), ANY_JSON)
def test_any_json_for_any_key_has_an_answer_or_a_typed_error(key: Any, value: Any) -> None:
    try:
        found = validate_value(key, value)
    except (InvalidArgumentsError, TooLargeError):
        return
    assert all(each.code and each.path and each.message for each in found)


@given(ANY_JSON)
def test_plain_json_is_what_the_standard_library_can_write(value: Any) -> None:
    if any(fault.kind == "shape" for fault in json_faults(value)):
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == plain_copy(value)
    assert json_types(value)
    assert shown(value).isprintable()


def test_views_and_tuples_count_as_objects_and_lists() -> None:
    assert plain_copy(MappingProxyType({"a": (1, MappingProxyType({}))})) == {"a": [1, {}]}
    assert check_config(MappingProxyType(HEALTHY)) == ()


def test_a_process_whose_keys_are_not_listed_is_said_to_be_unchecked() -> None:
    reference = {
        "job": "extension",
        "config": {"name": "a", "process": [{"type": "dataset_tools", "unheard_of": 1}]},
    }
    (found,) = check_config(reference)
    assert (found.code, found.pointer) == ("NOT_COVERED", "/config/process/0")


def test_a_job_of_another_kind_is_unchecked_but_for_its_texts() -> None:
    extract = {
        "job": "extract",
        "config": {"name": "a", "base_model": "${HF_TOKEN}", "process": [{"type": "locon"}]},
    }
    assert [(each.code, each.pointer) for each in check_config(extract)] == [
        ("ENV_SUBSTITUTION", "/config/base_model"),
        ("NOT_COVERED", "/config"),
        ("NOT_COVERED", "/config/process/0"),
    ]


def test_a_type_that_belongs_to_another_job_is_no_known_type() -> None:
    config = {"job": "extension", "config": {"name": "a", "process": [{"type": "rescale_lora"}]}}
    assert "NOT_A_CHOICE" in {each.code for each in check_config(config)}


def test_the_pointer_of_a_problem_names_keys_that_a_path_cannot() -> None:
    config = {"job": "extension", "config": {"name": "a", "process": []}, "a.b/c": 1}
    assert "/a.b~1c" in {each.pointer for each in check_config(config)}


def test_a_value_of_the_process_itself_is_read_as_one_of_its_blocks() -> None:
    process = Process(table=TABLE, block={"trigger_word": "zxc", "performance_log_every": None})
    assert process.value("trigger_word") == "zxc"
    assert process.value("training_seed") is None
