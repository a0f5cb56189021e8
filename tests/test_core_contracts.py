"""Contracts resolve among the installed folders, and nothing else."""

from __future__ import annotations

import json
import math
import socket
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from aitk_core.contracts import ContractStore, compile_schema, list_faults
from aitk_core.errors import OutputSchemaViolationError, UnknownContractError
from aitk_core.testing.plugins import declare, load_fake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BASE = "https://schemas.test/"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    asked: list[Any] = []

    def refuse(*arguments: Any, **_keywords: Any) -> NoReturn:
        asked.append(arguments)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert asked == []


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., ContractStore]:
    """Return a function that makes a store of schemas by name, `$id` added where missing."""

    def make(**schemas: Any) -> ContractStore:
        for name, schema in schemas.items():
            file = tmp_path / f"{name}.v1.schema.json"
            named = {"$id": f"{BASE}{name}.v1.schema.json", **schema}
            file.write_text(json.dumps(named), encoding="utf-8")
        found = ContractStore()
        assert found.add(tmp_path) == []
        return found

    return make


def test_names_are_those_of_the_files(store: Callable[..., ContractStore], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no schema", encoding="utf-8")
    found = store(b={}, a={})
    assert list(found) == ["a.v1", "b.v1"]
    assert "a.v1" in found
    assert "a" not in found


def test_a_missing_contract_has_its_own_error(store: Callable[..., ContractStore]) -> None:
    found = store()
    for ask in (lambda: found["x.v1"], lambda: found.bundled("x.v1"),
                lambda: found.check_output("x.v1", {})):  # fmt: skip
        with pytest.raises(UnknownContractError) as caught:
            ask()
        assert caught.value.details["contract"] == "x.v1"


def test_references_between_files_resolve_without_the_network(
    store: Callable[..., ContractStore],
) -> None:
    found = store(
        common={"$defs": {"share": {"type": "number", "maximum": 1}}},
        answer={"properties": {"part": {"$ref": "common.v1.schema.json#/$defs/share"}}},
    )
    found.check_output("answer.v1", {"part": 0.5})
    with pytest.raises(OutputSchemaViolationError):
        found.check_output("answer.v1", {"part": 2})


def test_an_unknown_reference_is_an_error_and_fetches_nothing(
    store: Callable[..., ContractStore],
) -> None:
    found = store(answer={"properties": {"x": {"$ref": "https://elsewhere.test/x.json"}}})
    with pytest.raises(UnknownContractError, match="cannot be used"):
        found.check_output("answer.v1", {"x": 1})


def test_an_input_schema_fetches_nothing_either() -> None:
    validator = compile_schema({"properties": {"x": {"$ref": "https://elsewhere.test/x.json"}}})
    with pytest.raises(Exception, match="elsewhere"):
        list_faults(validator, {"x": 1})


def test_a_schema_that_is_none_is_an_error_of_its_own(store: Callable[..., ContractStore]) -> None:
    found = store(answer={"type": "no such type"}, good={"type": "object"})
    with pytest.raises(UnknownContractError):
        found.check_output("answer.v1", {})
    found.check_output("good.v1", {})


def test_a_foreign_schema_cannot_stand_in_for_a_shared_one(
    store: Callable[..., ContractStore],
) -> None:
    found = store(
        common={"$defs": {"share": {"type": "number"}}},
        answer={"properties": {"part": {"$ref": "common.v1.schema.json#/$defs/share"}}},
        zzz={"$id": f"{BASE}common.v1.schema.json", "$defs": {"share": {"type": "string"}}},
    )
    found.check_output("answer.v1", {"part": 0.5})


def test_bundled_takes_in_shared_definitions_at_any_depth(
    store: Callable[..., ContractStore],
) -> None:
    found = store(
        common={
            "$defs": {
                "finding": {"properties": {"remedy": {"$ref": "#/$defs/remedy"}}},
                "remedy": {"properties": {"next": {"$ref": "#/$defs/finding"}}},
            }
        },
        answer={
            "type": "object",
            "$defs": {"own": {"items": {"$ref": "common.v1.schema.json#/$defs/finding"}}},
            "properties": {"list": {"$ref": "#/$defs/own", "description": "Stays."}},
        },
    )
    bundled = found.bundled("answer.v1")
    assert bundled["properties"]["list"] == {"$ref": "#/$defs/own", "description": "Stays."}
    assert bundled["$defs"] == {
        "own": {"items": {"$ref": "#/$defs/finding"}},
        "finding": {"properties": {"remedy": {"$ref": "#/$defs/remedy"}}},
        "remedy": {"properties": {"next": {"$ref": "#/$defs/finding"}}},
    }
    assert found["answer.v1"]["$defs"]["own"]["items"]["$ref"].startswith("common")


def test_bundled_keeps_definitions_of_one_name_apart(store: Callable[..., ContractStore]) -> None:
    found = store(
        common={"$defs": {"x": {"type": "integer"}}},
        other={"$defs": {"x": {"type": "boolean"}}},
        answer={
            "$defs": {"x": {"type": "string"}},
            "properties": {
                "a": {"$ref": "#/$defs/x"},
                "b": {"$ref": "common.v1.schema.json#/$defs/x"},
                "c": {"$ref": "other.v1.schema.json#/$defs/x"},
            },
        },
    )
    alone = Draft202012Validator(found.bundled("answer.v1"))
    assert alone.is_valid({"a": "text", "b": 1, "c": True})
    assert not alone.is_valid({"b": "text"})
    assert not alone.is_valid({"c": 1})


def test_bundled_takes_in_whole_schemas_and_deep_pointers(
    store: Callable[..., ContractStore],
) -> None:
    found = store(
        whole={"type": "integer", "$defs": {"deep": {"properties": {"p": {"type": "null"}}}}},
        answer={
            "properties": {
                "whole": {"$ref": "whole.v1.schema.json"},
                "deep": {"$ref": "whole.v1.schema.json#/$defs/deep/properties/p"},
                "again": {"$ref": "#"},
            },
            "additionalProperties": False,
        },
    )
    alone = Draft202012Validator(found.bundled("answer.v1"))
    assert alone.is_valid({"whole": 1, "deep": None, "again": {"whole": 2}})
    assert not alone.is_valid({"whole": "x"})
    assert not alone.is_valid({"deep": 1})
    assert not alone.is_valid({"again": {"x": 1}})


def test_an_outline_is_two_levels_deep_and_refers_to_nothing(
    store: Callable[..., ContractStore],
) -> None:
    deep = {
        "type": "object",
        "description": "A part.",
        "required": ["b"],
        "properties": {
            "b": {
                "type": "object",
                "description": "Deeper.",
                "required": ["c"],
                "properties": {"c": {"type": "integer"}},
            }
        },
    }
    schema = {
        "$id": "https://acme.test/answer.v1.schema.json",
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": deep,
            "d": {"$ref": "#/$defs/own", "description": "Stays."},
            "e": {"oneOf": [{"$ref": "#/$defs/own"}, {"type": "object"}]},
            "$ref": {"type": "string"},
        },
        "$defs": {"own": {"type": "object", "description": "Own.", "required": ["x"]}},
    }
    outline = store(answer=schema).outline("answer.v1")
    assert outline["required"] == ["a"]
    parts = outline["properties"]
    assert parts["a"]["required"] == ["b"]
    assert parts["a"]["properties"]["b"] == {"type": "object"}
    assert parts["d"] == {"type": "object", "description": "Stays."}
    assert parts["e"] == {"anyOf": [{"type": "object", "description": "Own."}, {"type": "object"}]}
    assert parts["$ref"] == {"type": "string"}
    assert "$defs" not in outline


def test_bundled_names_a_reference_it_cannot_follow(store: Callable[..., ContractStore]) -> None:
    found = store(
        other={"properties": {"x": {}}},
        answer={"items": {"$ref": "other.v1.schema.json#/properties/x"}},
    )
    with pytest.raises(UnknownContractError, match="points to no definition"):
        found.bundled("answer.v1")


def test_every_installed_contract_stands_alone_when_bundled(registry: Any) -> None:
    for owned in registry.tools.values():
        text = json.dumps(registry.contracts.bundled(owned.spec.contract))
        assert '"$ref": "#/$defs/' in text or '"$ref"' not in text
        Draft202012Validator.check_schema(json.loads(text))


def test_a_violation_says_where_and_not_too_much(store: Callable[..., ContractStore]) -> None:
    item = {"type": "object", "properties": {"n": {"type": "integer"}}}
    found = store(answer={"properties": {"rows": {"items": item}}})
    with pytest.raises(OutputSchemaViolationError) as caught:
        found.check_output("answer.v1", {"rows": [{"n": 1}, {"n": "x" * 5000}] + [{"n": None}] * 9})
    faults = caught.value.details["faults"]
    assert [fault["path"] for fault in faults[:2]] == ["/rows/1/n", "/rows/2/n"]
    assert len(faults) == 5
    assert len(json.dumps(faults)) < 3000
    assert str(caught.value) == "answer does not fit answer.v1 at /rows/1/n"


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, np.int64(1), np.float32(1), np.array([1]), b"bytes", {1}, cyclic(),
     object()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_pitfall_71_what_json_does_not_have_is_refused(
    store: Callable[..., ContractStore], value: Any
) -> None:
    with pytest.raises(OutputSchemaViolationError, match="is not JSON"):
        store(answer={}).check_output("answer.v1", {"x": value})


def test_a_folder_inside_a_package_serves_as_well_as_one_on_disk() -> None:
    registry = load_fake(plugin=declare(aitk_schemas=[files("jsonschema")]))
    assert registry.problems == ()
    assert list(registry.contracts) == []
