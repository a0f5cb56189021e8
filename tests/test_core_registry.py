"""Plugins are found, and one plugin's fault stays its own."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen
from typing_extensions import override

from aitk_core.application import Application
from aitk_core.errors import InvalidSettingError
from aitk_core.hookspecs import GROUP, hookimpl
from aitk_core.policy import Policy
from aitk_core.registry import load_registry
from aitk_core.settings import ServerSettings, SettingsSource, setting
from aitk_core.specs import (
    AnalyzerSpec,
    BackendSpec,
    BandPolicySpec,
    CommandSpec,
    FailureCatalogueSpec,
    PromptSpec,
    ResourceSpec,
    ServiceSpec,
    SettingsSpec,
    SinkSpec,
    WebRouteSpec,
)
from aitk_core.testing import plugins
from aitk_core.testing.plugins import (
    declare,
    fake_distribution,
    fake_points,
    fake_tool,
    lazy,
    load_fake,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aitk_core.specs import (
        ToolSpec,
    )


async def nothing(_arguments: Any, _context: Any) -> None:
    raise NotImplementedError


def tool(name: str, **more: Any) -> ToolSpec:
    return fake_tool(nothing, name, **more)


GOOD = declare(aitk_tools=[tool("good")])


class Raises:
    @hookimpl
    def aitk_tools(self) -> Iterator[ToolSpec]:
        yield tool("half")
        raise RuntimeError("boom")


class Exits:
    @hookimpl
    def aitk_tools(self) -> list[ToolSpec]:
        raise SystemExit(3)


class BadSpec:
    @hookimpl
    def aitk_tools(self) -> list[ToolSpec]:
        return [tool("Not Kebab")]


class Misspelt:
    @hookimpl
    def aitk_tool(self) -> list[ToolSpec]:
        return []


class WrongSignature:
    @hookimpl
    def aitk_analyzers(self) -> list[AnalyzerSpec]:
        return [AnalyzerSpec(name="half", analyze=lazy(nothing))]

    @hookimpl
    def aitk_tools(self, extra: int) -> list[ToolSpec]:
        return [tool("wrong")] * extra


class Unmarked:
    def aitk_tools(self) -> list[ToolSpec]:
        return [tool("never-seen")]


class ThrowsWhenLookedAt:
    @override
    def __dir__(self) -> list[str]:
        raise RuntimeError("do not look")


class BadRepr:
    @override
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def unsorted_hook() -> list[ToolSpec]:
    raise KeyError("no such key")


@pytest.mark.parametrize(
    ("bad", "stage", "reason"),
    [
        (Raises(), "aitk_tools", "RuntimeError: boom"),
        (Exits(), "aitk_tools", "SystemExit: 3"),
        (BadSpec(), "aitk_tools", "InvalidSpecError: name 'Not Kebab' must match"),
        (declare(aitk_tools=unsorted_hook), "aitk_tools", "KeyError: 'no such key'"),
        (declare(aitk_tools=lambda: None), "aitk_tools", "TypeError: 'NoneType' object is not"),
        (declare(aitk_tools=lambda: 5), "aitk_tools", "TypeError: 'int' object is not iterable"),
        (declare(aitk_tools=[{"a": "dict"}]), "aitk_tools", "{'a': 'dict'} is not a ToolSpec"),
        (declare(aitk_tools=[BadRepr()]), "aitk_tools", "<BadRepr instance at"),
        (Misspelt(), "register", "there is no hook aitk_tool"),
        (WrongSignature(), "register", "PluginValidationError"),
        (Unmarked(), "register", "aitk_tools is not marked @hookimpl"),
        (ThrowsWhenLookedAt(), "register", "RuntimeError: do not look"),
        (declare(aitk_tools=[tool("orphan", contract="missing.v1")]), "check",
         "orphan: no schema 'missing.v1'"),
        (declare(aitk_schemas=["a text is no folder"]), "aitk_schemas", "AttributeError"),
        (declare(aitk_analyzers=[tool("a")]), "aitk_analyzers", "ToolSpec("),
        (declare(aitk_settings=[SettingsSpec(section="http", record=ServerSettings)]),
         "aitk_settings", "section 'http' belongs to the core"),
    ],
)  # fmt: skip
def test_a_fault_stays_its_own(bad: object, stage: str, reason: str) -> None:
    registry = load_fake(bad=bad, good=GOOD)
    assert list(registry.tools) == ["good"]
    assert not registry.analyzers
    (problem,) = registry.problems
    assert (problem.plugin, problem.stage, problem.severity) == ("bad", stage, "error")
    assert problem.reason.startswith(reason)


def test_faults_are_logged_with_plugin_and_distribution(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="aitk_core.registry"):
        load_fake(bad=Raises())
    assert "plugin bad (?): aitk_tools: RuntimeError: boom" in caplog.text


def test_missing_schema_folder_is_reported(tmp_path: Path) -> None:
    registry = load_fake(bad=declare(aitk_schemas=[tmp_path / "gone"]), good=GOOD)
    (problem,) = registry.problems
    assert problem.stage == "aitk_schemas"
    assert list(registry.tools) == ["good"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read"),
        ("[]", "is not an object"),
        ('{"$ref": "missing.v1.schema.json#/$defs/x"}', "no schema 'missing.v1'"),
        ('{"$ref": "ok.v1.schema.json#/$defs/x"}', "has no definition 'x'"),
    ],
)
def test_a_broken_schema_costs_its_own_tool_only(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "bad.v1.schema.json").write_text(text, encoding="utf-8")
    (tmp_path / "ok.v1.schema.json").write_text('{"type": "object"}', encoding="utf-8")
    tools = [tool("bad", contract="bad.v1"), tool("ok", contract="ok.v1")]
    registry = load_fake(plugin=declare(aitk_schemas=[tmp_path], aitk_tools=tools))
    assert list(registry.tools) == ["ok"]
    (problem,) = registry.problems
    assert problem.stage == "check"
    assert reason in problem.reason
    registry.contracts.check_output("ok.v1", {})


def test_a_contract_name_taken_twice_is_reported(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.v1.schema.json").write_text("{}", encoding="utf-8")
    plugin = declare(aitk_schemas=[tmp_path / "a", tmp_path / "b", tmp_path / "a"])
    (problem,) = load_fake(plugin=plugin).problems
    assert problem.reason == "'x.v1' is already taken"


@pytest.mark.parametrize("target", ["no_such_module", "json:no_such_attribute"])
def test_import_failure_stays_its_own(target: str) -> None:
    registry = load_fake([EntryPoint("gone", target, GROUP)], good=GOOD)
    assert list(registry.tools) == ["good"]
    assert [(p.plugin, p.stage) for p in registry.problems] == [("gone", "load")]


def test_exit_at_import_stays_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exits_at_import.py").write_text("raise SystemExit(1)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = load_fake([EntryPoint("bad", "exits_at_import", GROUP)], good=GOOD)
    assert list(registry.tools) == ["good"]
    assert registry.problems[0].reason == "SystemExit: 1"


def test_a_plugin_for_another_core_is_refused_before_its_import(tmp_path: Path) -> None:
    points = fake_distribution(
        tmp_path, "acme-new", {"acme": "imports_nothing_of_this"}, requires=["aitk-core>=9"]
    )
    registry = load_fake(points, good=GOOD)
    (problem,) = registry.problems
    assert (problem.distribution, problem.stage) == ("acme-new", "version")
    assert problem.reason.startswith("written for aitk-core>=9, this is aitk-core ")
    assert list(registry.tools) == ["good"]


@pytest.mark.parametrize(
    "requires",
    [(), ("numpy",), ("aitk-core-extras>=1",), ('aitk-core>=1; extra == "server"',)],
)
def test_a_plugin_that_states_no_core_is_refused(tmp_path: Path, requires: tuple[str, ...]) -> None:
    points = fake_distribution(tmp_path, "acme", {"acme": GOOD}, requires=requires)
    (problem,) = load_fake(points).problems
    assert (
        problem.reason == "states no requirement on aitk-core, so its plugin interface is unknown"
    )


@pytest.mark.parametrize(
    "requires",
    [
        ("aitk-core>=1,<2",),
        ("AITK_Core~=1.0",),
        ("aitk-core[testing]",),
        ('aitk-core>=9; python_version < "3"', "aitk-core>=1"),
    ],
)
def test_a_plugin_for_this_core_is_loaded(tmp_path: Path, requires: tuple[str, ...]) -> None:
    registry = load_fake(fake_distribution(tmp_path, "acme", {"acme": GOOD}, requires=requires))
    assert registry.problems == ()
    assert [(p.name, p.distribution, p.version) for p in registry.plugins] == [
        ("acme", "acme", "1.0")
    ]


def test_an_unreadable_requirement_is_reported(tmp_path: Path) -> None:
    points = fake_distribution(tmp_path, "acme", {"acme": GOOD}, requires=["aitk-core>>1"])
    (problem,) = load_fake(points).problems
    assert problem.stage == "version"


def test_a_tool_name_taken_twice_names_both_owners(tmp_path: Path) -> None:
    first = fake_distribution(tmp_path / "1", "acme-one", {"a_first": GOOD})
    clash = declare(aitk_tools=[tool("good"), tool("other")])
    second = fake_distribution(tmp_path / "2", "acme-two", {"b_second": clash})
    registry = load_fake([*second, *first])
    assert list(registry.tools) == ["good", "other"]
    assert registry.tools["good"].plugin.distribution == "acme-one"
    (problem,) = registry.problems
    assert (problem.plugin, problem.distribution) == ("b_second", "acme-two")
    assert problem.reason == "'good' is already taken by a_first (acme-one)"


def test_an_analyzer_name_taken_twice_keeps_the_first() -> None:
    analyzer = AnalyzerSpec(name="same", analyze=lazy(nothing))
    registry = load_fake(
        a=declare(aitk_analyzers=[analyzer]), b=declare(aitk_analyzers=[analyzer, analyzer])
    )
    assert registry.analyzers["same"].plugin.name == "a"
    assert [p.reason for p in registry.problems] == ["'same' is already taken by a (?)"] * 2


def test_two_plugins_of_one_name_do_not_both_load() -> None:
    points = [*fake_points(same=GOOD), *fake_points(same=declare(aitk_tools=[tool("late")]))]
    registry = load_registry(points)
    assert list(registry.tools) == ["good"]
    (problem,) = registry.problems
    assert (problem.stage, problem.plugin) == ("register", "same")
    assert "already taken" in problem.reason


@pytest.mark.parametrize("before", [9, 99])
def test_fake_plugins_load_in_the_order_they_were_made(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr(plugins, "_NUMBERS", itertools.count(before))
    points = [*fake_points(same=GOOD), *fake_points(same=declare(aitk_tools=[tool("late")]))]
    assert list(load_registry(points).tools) == ["good"]


def test_one_object_under_two_names_is_loaded_once() -> None:
    registry = load_fake(a=GOOD, b=GOOD)
    assert [plugin.name for plugin in registry.plugins] == ["a"]
    assert list(registry.tools) == ["good"]
    assert registry.problems[0].reason == "is the same as 'a'"


def test_plugins_are_switched_on_and_off_by_name() -> None:
    other = declare(aitk_tools=[tool("other")])
    only = load_fake(enable=["a"], a=GOOD, b=other)
    assert (list(only.tools), only.disabled) == (["good"], ("b",))
    without = load_fake(disable=["a"], a=GOOD, b=other)
    assert (list(without.tools), without.disabled) == (["other"], ("a",))
    neither = load_fake(enable=["a"], disable=["a"], a=GOOD, b=other)
    assert (list(neither.tools), neither.disabled) == ([], ("a", "b"))


def test_a_disabled_plugin_is_not_imported() -> None:
    registry = load_fake([EntryPoint("gone", "no_such_module", GROUP)], disable=["gone"])
    assert (registry.problems, registry.disabled) == ((), ("gone",))


@pytest.mark.parametrize(
    "variable",
    ["AITK_DISABLE_PLUGINS", "AITK_ENABLE_PLUGINS", "AITK_TOOLSETS", "AITK_TOOLS",
     "AITK_EXCLUDE_TOOLS"],
)  # fmt: skip
def test_a_name_that_is_not_installed_is_refused_at_start(variable: str) -> None:
    source = SettingsSource(environment={variable: "goood"})
    enabled = variable == "AITK_ENABLE_PLUGINS"
    with pytest.raises(InvalidSettingError, match=f"{variable} names 'goood'") as caught:
        Application(source=source, points=fake_points(good=GOOD))
    assert ("did you mean 'good'" in str(caught.value)) is True or enabled


def test_a_warning_does_not_switch_off_the_check_of_names() -> None:
    odd = declare(aitk_tools=[tool("odd", schema={"type": "object", "anyOf": [{}]})])
    registry = load_fake(odd=odd)
    (problem,) = registry.problems
    assert problem.severity == "warning"
    assert list(registry.tools) == ["odd"]
    with pytest.raises(InvalidSettingError):
        Policy.of(ServerSettings(exclude_tools=("od",)), registry)


def test_order_of_entry_points_does_not_matter() -> None:
    points = fake_points(a=GOOD, b=declare(aitk_tools=[tool("good"), tool("b")]))
    forth, back = load_registry(points), load_registry(points[::-1])
    assert {k: v.plugin.name for k, v in forth.tools.items()} == {
        k: v.plugin.name for k, v in back.tools.items()
    }


def test_every_hook_fills_its_part(tmp_path: Path) -> None:
    @frozen(kw_only=True)
    class AcmeSettings:
        colour: str = setting("red", env="ACME_COLOUR", description="A colour.")

    (tmp_path / "acme.v1.schema.json").write_text('{"type": "object"}', encoding="utf-8")
    code = lazy(nothing)
    registry = load_fake(
        acme=declare(
            aitk_tools=[tool("acme", contract="acme.v1")],
            aitk_analyzers=[AnalyzerSpec(name="acme", analyze=code)],
            aitk_failure_catalogues=[FailureCatalogueSpec(name="acme", document=code)],
            aitk_sinks=[SinkSpec(kind="acme", open=code)],
            aitk_services=[ServiceSpec(name="acme", run=code)],
            aitk_band_policies=[BandPolicySpec(id="acme_v1", policy=code)],
            aitk_schemas=[tmp_path],
            aitk_resources=[ResourceSpec(uri="acme://x", name="x", description="X.", read=code)],
            aitk_web_routes=[WebRouteSpec(path="/acme", handler=code)],
            aitk_prompts=[PromptSpec(name="acme", description="P.", render=code)],
            aitk_settings=[SettingsSpec(section="acme", record=AcmeSettings)],
            aitk_backends=[BackendSpec(kind="acme", summary="B.", open=code)],
            aitk_commands=[CommandSpec(name="acme", summary="C.", run=code)],
        )
    )
    assert registry.problems == ()
    assert [len(getattr(registry, part)) for part in (
        "tools", "analyzers", "failure_catalogues", "sinks", "services", "band_policies",
        "resources", "web_routes", "prompts", "settings", "backends", "commands",
    )] == [1] * 12  # fmt: skip
    assert list(registry.contracts) == ["acme.v1"]
    assert list(registry.sections()) == ["server", "http", "outbound", "acme"]


def test_listing_tools_imports_nothing_heavy() -> None:
    code = (
        "import sys; from aitk_core.registry import load_registry; r = load_registry();"
        "print(*({m.partition('.')[0] for m in sys.modules} & {'mcp', 'mcp_types', 'httpx',"
        " 'jsonschema', 'cattrs', 'numpy', 'PIL', 'starlette', 'pydantic', 'safetensors',"
        " 'prometheus_client'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.split() == []


def test_first_party_plugins_load_without_problems(registry: Any) -> None:
    assert registry.problems == ()
    assert {"observability", "sandbox", "training"} <= {p.name for p in registry.plugins}


def test_a_registry_serves_names_in_order() -> None:
    registry = load_fake(x=declare(aitk_tools=[tool("b"), tool("a")]))
    assert json.dumps(list(registry.tools)) == '["a", "b"]'


def test_plugin_objects_may_be_modules_instances_or_namespaces() -> None:
    module = ModuleType("acme")
    vars(module)["aitk_tools"] = hookimpl(lambda: [tool("of-module")])
    namespace = SimpleNamespace(aitk_tools=hookimpl(lambda: [tool("of-namespace")]))
    assert list(load_fake(a=module, b=namespace).tools) == ["of-module", "of-namespace"]
