"""Throw-away plugins for tests: a registry of what a test declares, and nothing installed.

    async def probe(arguments, context): ...

    registry = load_fake(acme=declare(aitk_tools=[fake_tool(probe)]))
    result = call_fake(fake_application(fake_tool(probe)), "probe", {"x": 1})

What is handed over stays importable until the process ends, since a `Lazy` is imported when it
is used, not when it is declared.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from importlib.metadata import EntryPoint, distributions
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from aitk_core.hookspecs import GROUP, hookimpl
from aitk_core.registry import load_registry
from aitk_core.specs import Lazy, ToolSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from aitk_core.application import Application
    from aitk_core.context import Session
    from aitk_core.dispatch import Dispatcher
    from aitk_core.records.results import ToolResult
    from aitk_core.registry import Registry

T = TypeVar("T")

_MODULE: Final = "aitk_fake_plugins"
_NUMBERS: Final = itertools.count()


def target_of(value: object) -> str:
    """Return a `module:attribute` that leads to the object."""
    module = sys.modules.setdefault(_MODULE, ModuleType(_MODULE))
    # Entry points load in the order of their targets as text: 9 has to stand before 10.
    name = f"fake_{next(_NUMBERS):06}"
    setattr(module, name, value)
    return f"{_MODULE}:{name}"


def lazy(value: object) -> Lazy[Any]:
    """Return a `Lazy` that gives the object."""
    return Lazy(target_of(value))


def declare(**hooks: Iterable[object] | Callable[[], Any]) -> SimpleNamespace:
    """Return a plugin: `declare(aitk_tools=[...])`; a function is taken as the hook itself."""
    return SimpleNamespace(
        **{
            name: hookimpl(items if callable(items) else _giving(items))
            for name, items in hooks.items()
        }
    )


def _giving(items: Iterable[object]) -> Callable[[], Iterable[object]]:
    def hook() -> Iterable[object]:
        return items

    return hook


def fake_tool(handler: Callable[..., Any], name: str = "probe", **more: Any) -> ToolSpec:
    """Return a tool that runs the handler; without arguments or schema it takes anything."""
    if "arguments" not in more:
        more.setdefault("schema", {"type": "object"})
    more.setdefault("description", "For a test.")
    return ToolSpec(name=name, handler=lazy(handler), **more)


def fake_points(**plugins: object) -> list[EntryPoint]:
    """Return the entry points of plugins that belong to no distribution."""
    return [EntryPoint(name, target_of(plugin), GROUP) for name, plugin in plugins.items()]


def fake_distribution(
    folder: Path,
    distribution: str,
    plugins: Mapping[str, object],
    *,
    requires: Iterable[str] = ("aitk-core>=1,<2",),
) -> list[EntryPoint]:
    """Write the metadata of an installed distribution and return its entry points.

    Args:
        folder: Where it is written.
        distribution: Its name; the version is 1.0.
        plugins: By name; a text is taken as the target itself, such as `no_such_module`.
        requires: Its requirements.
    """
    home = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    home.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {distribution}", "Version: 1.0"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (home / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [f"[{GROUP}]"]
    for name, plugin in plugins.items():
        rows.append(f"{name} = {plugin if isinstance(plugin, str) else target_of(plugin)}")
    (home / "entry_points.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return [
        point
        for found in distributions(path=[str(folder)])
        if found.name == distribution
        for point in found.entry_points
    ]


def load_fake(
    points: Iterable[EntryPoint] = (),
    *,
    enable: Iterable[str] = (),
    disable: Iterable[str] = (),
    **plugins: object,
) -> Registry:
    """Return a registry of these plugins only: `load_fake(acme=declare(...))`.

    Args:
        points: Entry points beside them, such as `fake_distribution` gives.
        enable: Only these plugins, where any are named.
        disable: Never these.
        **plugins: Modules or objects with functions marked `@hookimpl`, by name.
    """
    return load_registry([*points, *fake_points(**plugins)], enable=enable, disable=disable)


def fake_application(
    *tools: ToolSpec, environment: Mapping[str, str] | None = None, **hooks: Any
) -> Application:
    """Return an application with one plugin, `acme`, and no backend.

    Args:
        *tools: Its tools.
        environment: The settings; nothing of this machine is read.
        **hooks: What else it declares, as for `declare`.
    """
    from aitk_core.application import Application
    from aitk_core.settings import SettingsSource

    return Application(
        points=fake_points(acme=declare(aitk_tools=tools, **hooks)),
        source=SettingsSource(environment=environment or {}),
        backend=cast("Any", object()),
    )


def with_dispatcher(
    application: Application, use: Callable[[Dispatcher, Session], Awaitable[T]]
) -> T:
    """Open the application and return what `use` gives for its dispatcher and a session."""
    from aitk_core.context import Session

    async def scenario() -> T:
        async with application:
            session = Session(request_id="test", policy=application.policy)
            return await use(application.dispatcher, session)

    return asyncio.run(scenario())


def call_fake(
    application: Application, name: str, arguments: Any = None, *, timeout_s: float | None = None
) -> ToolResult:
    """Open the application and run one of its tools.

    Raises:
        AitkError: The call failed.
    """
    from attrs import evolve

    return with_dispatcher(
        application,
        lambda dispatcher, session: dispatcher.call(
            name, arguments, evolve(session, timeout_s=timeout_s)
        ),
    )
