"""Finds plugins and keeps what they declare, one plugin's fault from the next."""

from __future__ import annotations

import inspect
import logging
import reprlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import pluggy
from attrs import field, frozen

from aitk_core import __version__, hookspecs
from aitk_core.contracts import ContractStore
from aitk_core.errors import UnknownContractError
from aitk_core.settings import CORE_SECTIONS
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
    ToolSpec,
    WebRouteSpec,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from importlib.metadata import EntryPoint

logger = logging.getLogger(__name__)
S = TypeVar("S")

_CORE: Final = "aitk-core"
_COMBINATORS: Final = ("anyOf", "oneOf", "allOf", "not", "if", "$ref")
"""At the root of an input schema several hosts drop the tool, or refuse the whole list."""


@frozen(kw_only=True)
class PluginProblem:
    """Why a plugin, or a part of it, is not in the registry."""

    plugin: str
    distribution: str
    stage: str
    """`load`, `version`, `register`, a hook's name, `check`, or `settings`."""
    reason: str
    severity: str = "error"
    """`error`: left out. `warning`: kept, but some clients will not take it."""


def problem_of_settings(section: str, reason: str) -> PluginProblem:
    """Return what is wrong with settings, told beside what is wrong with plugins."""
    return PluginProblem(plugin=section, distribution="", stage="settings", reason=reason)


@frozen(kw_only=True)
class PluginInfo:
    """A plugin that registered."""

    name: str
    distribution: str
    version: str


@frozen
class Owned(Generic[S]):
    """A declaration with the plugin that made it."""

    spec: S
    plugin: PluginInfo


@frozen(kw_only=True)
class Registry:
    """Everything installed and enabled, read-only, by name."""

    plugins: tuple[PluginInfo, ...]
    tools: Mapping[str, Owned[ToolSpec]]
    analyzers: Mapping[str, Owned[AnalyzerSpec]]
    failure_catalogues: Mapping[str, Owned[FailureCatalogueSpec]]
    sinks: Mapping[str, Owned[SinkSpec]]
    services: Mapping[str, Owned[ServiceSpec]]
    web_routes: Mapping[str, Owned[WebRouteSpec]]
    """By method and path."""
    band_policies: Mapping[str, Owned[BandPolicySpec]]
    backends: Mapping[str, Owned[BackendSpec]]
    resources: Mapping[str, Owned[ResourceSpec]]
    prompts: Mapping[str, Owned[PromptSpec]]
    settings: Mapping[str, Owned[SettingsSpec]]
    commands: Mapping[str, Owned[CommandSpec]]
    contracts: ContractStore
    problems: tuple[PluginProblem, ...] = field(default=())
    disabled: tuple[str, ...] = field(default=())

    def sections(self) -> dict[str, type]:
        """Return the settings record of every section, the core's first."""
        own = {name: owned.spec.record for name, owned in self.settings.items()}
        return {**CORE_SECTIONS, **own}


class _Builder:
    """Collects declarations and problems while plugins load."""

    def __init__(self) -> None:
        self.manager: Final = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.plugins: dict[str, PluginInfo] = {}
        self.problems: list[PluginProblem] = []

    def problem(
        self,
        plugin: PluginInfo,
        stage: str,
        error: BaseException | str,
        severity: str = "error",
    ) -> None:
        reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        logger.warning("plugin %s (%s): %s: %s", plugin.name, plugin.distribution, stage, reason)
        self.problems.append(
            PluginProblem(
                plugin=plugin.name,
                distribution=plugin.distribution,
                stage=stage,
                reason=reason,
                severity=severity,
            )
        )

    def load(self, point: EntryPoint) -> None:
        info = PluginInfo(
            name=point.name,
            distribution=point.dist.name if point.dist else "?",
            version=point.dist.version if point.dist else "?",
        )
        mismatch = _version_mismatch(point)
        if mismatch:
            self.problem(info, "version", mismatch)
            return
        try:
            plugin = point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may fail in any way
            self.problem(info, "load", error)
            return
        self.register(info, plugin)

    def register(self, info: PluginInfo, plugin: object) -> None:
        if info.name in self.plugins:
            owner = self.plugins[info.name]
            reason = f"{info.name!r} is already taken by a plugin of {owner.distribution}"
            self.problem(info, "register", reason)
            return
        if self.manager.is_registered(plugin):
            self.problem(info, "register", f"is the same as {self.manager.get_name(plugin)!r}")
            return
        try:
            self.manager.register(plugin, name=info.name)
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
            self.problem(info, "register", error)
            # pluggy stops half way; the hooks it took by then go, too.
            self.manager.unregister(name=info.name)
            return
        self.plugins[info.name] = info
        known = {hook for hook in vars(hookspecs) if hook.startswith("aitk_")}
        taken = {caller.name for caller in self.manager.get_hookcallers(plugin) or ()}
        for name in sorted(taken - known):
            self.problem(info, "register", f"there is no hook {name}")
        for name in sorted(known - taken):
            if callable(inspect.getattr_static(plugin, name, None)):
                self.problem(info, "register", f"{name} is not marked @hookimpl")

    def collect(self, hook: str, kind: type[S], key: Callable[[S], str]) -> dict[str, Owned[S]]:
        found: dict[str, Owned[S]] = {}
        for plugin, item in self.declared(hook):
            if not isinstance(item, kind):
                self.problem(plugin, hook, f"{reprlib.repr(item)} is not a {kind.__name__}")
            elif key(item) in found:
                owner = found[key(item)].plugin
                self.problem(
                    plugin,
                    hook,
                    f"{key(item)!r} is already taken by {owner.name} ({owner.distribution})",
                )
            else:
                found[key(item)] = Owned(item, plugin)
        return dict(sorted(found.items()))

    def declared(self, hook: str) -> Iterable[tuple[PluginInfo, Any]]:
        caller: pluggy.HookCaller = getattr(self.manager.hook, hook)
        for impl in caller.get_hookimpls():
            plugin = self.plugins[impl.plugin_name]
            try:
                items = list(cast("Iterable[Any]", impl.function()))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may fail in any way
                self.problem(plugin, hook, error)
                continue
            for item in items:
                yield plugin, item


def _version_mismatch(point: EntryPoint) -> str:
    """Return why the plugin was not written for this core, or nothing."""
    if point.dist is None:
        return ""
    from packaging.requirements import InvalidRequirement, Requirement

    for text in point.dist.requires or ():
        if not text.lower().replace("_", "-").startswith(_CORE):
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            return f"requirement {text!r} cannot be read: {error}"
        if requirement.name.lower().replace("_", "-") != _CORE:
            continue
        # Such as of an extra: `aitk-core[testing]; extra == "test"`.
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            return f"written for {_CORE}{requirement.specifier}, this is {_CORE} {__version__}"
        return ""
    return f"states no requirement on {_CORE}, so its plugin interface is unknown"


def load_registry(
    points: Iterable[EntryPoint] | None = None,
    *,
    enable: Iterable[str] = (),
    disable: Iterable[str] = (),
) -> Registry:
    """Load every installed plugin.

    Args:
        points: Entry points to use in place of the installed ones.
        enable: Only these plugins, where any are named.
        disable: Never these; wins over `enable`.

    Returns:
        The registry. A plugin that fails is left out and listed under `problems`.
    """
    found = entry_points(group=hookspecs.GROUP) if points is None else points
    only, never = set(enable), set(disable)
    builder = _Builder()
    off = []
    # By name and target, so that the same installation always gives the same registry.
    # Reading `get_hookimpls()` gives registration order; calling a hook gives the reverse.
    for point in sorted(set(found), key=lambda p: (p.name, p.value)):
        if point.name in never or (only and point.name not in only):
            off.append(point.name)
        else:
            builder.load(point)
    contracts = _contracts(builder)
    registry = Registry(
        plugins=tuple(builder.plugins[name] for name in sorted(builder.plugins)),
        tools=_tools(builder, contracts),
        analyzers=builder.collect("aitk_analyzers", AnalyzerSpec, lambda spec: spec.name),
        failure_catalogues=builder.collect(
            "aitk_failure_catalogues", FailureCatalogueSpec, lambda spec: spec.name
        ),
        sinks=builder.collect("aitk_sinks", SinkSpec, lambda spec: spec.kind),
        services=builder.collect("aitk_services", ServiceSpec, lambda spec: spec.name),
        band_policies=builder.collect("aitk_band_policies", BandPolicySpec, lambda spec: spec.id),
        backends=builder.collect("aitk_backends", BackendSpec, lambda spec: spec.kind),
        resources=builder.collect("aitk_resources", ResourceSpec, lambda spec: spec.uri),
        web_routes=builder.collect(
            "aitk_web_routes", WebRouteSpec, lambda spec: f"{spec.method} {spec.path}"
        ),
        prompts=builder.collect("aitk_prompts", PromptSpec, lambda spec: spec.name),
        settings=_settings(builder),
        commands=builder.collect("aitk_commands", CommandSpec, lambda spec: spec.name),
        contracts=contracts,
        problems=(),
        disabled=tuple(sorted(off)),
    )
    # Collecting appends problems, so they are taken last.
    object.__setattr__(registry, "problems", tuple(builder.problems))
    return registry


def _contracts(builder: _Builder) -> ContractStore:
    contracts = ContractStore()
    seen: set[str] = set()
    for plugin, folder in builder.declared("aitk_schemas"):
        if str(folder) in seen:
            continue  # several plugins may name the same folder of shared contracts
        seen.add(str(folder))
        try:
            clashes = contracts.add(folder)
        except (OSError, AttributeError) as error:
            builder.problem(plugin, "aitk_schemas", error)
            continue
        for clash in clashes:
            builder.problem(plugin, "aitk_schemas", f"{clash!r} is already taken")
    return contracts


def _tools(builder: _Builder, contracts: ContractStore) -> dict[str, Owned[ToolSpec]]:
    tools = builder.collect("aitk_tools", ToolSpec, lambda spec: spec.name)
    for name, owned in list(tools.items()):
        contract = owned.spec.contract
        try:
            if contract is not None:
                contracts.bundled(contract)
        except UnknownContractError as error:
            del tools[name]
            builder.problem(owned.plugin, "check", f"{name}: {error}")
            continue
        used = [word for word in _COMBINATORS if word in owned.spec.input_schema]
        if used:
            builder.problem(
                owned.plugin,
                "check",
                f"{name}: some hosts refuse {', '.join(used)} at the root of an input schema",
                severity="warning",
            )
    return tools


def _settings(builder: _Builder) -> dict[str, Owned[SettingsSpec]]:
    found = builder.collect("aitk_settings", SettingsSpec, lambda spec: spec.section)
    for section in CORE_SECTIONS:
        if section in found:
            owned = found.pop(section)
            builder.problem(
                owned.plugin, "aitk_settings", f"section {section!r} belongs to the core"
            )
    return found
