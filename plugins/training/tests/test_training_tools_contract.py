"""Declarations, records and schemas of the training tools agree."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import attrs
import pytest
from jsonschema import Draft202012Validator

from aitk_core.registry import load_registry
from aitk_training.tools import outputs_configs, outputs_jobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.specs import ToolSpec

REGISTRY = load_registry(entry_points(group="aitk.plugins", name="training"))
TOOLS: dict[str, ToolSpec] = {name: owned.spec for name, owned in REGISTRY.tools.items()}
RECORDS: dict[str, type] = {
    "create-training-config": outputs_configs.CreatedConfig,
    "list-configs": outputs_configs.ConfigList,
    "get-config": outputs_configs.ConfigText,
    "get-training-info": outputs_configs.ConfigInfo,
    "start-training": outputs_jobs.StartedTraining,
    "stop-training": outputs_jobs.StoppedTraining,
    "get-training-status": outputs_jobs.TrainingStatus,
    "list-training-jobs": outputs_jobs.JobPage,
}
CHARS_PER_TOKEN = 4


def record_in(hint: Any) -> type | None:
    """The record that a field holds, bare, optional or in a tuple."""
    if isinstance(hint, type) and attrs.has(hint):
        return hint
    return next((found for each in get_args(hint) if (found := record_in(each))), None)


def disagreements(record: type, schema: Mapping[str, Any], where: str) -> list[str]:
    """Places where a schema names other fields than its record, or leaves one undescribed."""
    fields = {field.name for field in attrs.fields(record)}
    properties = schema.get("properties", {})
    found = [f"{where}/{name}" for name in fields ^ set(properties)]
    found += [f"{where}: required" for _ in [0] if set(schema.get("required", ())) != fields]
    found += [f"{where}: open" for _ in [0] if schema.get("additionalProperties") is not False]
    hints = get_type_hints(record)
    for name in fields & set(properties):
        if not properties[name].get("description"):
            found.append(f"{where}/{name}: not described")
        inner = record_in(hints[name])
        if inner is not None:
            nested = properties[name].get("items", properties[name])
            found += disagreements(inner, nested, f"{where}/{name}")
    return found


def test_the_plugin_alone_offers_its_eight_tools_without_a_problem() -> None:
    assert REGISTRY.problems == ()
    assert set(TOOLS) == set(RECORDS)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_schema_has_the_fields_of_its_record(name: str) -> None:
    schema = REGISTRY.contracts[f"{name}.v1"]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f"/schemas/{name}.v1.schema.json")
    assert schema["title"]
    assert schema["description"]
    assert schema["type"] == "object"
    assert not disagreements(RECORDS[name], schema, "")


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_handlers_are_there_and_arguments_described(name: str) -> None:
    spec = TOOLS[name]
    assert callable(spec.handler.load())
    for argument, schema in spec.input_schema["properties"].items():
        assert schema.get("description"), argument


def test_the_declarations_keep_to_their_token_budget() -> None:
    chars = sum(
        len(spec.name)
        + len(spec.description)
        + len(json.dumps(spec.input_schema, separators=(",", ":")))
        for spec in TOOLS.values()
    )
    assert chars / CHARS_PER_TOKEN < 2000
    assert sum(bool(spec.hint) for spec in TOOLS.values()) <= 2


def test_annotations_say_what_a_tool_can_do() -> None:
    reading = {"list-configs", "get-config", "get-training-info"}
    reading |= {"get-training-status", "list-training-jobs"}
    assert {name for name, spec in TOOLS.items() if spec.read_only} == reading
    assert {name for name, spec in TOOLS.items() if spec.destructive} == set(TOOLS) - reading
    assert not TOOLS["start-training"].idempotent


def test_the_contracts_arguments_are_there() -> None:
    contract = {
        "create-training-config": {
            "name", "model_name", "dataset_path", "resolution", "batch_size", "learning_rate",
            "steps", "rank", "alpha", "use_wandb", "low_vram", "trigger_word", "test_prompts",
            "disable_sampling",
        },
        "list-configs": set(),
        "get-config": {"name"},
        "get-training-info": {"name"},
        "start-training": {"config_name"},
        "get-training-status": {"job_id"},
        "stop-training": {"job_id"},
        "list-training-jobs": set(),
    }  # fmt: skip
    for name, arguments in contract.items():
        assert arguments <= set(TOOLS[name].input_schema["properties"]), name


def test_pitfall_73_bounds_stand_in_the_schema_for_every_way_in() -> None:
    properties = TOOLS["create-training-config"].input_schema["properties"]
    for name in ("resolution", "batch_size", "steps", "rank", "alpha"):
        assert properties[name]["minimum"] >= 1
        assert "maximum" in properties[name]
    assert properties["learning_rate"]["exclusiveMinimum"] == 0
    limit = TOOLS["list-training-jobs"].input_schema["properties"]["limit"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 500, 50)
