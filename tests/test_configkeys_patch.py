"""Changes of a config as JSON Patch."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from types import MappingProxyType
from typing import Any, get_args

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from aitk_core.configkeys.json_values import json_faults
from aitk_core.configkeys.patch import (
    MOST_CHANGES,
    MOST_OPERATIONS,
    ConfigPatch,
    Operation,
    OperationName,
    apply_patch,
    check_patch,
    invert_patch,
    make_patch,
)
from aitk_core.configkeys.paths import same_json, to_pointer
from aitk_core.configkeys.table import key_table
from aitk_core.errors import AitkError, ConflictError, InvalidArgumentsError, TooLargeError
from aitk_core.testing.recorded import recorded_runs

RUNS = recorded_runs()
CONFIG = json.loads(RUNS["ok_200_steps"].row["job_config"])
LR = "config.process.0.train.lr"

NAMES = st.sampled_from(
    ["config", "process", "train", "lr", "0", "1", "-", "a/b", "a~c", "\u00e9", ""]
)
LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, 0.5, "", "a"])
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=4)
# Names that a dotted path can have, and objects without lists: a change cannot make a list longer.
WORDS = st.text("abxyz_/~\u00e9", min_size=1, max_size=3)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(WORDS, inner, max_size=3), max_leaves=12)


@st.composite
def patched(draw: st.DrawFn) -> tuple[dict[str, Any], ConfigPatch]:
    """A config, and a patch whose paths mostly lead into it."""
    config: dict[str, Any] = draw(OBJECTS)
    places = sorted({keys[:end] for keys in leaves(config) for end in range(len(keys) + 1)})
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        keys = draw(st.sampled_from(places)) + draw(st.sampled_from([(), (), ("new",), ("-",)]))
        op = draw(st.sampled_from(get_args(OperationName)))
        value = None if op == "remove" else draw(JSON)
        rows.append(Operation(op=op, path=to_pointer(keys), value=value))
    return config, ConfigPatch(operations=tuple(rows))


def patch_of(*rows: dict[str, Any]) -> ConfigPatch:
    return ConfigPatch.from_json(list(rows))


def leaves(value: Any, keys: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The single values and empty containers of a tree, by place."""
    if not isinstance(value, dict | list) or not value:
        return {keys: value}
    rows = value.items() if isinstance(value, dict) else enumerate(value)
    found: dict[tuple[str, ...], Any] = {}
    for key, below in rows:
        found |= leaves(below, (*keys, str(key)))
    return found


def test_a_value_that_is_there_is_tested_and_replaced() -> None:
    assert make_patch(CONFIG, {LR: 5e-5}).to_json() == [
        {"op": "test", "path": "/config/process/0/train/lr", "value": 0.001},
        {"op": "replace", "path": "/config/process/0/train/lr", "value": 5e-5},
    ]


def test_a_value_that_is_not_there_is_added_with_its_parents() -> None:
    base = "config.process.0.train.validation_config"
    patch = make_patch(CONFIG, {f"{base}.resolution": 256, f"{base}.validation_items": []})
    pointer = "/config/process/0/train/validation_config"
    assert patch.to_json() == [
        {"op": "add", "path": pointer, "value": {"resolution": 256}},
        {"op": "add", "path": f"{pointer}/validation_items", "value": []},
    ]


def test_a_null_parent_becomes_an_object_under_guard() -> None:
    config = {"config": {"process": [{"network": None}]}}
    patch = make_patch(config, {"config.process.0.network.linear": 8})
    assert [each.op for each in patch.operations] == ["test", "replace"]
    assert apply_patch(config, patch)["config"]["process"][0]["network"] == {"linear": 8}


def test_a_value_that_is_there_already_needs_no_operation() -> None:
    assert make_patch(CONFIG, {LR: 0.001}).operations == ()
    assert len(make_patch({"a": 1}, {"a": True}).operations) == 2


def test_an_item_of_a_list_can_be_set() -> None:
    changed = apply_patch(
        CONFIG, make_patch(CONFIG, {"config.process.0.datasets.0.resolution.0": 256})
    )
    assert changed["config"]["process"][0]["datasets"][0]["resolution"] == [256]


def test_a_patch_made_for_another_config_conflicts_at_the_path() -> None:
    patch = make_patch(CONFIG, {LR: 5e-5})
    other = apply_patch(CONFIG, make_patch(CONFIG, {LR: 0.01}))
    with pytest.raises(ConflictError) as caught:
        apply_patch(other, patch)
    assert caught.value.details == {
        "path": LR,
        "pointer": "/config/process/0/train/lr",
        "operation": 0,
        "reason": "TEST_FAILED",
    }


@pytest.mark.parametrize(
    "row",
    [
        {"op": "replace", "path": "/config/process/0/train/none", "value": 1},
        {"op": "replace", "path": "/config/process/1", "value": 1},
        {"op": "replace", "path": "/config/process/-", "value": 1},
        {"op": "replace", "path": "/config/process/00/type", "value": 1},
        {"op": "replace", "path": "/config/process/\u0660/type", "value": 1},
        {"op": "replace", "path": "/config/name/0", "value": "x"},
        {"op": "add", "path": "/config/none/none", "value": 1},
        {"op": "add", "path": "/config/process/2", "value": 1},
        {"op": "add", "path": "/config/process/" + "9" * 900, "value": 1},
        {"op": "remove", "path": "/none"},
        {"op": "remove", "path": ""},
    ],
)
def test_a_path_into_nothing_conflicts_and_is_a_problem(row: dict[str, Any]) -> None:
    patch = patch_of(row)
    with pytest.raises(ConflictError) as caught:
        apply_patch(CONFIG, patch)
    assert caught.value.details["reason"] == "PATH_INTO_NOTHING"
    assert len(str(caught.value)) < 500
    assert "PATH_INTO_NOTHING" in {each.code for each in check_patch(CONFIG, patch)}


def test_a_test_of_another_json_type_fails() -> None:
    """RFC 6902, section 4.6: true is not 1, and 1 is 1.0."""
    config = {"a": 1}
    with pytest.raises(ConflictError):
        apply_patch(config, patch_of({"op": "test", "path": "/a", "value": True}))
    assert apply_patch(config, patch_of({"op": "test", "path": "/a", "value": 1.0})) == config


def test_keys_with_the_signs_of_pointers_are_escaped() -> None:
    """RFC 6901, section 3, and RFC 6902, appendix A.14."""
    config: dict[str, Any] = {"/": 9, "~1": 10, "a.b": {}}
    rows = [
        {"op": "test", "path": "/~01", "value": 10},
        {"op": "replace", "path": "/~1", "value": 1},
        {"op": "add", "path": "/a.b/\u00e9", "value": 2},
    ]
    assert apply_patch(config, patch_of(*rows)) == {"/": 1, "~1": 10, "a.b": {"\u00e9": 2}}


@pytest.mark.parametrize(
    "rows",
    [
        None,
        {},
        "[]",
        [None],
        [{}],
        [{"op": "add", "path": "/a"}],
        [{"op": "add", "value": 1}],
        [{"op": "copy", "from": "/a", "path": "/b"}],
        [{"op": "move", "from": "/a", "path": "/b", "value": 1}],
        [{"op": ["add"], "path": "/a", "value": 1}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/~2", "value": 1}],
        [{"op": "add", "path": 3, "value": 1}],
        [{"op": "add", "path": "/a", "value": math.nan}],
        [{"op": "add", "path": "/a", "value": [math.inf]}],
        [{"op": "add", "path": "/a" * 65, "value": 1}],
    ],
)
def test_what_is_no_patch_is_refused(rows: Any) -> None:
    with pytest.raises(InvalidArgumentsError):
        ConfigPatch.from_json(rows)


def test_patches_without_end_are_refused() -> None:
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidArgumentsError):
        patch_of({"op": "add", "path": "/a", "value": deep})
    with pytest.raises(InvalidArgumentsError):
        make_patch({}, {"a": deep})
    with pytest.raises(InvalidArgumentsError):
        make_patch({"a": deep}, {})
    row = {"op": "add", "path": "/a", "value": 1}
    with pytest.raises(TooLargeError):
        patch_of(*[row] * (MOST_OPERATIONS + 1))
    with pytest.raises(TooLargeError):
        make_patch({}, {f"k{n}": n for n in range(MOST_CHANGES + 1)})
    with pytest.raises(TooLargeError):
        patch_of({**row, "value": [0] * 60_000})


def test_the_largest_patch_can_be_made_and_taken_back() -> None:
    config = {f"k{n}": n for n in range(MOST_CHANGES)}
    patch = make_patch(config, dict.fromkeys(config, -1))
    assert len(patch.operations) == MOST_OPERATIONS
    assert apply_patch(apply_patch(config, patch), invert_patch(config, patch)) == config


def test_steps_that_nest_deeper_and_deeper_are_refused_in_the_end() -> None:
    inner: Any = {}
    for _ in range(60):
        inner = {"a": inner}
    rows = [{"op": "add", "path": "/a" * n, "value": inner} for n in range(1, 61)]
    with pytest.raises(InvalidArgumentsError):
        apply_patch({}, patch_of(*rows))
    with pytest.raises(InvalidArgumentsError):
        check_patch({}, patch_of(*rows))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"": 1}, "single dots"),
        ({"a..b": 1}, "single dots"),
        ({LR: 1, "config.process.0.train": {}}, "overlaps"),
        ({"config.process.1.type": 1}, "has 1 items"),
        ({"config.process.first": 1}, "is a list"),
        ({f"{LR}.x": 1}, "single value"),
        ({f"{LR}.x.y": 1}, "single value"),
        ({"config.process.0.none.0.x": 1}, "list is not there"),
    ],
)
def test_changes_that_lead_nowhere_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        make_patch(CONFIG, changes)
    (fault,) = caught.value.details["faults"]
    assert words in fault["message"]


def test_all_changes_that_lead_nowhere_are_told_at_once() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        make_patch(CONFIG, {"a..b": 1, LR: 2, f"{LR}.x": 1})
    assert len(caught.value.details["faults"]) == 2


def test_the_config_is_not_touched_and_nothing_is_shared() -> None:
    before, value = deepcopy(CONFIG), {"weight_decay": 0.1}
    patch = make_patch(MappingProxyType(CONFIG), {"config.process.0.train.optimizer_params": value})
    changed = apply_patch(CONFIG, patch)
    changed["config"]["process"][0]["train"]["optimizer_params"]["weight_decay"] = 9
    changed["config"]["process"][0]["datasets"][0]["resolution"].append(1)
    assert before == CONFIG
    assert value == {"weight_decay": 0.1}
    assert apply_patch(CONFIG, patch) != changed


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({LR: 5e-5}, []),
        ({LR: "5e-5"}, ["WRONG_TYPE"]),
        ({LR: 500}, ["OUT_OF_RANGE"]),
        ({LR: None}, ["NULL_REPLACES_DEFAULT"]),
        ({"config.process.0.train.learning_rates": 1}, ["UNKNOWN_KEY"]),
        ({"config.process.0.train.optimizer": "adamx"}, ["NOT_A_CHOICE"]),
        ({"config.process.0.network.rank": 8}, ["DEPRECATED"]),
        ({"config.process.0.sample.samples.0.prompt": "${HF_TOKEN}"}, ["ENV_SUBSTITUTION"]),
        ({"config.process.0.train.optimizer_params.${X}": 1}, ["ENV_SUBSTITUTION"]),
        ({"config.process.0.datasets.0.resolution.0": "512"}, ["WRONG_TYPE"]),
        (
            {
                "config.process.0.train.gradient_accumulation": 2,
                "config.process.0.train.gradient_accumulation_steps": 2,
            },
            ["DEPRECATED", "GRADIENT_ACCUMULATION_TWICE"],
        ),
    ],
)
def test_a_change_is_checked_against_the_table(changes: dict[str, Any], found: list[str]) -> None:
    assert [each.code for each in check_patch(CONFIG, make_patch(CONFIG, changes))] == found


def test_a_misspelt_key_is_named_with_what_was_meant() -> None:
    (unknown, nothing) = check_patch(
        CONFIG, patch_of({"op": "replace", "path": "/config/process/0/train/stepz", "value": 9})
    )
    assert (unknown.code, unknown.expected) == ("UNKNOWN_KEY", ["steps"])
    assert (nothing.code, nothing.remedy) == ("PATH_INTO_NOTHING", "did you mean 'steps'?")


def test_removing_what_is_required_is_a_problem() -> None:
    (found,) = check_patch(
        CONFIG, patch_of({"op": "remove", "path": "/config/process/0/model/name_or_path"})
    )
    assert (found.code, found.path) == ("REQUIRED_MISSING", "config.process.0.model.name_or_path")


def test_an_item_put_behind_a_list_is_judged_as_one_of_its_block() -> None:
    row = {"op": "add", "path": "/config/process/0/datasets/-", "value": {"folder_pth": "/d"}}
    (found,) = check_patch(CONFIG, patch_of(row))
    assert (found.code, found.expected) == ("UNKNOWN_KEY", ["folder_path"])


def test_a_root_that_is_no_object_is_refused() -> None:
    patch = patch_of({"op": "replace", "path": "", "value": [1]})
    with pytest.raises(InvalidArgumentsError):
        apply_patch(CONFIG, patch)
    assert [each.code for each in check_patch(CONFIG, patch)] == ["WRONG_TYPE"]


@given(
    TREES, st.dictionaries(st.lists(WORDS, min_size=1, max_size=4).map(".".join), TREES, max_size=4)
)
def test_a_patch_sets_exactly_its_paths(tree: Any, changes: dict[str, Any]) -> None:
    config = {"config": tree}
    paths = {f"config.{path}": value for path, value in changes.items()}
    try:
        patch = make_patch(config, paths)
    except InvalidArgumentsError:
        return
    changed = apply_patch(config, patch)
    before, after = leaves(config), leaves(changed)
    places = {tuple(path.split(".")): value for path, value in paths.items()}
    for keys, value in places.items():
        found: Any = changed
        for key in keys:
            found = found[key]
        assert same_json(found, value)

    def set_by_the_patch(keys: tuple[str, ...]) -> bool:
        return any(keys[: len(place)] == place for place in places)

    for keys, value in after.items():
        assert set_by_the_patch(keys) or same_json(before.get(keys, changes), value)
    for keys, value in before.items():
        # A null or an empty object that is a parent now is no leaf any more.
        parent = value in (None, {}) and any(place[: len(keys)] == keys for place in places)
        assert set_by_the_patch(keys) or parent or keys in after


@given(patched())
def test_the_inverse_of_a_patch_restores_the_config(
    case: tuple[dict[str, Any], ConfigPatch],
) -> None:
    config, patch = case
    try:
        changed = apply_patch(config, patch)
    except AitkError:
        event("refused")
        return
    event("applied")
    assert same_json(apply_patch(changed, invert_patch(config, patch)), config)


@given(patched())
def test_a_patch_is_the_same_after_json(case: tuple[dict[str, Any], ConfigPatch]) -> None:
    _, patch = case
    text = json.dumps(patch.to_json(), allow_nan=False)
    again = ConfigPatch.from_json(json.loads(text))
    assert again.to_json() == patch.to_json()


@given(patched())
def test_a_patch_applies_whole_or_is_refused_and_the_check_agrees(
    case: tuple[dict[str, Any], ConfigPatch],
) -> None:
    config, patch = case
    before = deepcopy(config)
    found = {each.code for each in check_patch(config, patch)}
    try:
        changed: object = apply_patch(config, patch)
    except AitkError as error:
        changed = error
    assert same_json(config, before)
    if isinstance(changed, ConflictError):
        assert changed.details["reason"] in found
    else:
        assert isinstance(changed, dict) or "WRONG_TYPE" in found


@given(
    st.sampled_from(key_table().keys),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=10,
    ),
)
def test_any_json_for_any_key_of_a_real_config_is_checked(key: Any, value: Any) -> None:
    assume(not any(fault.kind == "shape" for fault in json_faults(value)))
    path = key.pattern.replace("[]", ".0")
    try:
        patch = make_patch(CONFIG, {path: value})
    except InvalidArgumentsError:
        return
    for each in check_patch(CONFIG, patch):
        assert each.path.isprintable()
        json.dumps([each.value, each.expected, each.message], allow_nan=False)


@given(
    st.recursive(
        LEAVES | st.text(max_size=3),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["op", "path", "value", "from"]), inner)
        ),
    )
)
def test_any_json_is_a_patch_or_a_typed_error(rows: Any) -> None:
    try:
        ConfigPatch.from_json(rows)
    except AitkError:
        return
    assert isinstance(rows, list)
