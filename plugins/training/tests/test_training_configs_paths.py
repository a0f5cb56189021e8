from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.configkeys.differences import Difference, config_diff
from aitk_core.errors import InvalidArgumentsError
from aitk_training.configs.paths_dotted import Change, apply_overrides

DATA = Path(__file__).parent / "data" / "configs"
JOB = json.loads((DATA / "recorded_jobs.json").read_text(encoding="utf-8"))["ok_200_steps"]

KEYS = st.text("abcxyz_", min_size=1, max_size=4)
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
# Lists keep their length and kind, since an override can neither lengthen nor shorten one.
VALUES = st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=12)


def faults_of(overrides: dict[str, Any], config: dict[str, Any] = JOB) -> list[dict[str, str]]:
    with pytest.raises(InvalidArgumentsError) as caught:
        apply_overrides(config, overrides)
    faults: list[dict[str, str]] = caught.value.details["faults"]
    return faults


def test_a_path_is_relative_to_the_config_block_or_names_it() -> None:
    short, changes = apply_overrides(JOB, {"process.0.train.steps": 2000})
    long, _ = apply_overrides(JOB, {"config.process.0.train.steps": 2000})
    assert short == long
    assert short["config"]["process"][0]["train"]["steps"] == 2000
    assert changes == (Change(path="process.0.train.steps", old=200, new=2000),)


def test_the_config_given_is_not_touched_and_shares_nothing() -> None:
    before = deepcopy(JOB)
    new: dict[str, Any] = {"weight_decay": 0.1}
    changed, _ = apply_overrides(JOB, {"process.0.train.optimizer_params": new})
    changed["config"]["process"][0]["datasets"][0]["resolution"].append(1)
    changed["config"]["process"][0]["train"]["optimizer_params"]["weight_decay"] = 9
    assert before == JOB
    assert new == {"weight_decay": 0.1}


def test_a_new_key_is_added_and_said_with_what_it_resembles() -> None:
    _, (change,) = apply_overrides(JOB, {"process.0.train.stepz": 5})
    assert (change.added, change.old, change.nearest) == (True, None, "steps")


def test_a_value_that_is_there_already_is_no_change() -> None:
    assert apply_overrides(JOB, {"process.0.train.steps": 200})[1] == ()
    (change,) = apply_overrides(JOB, {"process.0.logging.log_every": True})[1]
    assert (change.old, change.new) == (1, True)


def test_an_item_of_a_list_can_be_set() -> None:
    changed, (change,) = apply_overrides(JOB, {"process.0.datasets.0.resolution.0": 256})
    assert (change.old, change.new) == (128, 256)
    assert changed["config"]["process"][0]["datasets"][0]["resolution"] == [256]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("process.0.trian.steps", "did you mean 'train'"),
        ("proces.0.train.steps", "did you mean 'process'"),
        ("zzz.steps", "there are: name, process"),
        ("process.1.train.steps", "has 1 items"),
        ("process.-1.train.steps", "no index"),
        ("process.00.train.steps", "no index"),
        ("process.\u0661.train.steps", "no index"),
        ("process.first.train.steps", "no index"),
        ("process.1", "has 1 items"),
        ("process.0.train.steps.x", "single value"),
        ("process.0.train.steps.x.y", "single value"),
        ("", "single dots"),
        ("config", "single dots"),
        ("process..0", "single dots"),
        (".process", "single dots"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, words: str) -> None:
    (fault,) = faults_of({path: 1})
    assert words in fault["message"]


def test_all_wrong_paths_are_told_at_once() -> None:
    assert len(faults_of({"process.0.trian.steps": 1, "x.y": 2, "process.0.train.steps": 3})) == 2


@pytest.mark.parametrize(
    "overrides",
    [
        {"process.0.train.steps": 1, "config.process.0.train.steps": 2},
        {"process.0.train": {}, "process.0.train.steps": 2},
        {"process.0.train.steps": 2, "process.0.train": {}},
    ],
)
def test_two_overrides_of_one_place_are_refused(overrides: dict[str, Any]) -> None:
    (fault,) = faults_of(overrides)
    assert "overlaps" in fault["message"]


@pytest.mark.parametrize("config", [{}, {"config": None}, {"config": []}])
def test_a_config_without_its_block_has_no_paths(config: dict[str, Any]) -> None:
    (fault,) = faults_of({"process.0.x": 1}, config)
    assert "no object 'config'" in fault["message"]


def test_a_difference_has_the_path_that_an_override_takes() -> None:
    other = deepcopy(JOB)
    process = other["config"]["process"][0]
    process["train"]["steps"] = 300
    process["datasets"][0]["resolution"] = [512, 768]
    process["datasets"].append({"folder_path": "/data/more"})
    del process["train"]["loss_type"]
    process["new"] = True
    other["meta"]["version"] = "2.0"
    assert sorted(config_diff(JOB, other), key=lambda each: each.path) == [
        Difference(path="meta.version", a="1.0", b="2.0", kind="changed"),
        Difference(path="process.0.datasets.0.resolution", a=[128], b=[512, 768], kind="changed"),
        Difference(
            path="process.0.datasets.1", a=None, b={"folder_path": "/data/more"}, kind="added"
        ),
        Difference(path="process.0.new", a=None, b=True, kind="added"),
        Difference(path="process.0.train.loss_type", a="mse", b=None, kind="removed"),
        Difference(path="process.0.train.steps", a=200, b=300, kind="changed"),
    ]


def test_a_config_does_not_differ_from_its_copy() -> None:
    assert config_diff(JOB, json.loads(json.dumps(JOB))) == ()


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_overrides_made_of_a_difference_bring_it_about(
    a: dict[str, Any], b: dict[str, Any]
) -> None:
    found = config_diff({"config": a}, {"config": b})
    overrides = {each.path: each.b for each in found if each.kind != "removed" and a}
    changed, changes = apply_overrides({"config": a}, overrides)
    left = config_diff(changed, {"config": b})
    assert all(each.kind == "removed" for each in left if a)
    assert {change.path for change in changes} == set(overrides)
    undo = {change.path: change.old for change in changes if not change.added}
    back, _ = apply_overrides(changed, undo)
    assert all(each.kind == "removed" for each in config_diff(back, {"config": a}))
