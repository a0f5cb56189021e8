"""An impossible declaration is refused where it is made, with its reason."""

from __future__ import annotations

from types import ModuleType
from typing import Any, cast

import pytest

from aitk_core.errors import InvalidSpecError
from aitk_core.settings import ServerSettings
from aitk_core.specs import (
    AnalyzerSpec,
    Lazy,
    ResourceSpec,
    SettingsSpec,
    ToolSpec,
)
from aitk_core.testing.plugins import (
    fake_tool,
    lazy,
    target_of,
)


async def nothing(_arguments: Any, _context: Any) -> None:
    raise NotImplementedError


def tool(name: str, **more: Any) -> ToolSpec:
    return fake_tool(nothing, name, **more)


INVALID: dict[str, Any] = {
    "handler that is no Lazy": lambda: ToolSpec(
        name="x", description="X.", handler=cast("Any", "module:function")
    ),
    "Lazy without an attribute": lambda: Lazy("module"),
    "Lazy with a call": lambda: Lazy("module:make()"),
    "both arguments and schema": lambda: tool("x", arguments=ServerSettings, schema={}),
    "a schema of a list": lambda: tool("x", schema={"type": "array"}),
    "a schema that is no JSON": lambda: tool("x", schema={"type": "object", "x": object()}),
    "a schema with NaN": lambda: tool("x", schema={"type": "object", "x": float("nan")}),
    "meta that is no JSON": lambda: tool("x", meta={"x": b"bytes"}),
    "read-only and destructive": lambda: tool("x", destructive=True),
    "no description": lambda: tool("x", description=""),
    "a description that is no text": lambda: tool("x", description=["X."]),
    "a contract without version": lambda: tool("x", contract="x"),
    "an argument class of no attrs": lambda: tool("x", arguments=dict),
    "proofs that are no Lazy": lambda: AnalyzerSpec(
        name="x", analyze=lazy(nothing), proofs=cast("Any", [])
    ),
    "an unknown subject": lambda: AnalyzerSpec(name="x", subject="moon", analyze=lazy(nothing)),
    "a uri that is no text": lambda: ResourceSpec(
        uri=cast("Any", ["x"]), name="x", description="X.", read=lazy(nothing)
    ),
    "a part named twice": lambda: ResourceSpec(
        uri="x://{a}/{a}", name="x", description="X.", read=lazy(nothing)
    ),
    "settings that are no attrs class": lambda: SettingsSpec(section="x", record=dict),
}


@pytest.mark.parametrize("make", INVALID.values(), ids=INVALID)
def test_an_impossible_spec_is_refused_where_it_is_made(make: Any) -> None:
    with pytest.raises(InvalidSpecError, match=r"."):
        make()


def test_lazy_imports_when_it_is_loaded() -> None:
    module = ModuleType("fake")
    assert Lazy[Any](target_of(module)).load() is module
    with pytest.raises(ImportError):
        Lazy[Any]("no_such_module:x").load()
    with pytest.raises(AttributeError):
        Lazy[Any]("json:no_such_attribute").load()
