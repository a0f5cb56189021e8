from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.configkeys.names import checked_name
from aitk_core.errors import InvalidArgumentsError
from aitk_training.configs.paths_dotted import apply_overrides
from aitk_training.configs.validate import check_config, config_faults

DATA = Path(__file__).parent / "data" / "configs"
RECORDED = json.loads((DATA / "recorded_jobs.json").read_text(encoding="utf-8"))

BAD_NAMES = [
    "",
    "   ",
    ".hidden",
    "-x",
    "..",
    "a..b",
    "../../written",
    "sub/dir",
    "back\\slash",
    "/etc/passwd",
    "two\nlines",
    "tab\tbed",
    "nul\0",
    "star*",
    "what?",
    "[name]",
    "${HF_TOKEN}",
    "ends.",
    "gr\u00f6\u00dfe",
    "a" * 101,
    "CON",
    "nul.yaml",
    "Com1",
    "lpt9.x.y",
    "aux .x",
    None,
    5,
    True,
    ["a"],
]


@pytest.mark.parametrize("name", ["a", "my_first_lora_v1", "A b-c.d_e", "0", "console", "a" * 100])
def test_a_plain_name_is_used_as_it_is(name: str) -> None:
    assert checked_name(name) == name


def test_white_space_around_a_name_is_taken_away() -> None:
    assert checked_name("  my lora \n") == "my lora"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_not_be_a_folder_is_refused(name: object) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        checked_name(name, path="/config_name")
    assert caught.value.details["faults"][0]["path"] == "/config_name"
    assert len(str(caught.value)) < 600


@given(st.text(max_size=120))
def test_any_text_is_refused_or_is_one_plain_component(name: str) -> None:
    try:
        checked = checked_name(name)
    except InvalidArgumentsError:
        return
    assert Path("folder", checked).parent == Path("folder")
    assert checked == checked.strip()
    assert not set(checked) & set('/\\:*?"<>|[]$\0')
    assert not checked.endswith(".")
    assert checked_name(checked) == checked


@pytest.mark.parametrize("run", list(RECORDED))
def test_the_config_of_a_recorded_run_has_no_fault(run: str) -> None:
    check_config(RECORDED[run], name=run)


def test_all_faults_are_told_at_once() -> None:
    config = deepcopy(RECORDED["ok_200_steps"])
    process = config["config"]["process"][0]
    process["train"].update(steps=0, lr="1e-4", batch_size=True)
    process["network"]["linear"] = 2.5
    process["datasets"][0]["resolution"] = [512, -1]
    process["sample"]["samples"][1]["prompt"] = "a ${HF_TOKEN} cat"
    with pytest.raises(InvalidArgumentsError) as caught:
        check_config(config, name="another")
    assert {fault["path"] for fault in caught.value.details["faults"]} == {
        "/config/name",
        "/config/process/0/train/steps",
        "/config/process/0/train/lr",
        "/config/process/0/train/batch_size",
        "/config/process/0/network/linear",
        "/config/process/0/datasets/0/resolution/1",
        "/config/process/0/sample/samples/1/prompt",
    }


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (None, ""),
        ([], ""),
        ({}, "/config"),
        ({"config": []}, "/config"),
        ({"config": {"name": "a"}}, "/config/process"),
        ({"config": {"name": "a", "process": []}}, "/config/process"),
        ({"config": {"name": "a", "process": "x"}}, "/config/process"),
        ({"config": {"name": "a", "process": [None]}}, "/config/process/0"),
        ({"config": {"name": "a", "process": [{}]}}, "/config/process/0/type"),
        ({"config": {"name": "a", "process": [{}]}}, "/config/process/0/train/steps"),
        ({"config": {"name": "a", "process": [{"train": {}}]}}, "/config/process/0/train/steps"),
        ({"config": {"name": "a", "process": [{"train": 5}]}}, "/config/process/0/train"),
        ({"config": {"process": [{}]}}, "/config/name"),
        ({"config": {"name": "a "}}, "/config/name"),
        ({"config": {}, "x": float("inf")}, "/x"),
        ({"config": {}, "a/b~": "${X}"}, "/a~1b~0"),
        ({"config": {}, "x": "\ud800"}, "/x"),
        ({"config": {}, "x": "\0"}, "/x"),
        ({"config": {}, "x": {"${X}": 1}}, "/x"),
        ({"config": {}, "x": {1: 1}}, "/x"),
        ({"config": {}, "x": {1, 2}}, "/x"),
    ],
)
def test_a_malformed_config_has_its_fault_named(config: object, path: str) -> None:
    assert path in {fault["path"] for fault in config_faults(config)}


def test_a_captioning_job_needs_no_steps() -> None:
    process = {"type": "Qwen3VLCaptioner", "caption": {"path_to_caption": "/data"}}
    assert config_faults({"config": {"name": "a", "process": [process]}}) == []


def test_never_saving_in_between_is_no_fault() -> None:
    config, _ = apply_overrides(
        RECORDED["ok_200_steps"],
        {"process.0.save.save_every": None, "process.0.sample.sample_every": 0},
    )
    assert config_faults(config) == []


def test_a_config_nested_without_end_is_refused_and_not_followed() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    faults = config_faults({"config": {"name": "a", "process": deep}})
    assert any("nested" in fault["message"] for fault in faults)
