"""JSON into records and back, and nothing that JSON does not have."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.convert import clean_text, plain_json, structure, unstructure
from aitk_core.errors import InvalidArgumentsError


class Colour(StrEnum):
    RED = "red"


@frozen(kw_only=True)
class Point:
    step: int
    value: float | None = None


@frozen(kw_only=True)
class Curve:
    points: tuple[Point, ...] = ()
    extra: Any = None
    by_name: dict[str, Any] = field(factory=dict)


def test_numbers_that_json_lacks_become_null_at_any_depth() -> None:
    curve = Curve(
        points=(Point(step=1, value=math.nan), Point(step=2, value=math.inf)),
        extra=[-math.inf, {"deep": (math.nan, 1.5)}],
    )
    assert unstructure(curve) == {
        "points": [{"step": 1, "value": None}, {"step": 2, "value": None}],
        "extra": [None, {"deep": [None, 1.5]}],
        "by_name": {},
    }


def test_unpaired_surrogates_are_replaced_in_values_and_keys() -> None:
    found = unstructure(Curve(extra=["a\ud83d"], by_name={"\udc00": "\ud800b"}))
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    assert found["extra"] == ["a?"]
    assert found["by_name"] == {"?": "?b"}


def test_tuples_sets_views_and_enums_become_plain_json() -> None:
    value = {"t": (1, 2), "s": frozenset({3}), "m": MappingProxyType({"e": Colour.RED}), 5: None}
    assert plain_json(value) == {"t": [1, 2], "s": [3], "m": {"e": "red"}, "5": None}


def test_records_inside_free_values_are_written_out() -> None:
    found = unstructure(Curve(extra={"last": Point(step=3)}, by_name={"p": (Point(step=4),)}))
    assert found["extra"] == {"last": {"step": 3, "value": None}}
    assert found["by_name"] == {"p": [{"step": 4, "value": None}]}


def test_booleans_and_whole_numbers_stay_what_they_are() -> None:
    assert plain_json([True, 1, 1.0]) == [True, 1, 1.0]
    assert [type(item) for item in plain_json([True, 1, 1.0])] == [bool, int, float]


def test_numpy_floats_become_plain_and_other_numpy_values_are_left_for_the_contract() -> None:
    assert type(plain_json(np.float64(1.5))) is float
    assert plain_json(np.float64("nan")) is None
    assert isinstance(plain_json(np.int64(1)), np.int64)


FREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda part: (
        st.lists(part, max_size=3)
        | st.tuples(part)
        | st.dictionaries(st.text(st.characters(codec=None), max_size=3), part, max_size=3)
    ),
    max_leaves=10,
)


@given(FREE)
def test_anything_made_of_json_types_can_be_sent(value: Any) -> None:
    text = json.dumps(plain_json(value), allow_nan=False, ensure_ascii=False)
    assert plain_json(json.loads(text.encode("utf-8"))) == plain_json(value)


@given(st.text())
def test_text_that_can_be_sent_is_left_alone(text: str) -> None:
    assert clean_text(text) == text


def test_all_faults_of_a_value_are_told_at_once() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        structure(Curve, {"points": [{"step": "x"}, {}], "colour": 1})
    assert len(caught.value.details["faults"]) >= 3


def test_a_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(InvalidArgumentsError):
        structure(Point, {"step": 1, "value": 10**400})
