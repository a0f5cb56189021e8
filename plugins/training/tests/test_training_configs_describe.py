from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.configkeys.archs import archs
from aitk_training.configs.build import ConfigRequest, build_config
from aitk_training.configs.describe import Conflict, TrainingInfo, training_info

DATA = Path(__file__).parent / "data" / "configs"
RECORDED = json.loads((DATA / "recorded_jobs.json").read_text(encoding="utf-8"))
FIELDS = ("config", "process", "train", "steps", "network", "linear", "save", "datasets", "sample")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FIELDS, "training_metadata", "samples", "resolution"]), inner
        )
    ),
    max_leaves=20,
)


def test_a_recorded_run_is_described_from_its_config() -> None:
    info = training_info(RECORDED["ok_200_steps"])
    assert info == TrainingInfo(
        name="ok_200_steps",
        model="/toolkit/models/tiny-sd-pre",
        arch="sd1",
        resolution=(128,),
        steps=200,
        rank=4,
        alpha=4,
        learning_rate=0.001,
        batch_size=1,
        dataset_paths=("/toolkit/datasets/shapes",),
        prompts=("a red circle", "a blue square"),
        save_every=50,
        keep=4,
        kept_checkpoints=(50, 100, 150),
        has_metadata=False,
        sources=info.sources,
    )
    assert set(info.sources.values()) == {"config"}
    assert "trigger_word" not in info.sources


@pytest.mark.parametrize("run", list(RECORDED))
def test_every_recorded_run_says_what_it_trains(run: str) -> None:
    info = training_info(RECORDED[run])
    process = RECORDED[run]["config"]["process"][0]
    assert info.name == run
    assert info.steps == process["train"]["steps"]
    assert info.dataset_paths == (process["datasets"][0]["folder_path"],)
    assert info.conflicts == ()


@pytest.mark.parametrize("arch_id", list(archs()))
def test_a_built_config_agrees_with_its_metadata(arch_id: str) -> None:
    request = ConfigRequest(
        name="a",
        model_name="m",
        dataset_path="/data/a",
        arch=arch_id,
        trigger_word="sks",
        test_prompts=("sks cat",),
        learning_rate=0.0002,
    )
    info = training_info(build_config(request, training_folder="/out").config)
    assert info.has_metadata
    assert info.conflicts == ()
    assert (info.trigger_word, info.prompts, info.arch) == ("sks", ("sks cat",), arch_id)


def test_metadata_fills_what_the_config_does_not_say() -> None:
    info = training_info(
        {
            "config": {"process": [{"train": {"steps": 5}}]},
            "training_metadata": {
                "trigger_word": "sks",
                "model_name": "m",
                "dataset_path": "/data/a",
                "resolution": 512,
                "rank": 16,
                "test_prompts": ["a", None, ""],
            },
        }
    )
    assert (info.trigger_word, info.model, info.rank, info.steps) == ("sks", "m", 16, 5)
    assert (info.resolution, info.prompts) == ((512,), ("a",))
    assert info.sources["rank"] == "metadata"
    assert info.sources["steps"] == "config"


def test_what_trains_wins_over_stale_metadata_and_the_conflict_is_told() -> None:
    config = deepcopy(RECORDED["ok_200_steps"])
    config["training_metadata"] = {"steps": 1000, "rank": 4}
    info = training_info(config)
    assert info.steps == 200
    assert info.conflicts == (Conflict(field="steps", config=200, metadata=1000),)


@pytest.mark.parametrize("metadata", [None, [], "x", 5, {}, {"test_prompts": "x", "rank": "16"}])
def test_odd_metadata_spoils_nothing(metadata: object) -> None:
    config = {**RECORDED["ok_200_steps"], "training_metadata": metadata}
    info = training_info(config)
    assert (info.steps, info.rank, len(info.prompts)) == (200, 4, 2)
    assert info.has_metadata is isinstance(metadata, dict)


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        "text",
        5,
        {},
        {"config": None},
        {"config": {"process": None}},
        {"config": {"process": [None]}},
        {"config": {"process": [{"train": [], "model": "x", "datasets": {"a": 1}}]}},
        {"config": {"process": [{"train": {"steps": "abc", "lr": True}, "datasets": [None]}]}},
        {"config": {"process": [{"sample": {"samples": "abc"}, "network": None}]}},
        {"config": {"process": [{"train": {"steps": 10**400, "lr": float("nan")}}]}},
    ],
)
def test_a_malformed_config_is_described_by_what_is_left(config: object) -> None:
    info = training_info(config)
    assert info.prompts == ()
    assert info.learning_rate is None


@given(JSON)
def test_no_json_value_makes_the_description_fail(config: Any) -> None:
    assert isinstance(training_info(config), TrainingInfo)


def test_the_trainers_older_keys_are_understood() -> None:
    process = {
        "network": {"rank": 8, "linear": 4, "alpha": 2},
        "sample": {"prompts": ["a", "b"]},
        "datasets": [
            {"dataset_path": "/data/a", "resolution": 512},
            {"folder_path": "/data/b", "resolution": [512, 768]},
        ],
    }
    info = training_info({"config": {"name": "a", "process": [process]}})
    assert (info.rank, info.alpha, info.prompts) == (8, 2, ("a", "b"))
    assert info.dataset_paths == ("/data/a", "/data/b")
    assert info.resolution == (512, 768)


def test_the_inner_block_alone_is_understood() -> None:
    assert training_info(RECORDED["ok_200_steps"]["config"]).steps == 200
