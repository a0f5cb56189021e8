"""One attrs class gives type, default, bounds, description and schema of a tool's arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Optional

import attrs
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aitk_core.arguments import arg, input_schema_of
from aitk_core.contracts import check_arguments, compile_schema
from aitk_core.convert import structure, unstructure
from aitk_core.errors import InvalidArgumentsError, InvalidSpecError


@frozen(kw_only=True)
class Inner:
    depth: int = arg(1, description="Levels.", minimum=0, maximum=9)
    label: str = arg(description="A word.", max_length=5)


@frozen(kw_only=True)
class Everything:
    text: str = arg(description="Text.", min_length=1, max_length=8, pattern="^[a-z]+$")
    count: int = arg(10, description="How many.", minimum=1, maximum=100)
    share: float = arg(0.5, description="A part of the whole.", exclusive_minimum=0, maximum=1)
    flag: bool = arg(False, description="Yes or no.")
    mode: Literal["fast", "exact"] = arg("fast", description="Which way.")
    level: Literal[1, 2, 3] = arg(1, description="Which level.")
    names: tuple[str, ...] = arg((), description="Names.", max_items=3, items={"max_length": 4})
    inner: Inner | None = arg(None, description="More of it.")
    config: Mapping[str, Any] | None = arg(None, description="A config.")
    value: Any = arg(None, description="Anything.")
    ids: int | tuple[int, ...] = arg((), description="One or more.")
    either: str | int | None = arg(None, description="Text or number.")
    ratio: float | str = arg(1.0, description="A number or a word.")
    old: Optional[int] = arg(None, description="As it was written once.")  # noqa: UP045 - takes it


SCHEMA = input_schema_of(Everything)


def test_the_schema_says_type_default_bounds_and_meaning() -> None:
    assert SCHEMA == {
        "type": "object",
        "properties": {
            "text": {
                "type": "string",
                "minLength": 1,
                "maxLength": 8,
                "pattern": "^[a-z]+$",
                "description": "Text.",
            },
            "count": {
                "type": "integer",
                "minimum": 1,
                "maximum": 100,
                "description": "How many.",
                "default": 10,
            },
            "share": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 1,
                "description": "A part of the whole.",
                "default": 0.5,
            },
            "flag": {"type": "boolean", "description": "Yes or no.", "default": False},
            "mode": {
                "type": "string",
                "enum": ["fast", "exact"],
                "description": "Which way.",
                "default": "fast",
            },
            "level": {
                "type": "integer",
                "enum": [1, 2, 3],
                "description": "Which level.",
                "default": 1,
            },
            "names": {
                "type": "array",
                "items": {"type": "string", "maxLength": 4},
                "maxItems": 3,
                "description": "Names.",
                "default": [],
            },
            "inner": {
                "type": "object",
                "properties": {
                    "depth": {
                        "type": "integer",
                        "minimum": 0,
                        "maximum": 9,
                        "description": "Levels.",
                        "default": 1,
                    },
                    "label": {"type": "string", "maxLength": 5, "description": "A word."},
                },
                "required": ["label"],
                "additionalProperties": False,
                "description": "More of it.",
            },
            "config": {"type": "object", "description": "A config."},
            "value": {"description": "Anything."},
            "ids": {
                "type": ["integer", "array"],
                "items": {"type": "integer"},
                "description": "One or more.",
                "default": [],
            },
            "either": {"type": ["string", "integer"], "description": "Text or number."},
            "ratio": {
                "type": ["number", "string"],
                "description": "A number or a word.",
                "default": 1.0,
            },
            "old": {"type": "integer", "description": "As it was written once."},
        },
        "required": ["text"],
        "additionalProperties": False,
    }


def test_the_schema_is_valid_flat_and_plain_json() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    text = json.dumps(SCHEMA, allow_nan=False)
    assert "$ref" not in text
    assert "anyOf" not in text


def test_a_record_as_default_is_written_as_json() -> None:
    @frozen(kw_only=True)
    class Outer:
        inner: Inner = arg(Inner(label="x"), description="More.")

    assert input_schema_of(Outer)["properties"]["inner"]["default"] == {"depth": 1, "label": "x"}


def test_a_factory_makes_an_argument_optional_without_a_default() -> None:
    @frozen(kw_only=True)
    class Listed:
        names: tuple[str, ...] = arg(attrs.Factory(tuple), description="Names.")

    schema = input_schema_of(Listed)
    assert "required" not in schema
    assert "default" not in schema["properties"]["names"]
    assert structure(Listed, {}) == Listed(names=())


def test_examples_and_items_of_tuples_become_lists() -> None:
    @frozen(kw_only=True)
    class Shown:
        names: tuple[str, ...] = arg(description="Names.", examples=(("a", "b"),), min_items=1)

    assert input_schema_of(Shown)["properties"]["names"]["examples"] == [["a", "b"]]


@pytest.mark.parametrize(
    "hint",
    [complex, bytes, object, tuple, list, tuple[int, str], tuple[()], tuple[int], int | Inner,
     Literal[b"x"], Literal["a"] | int, tuple[int, ...] | list[str], type(None), set[str]],
    ids=str,
)  # fmt: skip
def test_a_type_that_json_cannot_say_is_refused(hint: Any) -> None:
    record = attrs.make_class("Record", {"x": attrs.field(type=hint)})
    with pytest.raises(InvalidSpecError) as caught:
        input_schema_of(record)
    assert caught.value.details["field"] == "x"


def test_misuse_is_refused_where_the_record_is_made() -> None:
    with pytest.raises(InvalidSpecError, match="min"):
        arg(description="X.", min=1)
    with pytest.raises(InvalidSpecError, match="largest"):
        arg(description="X.", items={"largest": 1})
    with pytest.raises(InvalidSpecError, match="not an attrs class"):
        input_schema_of(dict)

    @frozen(kw_only=True)
    class NoList:
        x: int = arg(description="X.", items={"minimum": 1})

    with pytest.raises(InvalidSpecError, match="no list"):
        input_schema_of(NoList)


SMALL = st.text(alphabet="abcdefghij", min_size=1, max_size=4)
FITTING = st.fixed_dictionaries(
    {"text": SMALL},
    optional={
        "count": st.integers(1, 100) | st.integers(1, 100).map(float),
        "share": st.floats(0, 1, exclude_min=True) | st.just(1),
        "flag": st.booleans(),
        "mode": st.sampled_from(["fast", "exact"]),
        "level": st.sampled_from([1, 2, 3]),
        "names": st.lists(SMALL, max_size=3),
        "inner": st.fixed_dictionaries(
            {"label": SMALL}, optional={"depth": st.integers(0, 9) | st.just(2.0)}
        ),
        "config": st.dictionaries(SMALL, st.none() | st.integers() | st.lists(SMALL)),
        "value": st.none() | SMALL | st.lists(st.integers() | SMALL) | st.just({"a": [1]}),
        "ids": st.integers() | st.just(3.0) | st.lists(st.integers() | st.just(1.0)),
        "either": SMALL | st.integers() | st.just(4.0),
        # Whole numbers that a float holds; JSON has one kind of number.
        "ratio": st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(2**53), 2**53)
        | SMALL,
        "old": st.integers(),
    },
)


@given(FITTING)
def test_what_fits_the_schema_structures_and_comes_back_the_same(value: dict[str, Any]) -> None:
    check_arguments("tool", compile_schema(SCHEMA), value)
    record = structure(Everything, value)
    back = unstructure(record)
    assert {key: back[key] for key in value if key != "inner"} == {
        key: item for key, item in value.items() if key != "inner"
    }
    if "inner" in value:
        assert back["inner"] == {"depth": 1, **value["inner"]}
    assert isinstance(record.count, int)
    assert isinstance(record.share, float)
    assert isinstance(record.names, tuple)
    assert isinstance(record.ids, int | tuple)
    assert isinstance(record.either, str | int | None)
    assert isinstance(record.ratio, float | str)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(SCHEMA["properties"])), JSON)
def test_any_json_either_structures_or_is_refused_with_its_pointer(name: str, value: Any) -> None:
    arguments = {"text": "abc", name: value}
    try:
        check_arguments("tool", compile_schema(SCHEMA), arguments)
    except InvalidArgumentsError as error:
        faults = error.details["faults"]
        assert faults
        assert all(fault["path"].startswith(f"/{name}") for fault in faults)
    else:
        structure(Everything, arguments)


@pytest.mark.parametrize(
    ("arguments", "path", "message"),
    [
        ({}, "/text", "is required"),
        ({"text": "abc", "count": "10"}, "/count", "'10' is not of type 'integer'"),
        ({"text": "abc", "count": True}, "/count", "True is not of type 'integer'"),
        ({"text": "abc", "count": 1.5}, "/count", "1.5 is not of type 'integer'"),
        ({"text": "abc", "count": 0}, "/count", "0 is less than the minimum of 1"),
        ({"text": "abc", "flag": "false"}, "/flag", "'false' is not of type 'boolean'"),
        ({"text": "abc", "flag": 0}, "/flag", "0 is not of type 'boolean'"),
        ({"text": "abc", "share": 0}, "/share", "0 is less than or equal to the minimum of 0"),
        ({"text": "abc", "mode": "Fast"}, "/mode", "'Fast' is not one of ['fast', 'exact']"),
        ({"text": "abc", "names": "a"}, "/names", "'a' is not of type 'array'"),
        ({"text": "abc", "names": ["a", "toolong"]}, "/names/1", "'toolong' is too long"),
        ({"text": "abc", "inner": {"label": "x", "depth": 10}}, "/inner/depth",
         "10 is greater than the maximum of 9"),
        ({"text": "abc", "inner": {}}, "/inner", "'label' is a required property"),
        ({"text": "abc", "cuont": 1}, "/cuont", "unknown argument; did you mean 'count'?"),
    ],
)  # fmt: skip
def test_pitfall_73_74_115_a_wrong_value_is_refused_not_bent(
    arguments: dict[str, Any], path: str, message: str
) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        check_arguments("tool", compile_schema(SCHEMA), arguments)
    assert caught.value.details["faults"] == [{"path": path, "message": message}]
    assert f"{path}: {message}" in str(caught.value)


def test_an_unknown_name_like_no_other_is_told_the_known_ones() -> None:
    schema = {"type": "object", "properties": {"a": {}, "b": {}}, "additionalProperties": False}
    with pytest.raises(InvalidArgumentsError, match="known: a, b"):
        check_arguments("tool", compile_schema(schema), {"quite_different": 1})
    none = {"type": "object", "properties": {}, "additionalProperties": False}
    with pytest.raises(InvalidArgumentsError, match="known: none"):
        check_arguments("tool", compile_schema(none), {"x": 1})


def test_all_faults_are_told_at_once_and_not_without_end() -> None:
    wrong = {f"unknown_{index:02}": 1 for index in range(30)}
    with pytest.raises(InvalidArgumentsError) as caught:
        check_arguments("tool", compile_schema(SCHEMA), wrong)
    assert len(caught.value.details["faults"]) == 20
    assert str(caught.value).count("unknown argument") == 5 or "/text" in str(caught.value)
    assert "(and 26 more)" in str(caught.value)


def test_long_values_and_names_are_cut_in_messages() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        check_arguments("tool", compile_schema(SCHEMA), {"text": "ab" * 10_000, "x" * 999: 1})
    assert len(str(caught.value)) < 1000


def test_a_pointer_escapes_what_json_pointers_escape() -> None:
    schema = {"type": "object", "properties": {"a/b~c": {"type": "string"}}}
    with pytest.raises(InvalidArgumentsError) as caught:
        check_arguments("tool", compile_schema(schema), {"a/b~c": 1})
    assert caught.value.details["faults"][0]["path"] == "/a~1b~0c"


def test_a_null_is_a_left_out_field_of_a_record_inside_an_argument() -> None:
    @frozen(kw_only=True)
    class Item:
        name: str = arg(description="A word.")
        note: str | None = arg(None, description="More of it.")

    schema = input_schema_of(Item, nested=True)
    assert schema["properties"]["note"]["type"] == ["string", "null"]
    assert schema["properties"]["name"]["type"] == "string"
    assert structure(Item, {"name": "a", "note": None}) == structure(Item, {"name": "a"})
    # The dispatcher drops the null of an argument itself.
    assert input_schema_of(Item)["properties"]["note"]["type"] == "string"
