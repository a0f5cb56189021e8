"""What is installed conforms, and what does not is named with its reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, frozen

from aitk_core.arguments import arg
from aitk_core.settings import setting
from aitk_core.specs import (
    AnalyzerSpec,
    BandPolicySpec,
    Lazy,
    PromptSpec,
    ResourceSpec,
    SettingsSpec,
)
from aitk_core.testing.conformance import assert_conforms, faults_of
from aitk_core.testing.plugins import declare, fake_tool, lazy, load_fake

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.registry import Registry


def test_everything_installed_conforms(registry: Registry) -> None:
    assert_conforms(registry)


def test_each_installed_plugin_conforms(registry: Registry) -> None:
    for plugin in registry.plugins:
        assert_conforms(registry, plugin.name)


async def nothing(_arguments: Any, _context: Any) -> None:
    raise NotImplementedError


@frozen(kw_only=True)
class Probe:
    job_id: str = arg(description="Job id.")


def good(**more: Any) -> Any:
    more = {"title": "Probe", "arguments": Probe, **more}
    return fake_tool(nothing, description="Counts what there is.", **more)


CONTRACT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://acme.test/probe.v1.schema.json",
    "title": "Probe",
    "description": "What there is.",
    "type": "object",
    "properties": {"n": {"$ref": "shared.v1.schema.json#/$defs/n"}},
}
SHARED = {
    "$id": "https://acme.test/shared.v1.schema.json",
    "$defs": {"n": {"type": "integer"}},
}


def load(folder: Path, contract: dict[str, Any] | None = None, **hooks: Any) -> Registry:
    named = {"probe": contract or CONTRACT, "shared": SHARED}
    for name, schema in named.items():
        (folder / f"{name}.v1.schema.json").write_text(json.dumps(schema), encoding="utf-8")
    return load_fake(acme=declare(aitk_schemas=[folder], **hooks))


def test_a_good_plugin_conforms(tmp_path: Path) -> None:
    assert_conforms(load(tmp_path, aitk_tools=[good(contract="probe.v1", text="json")]), "acme")


def test_problems_at_load_do_not_conform_and_are_told_all_at_once(tmp_path: Path) -> None:
    registry = load(tmp_path, aitk_tools=[5, good(title="")])
    with pytest.raises(AssertionError, match="5 is not a ToolSpec\ntools probe: has no title"):
        assert_conforms(registry)


def test_a_plugin_that_did_not_load_does_not_conform() -> None:
    registry = load_fake(good=declare())
    assert faults_of(registry, "acme") == ["plugin 'acme' is not loaded: there is good"]


def test_other_plugins_faults_are_not_this_one_s() -> None:
    registry = load_fake(bad=declare(aitk_tools=[good(title="")]), good=declare())
    assert faults_of(registry, "good") == []
    assert faults_of(registry, "bad") == ["tools probe: has no title"]


def of(schema: dict[str, Any]) -> Any:
    return good(arguments=None, schema={"type": "object", **schema})


NAMED = {"description": "X.", "type": "string"}


@pytest.mark.parametrize(
    ("tool", "fault"),
    [
        (good(title=""), "has no title"),
        (fake_tool(nothing, title="P", description="probe"), "the description holds no sentence"),
        (good(idempotent=False), "it is idempotent"),
        (good(text="json"), "answers JSON without a contract"),
        (evolve(good(), handler=Lazy("no_such_module:x")), "cannot be loaded"),
        (evolve(good(), handler=Lazy("json:__name__")), "is not callable"),
        (of({"properties": {"x": {"type": "moon"}}}), "the input schema is not valid"),
        (of({"properties": {"x": {"type": "string"}}}), "/x: has no description"),
        (of({"properties": {"a b": NAMED}}), "/a b: the name must match"),
        (of({"properties": {"x": {**NAMED, "default": 1}}}), "/x: the default 1 does not fit"),
        (of({"properties": {"x": {**NAMED, "$ref": "#/$defs/x"}}}), "has a $ref"),
        (of({"oneOf": [{}]}), "the root of the input schema has oneOf"),
        (
            of({"properties": {"a": {**NAMED, "properties": {
                "b": {**NAMED, "items": {"properties": {"c": NAMED}}}}}}}),
            "nests objects deeper than 2 levels",
        ),
        (
            of({"properties": {"a": {**NAMED, "items": {"properties": {"b": {}}}}}}),
            "/a/b: has no description",
        ),
    ],
)  # fmt: skip
def test_a_tool_that_some_host_refuses_is_named(tool: Any, fault: str, tmp_path: Path) -> None:
    faults = faults_of(load(tmp_path, aitk_tools=[tool]))
    assert any(found.startswith("tools probe: ") and fault in found for found in faults), faults


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"$id": "https://acme.test/other.v1.schema.json"}, "does not end in /probe.v1"),
        ({"$id": "https://elsewhere.test/probe.v1.schema.json"}, "is the $id of no installed"),
        ({"title": ""}, "has no title"),
        ({"description": ""}, "has no description"),
        ({"type": "array"}, "the root is not an object"),
        ({"properties": {"n": {"type": "moon"}}}, "is not valid"),
    ],
)
def test_a_contract_that_is_not_sound_is_named(
    changes: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    tool = good(contract="probe.v1")
    faults = faults_of(load(tmp_path, {**CONTRACT, **changes}, aitk_tools=[tool]))
    assert any(
        found.startswith("tools probe: contract probe.v1: ") and fault in found for found in faults
    ), faults


class Policy:
    def source(self) -> dict[str, Any]:
        return {"id": "other_v1"}


@frozen(kw_only=True)
class Clashing:
    level: str = setting("", env="LOG_LEVEL", description="")


def test_other_declarations_are_checked_too(tmp_path: Path) -> None:
    gone: Lazy[Any] = Lazy("no_such_module:x")
    faults = "\n".join(
        faults_of(
            load(
                tmp_path,
                aitk_analyzers=[AnalyzerSpec(name="acme", analyze=gone)],
                aitk_prompts=[
                    PromptSpec(name="p", description="", render=lazy(nothing), complete=gone)
                ],
                aitk_resources=[ResourceSpec(uri="x://y", name="y", description="", read=gone)],
                aitk_band_policies=[
                    BandPolicySpec(id="acme_v1", policy=lazy(Policy)),
                    BandPolicySpec(id="acme_v2", policy=gone),
                ],
                aitk_settings=[SettingsSpec(section="acme", record=Clashing)],
            )
        )
    )
    for fault in (
        "analyzers acme: analyze no_such_module:x cannot be loaded",
        "prompts p: complete no_such_module:x cannot be loaded",
        "prompts p: has no description",
        "resources x://y: has no description",
        "band_policies acme_v1: its source calls itself 'other_v1'",
        "band_policies acme_v2: cannot say where its bands come from",
        "settings acme.level: has no description",
        "settings acme.level: LOG_LEVEL is the name of another setting, too",
    ):
        assert fault in faults
