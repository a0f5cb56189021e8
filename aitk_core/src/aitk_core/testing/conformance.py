"""What any plugin must keep, checked on a registry.

    def test_conforms():
        points = entry_points(group="aitk.plugins", name="acme")
        assert_conforms(load_registry(points), "acme")

Every fault is told at once. Laws of what the code does are elsewhere: `aitk_core.testing.bands`
for band policies, `aitk_core.testing.failures` for failure catalogues.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

import attrs

from aitk_core.errors import AitkError
from aitk_core.specs import Lazy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aitk_core.contracts import ContractStore
    from aitk_core.registry import Owned, Registry
    from aitk_core.specs import SettingsSpec, ToolSpec

_PROPERTY: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What every host we know of takes as the name of an argument."""
_COMBINATORS: Final = ("anyOf", "oneOf", "allOf", "not", "if")
_LEVELS: Final = 2
"""Objects in objects that every host we know of shows its model."""
_SUFFIX: Final = ".schema.json"
_KINDS: Final = (
    "tools",
    "analyzers",
    "failure_catalogues",
    "sinks",
    "band_policies",
    "backends",
    "resources",
    "prompts",
    "commands",
)


def assert_conforms(registry: Registry, plugin: str | None = None) -> None:
    """Check a registry.

    Args:
        registry: The plugin's own, or everything installed.
        plugin: Look at this plugin only; default: at all.

    Raises:
        AssertionError: Something does not conform; the message lists all of it.
    """
    faults = faults_of(registry, plugin)
    if faults:
        raise AssertionError("\n".join(faults))


def faults_of(registry: Registry, plugin: str | None = None) -> list[str]:
    """Return what does not conform, one sentence each."""
    if plugin is not None and plugin not in {found.name for found in registry.plugins}:
        known = ", ".join(found.name for found in registry.plugins) or "none"
        reasons = [p.reason for p in registry.problems if p.plugin == plugin]
        return [f"plugin {plugin!r} is not loaded: {'; '.join(reasons) or f'there is {known}'}"]
    faults = [
        f"plugin {problem.plugin}: {problem.stage}: {problem.reason}"
        for problem in registry.problems
        if plugin in (None, problem.plugin)
    ]
    for kind in _KINDS:
        for name, owned in getattr(registry, kind).items():
            if plugin in (None, owned.plugin.name):
                faults += [f"{kind} {name}: {fault}" for fault in _lazies(owned.spec)]
                faults += [f"{kind} {name}: {fault}" for fault in _words(owned.spec)]
    for name, tool in registry.tools.items():
        if plugin in (None, tool.plugin.name):
            found = _tool(tool.spec, registry.contracts)
            faults += [f"tools {name}: {fault}" for fault in found]
    faults += [f"band_policies {fault}" for fault in _policies(registry, plugin)]
    faults += [f"failure_catalogues {fault}" for fault in _catalogues(registry, plugin)]
    faults += [f"settings {fault}" for fault in _settings(registry, plugin)]
    return faults


def _lazies(spec: Any) -> Iterator[str]:
    for attribute in attrs.fields(type(spec)):
        value = getattr(spec, attribute.name)
        if not isinstance(value, Lazy):
            continue
        try:
            loaded = value.load()
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
            yield f"{attribute.name} {value.target} cannot be loaded: {error}"
        else:
            if not callable(loaded):
                yield f"{attribute.name} {value.target} is not callable"


def _words(spec: Any) -> Iterator[str]:
    for name in ("description", "summary"):
        if not getattr(spec, name, "-"):
            yield f"has no {name}"


def _tool(spec: ToolSpec, contracts: ContractStore) -> Iterator[str]:
    if not spec.title:
        yield "has no title"
    if not re.search(r"\w[.?!](\s|$)", spec.description):
        yield "the description holds no sentence"
    if spec.read_only and not spec.idempotent:
        yield "reads only, so repeating it is harmless: it is idempotent"
    if spec.text == "json" and spec.contract is None:
        yield "answers JSON without a contract"
    yield from input_faults(spec.input_schema)
    if spec.contract is not None:
        for fault in contract_faults(contracts, spec.contract):
            yield f"contract {spec.contract}: {fault}"


def input_faults(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield why some host would refuse an input schema, or its model not understand it."""
    reason = _invalid(schema)
    if reason:
        yield f"the input schema is not valid: {reason}"
        return
    used = [word for word in _COMBINATORS if word in schema]
    if used:
        yield f"the root of the input schema has {', '.join(used)}"
    if any(True for _ in _references(schema)):
        yield "the input schema has a $ref"
    if _levels(schema) > _LEVELS:
        yield f"the input schema nests objects deeper than {_LEVELS} levels"
    yield from _property_faults(schema, "")


def _property_faults(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    from jsonschema import Draft202012Validator

    for name, part in schema.get("properties", {}).items():
        here = f"{path}/{name}"
        if not _PROPERTY.fullmatch(name):
            yield f"{here}: the name must match {_PROPERTY.pattern}"
        if not isinstance(part, dict):
            continue
        if not part.get("description"):
            yield f"{here}: has no description"
        if "default" in part and not Draft202012Validator(part).is_valid(part["default"]):
            yield f"{here}: the default {part['default']!r} does not fit"
        for inner in (part, part.get("items")):
            if isinstance(inner, dict):
                yield from _property_faults(inner, here)


def contract_faults(contracts: ContractStore, name: str) -> Iterator[str]:
    """Yield what is wrong with a contract."""
    schema = contracts[name]
    reason = _invalid(schema)
    if reason:
        yield f"is not valid: {reason}"
        return
    identity = str(schema.get("$id", ""))
    if not identity.endswith(f"/{name}{_SUFFIX}"):
        yield f"$id {identity!r} does not end in /{name}{_SUFFIX}"
    if schema.get("type") != "object":
        yield "the root is not an object"
    for word in ("title", "description"):
        if not schema.get(word):
            yield f"has no {word}"
    identities = {contracts[other].get("$id") for other in contracts}
    for reference in _references(schema):
        file = reference.partition("#")[0]
        if file and urljoin(identity, file) not in identities:
            yield f"{reference!r} is the $id of no installed schema"
    try:
        bundled = contracts.bundled(name)
    except AitkError as error:
        yield str(error)
        return
    outside = sorted({found for found in _references(bundled) if not found.startswith("#")})
    if outside:
        yield f"bundled, it still refers to {', '.join(outside)}"


def _policies(registry: Registry, plugin: str | None) -> Iterator[str]:
    for name, owned in registry.band_policies.items():
        if plugin not in (None, owned.plugin.name):
            continue
        try:
            source = owned.spec.policy.load()().source()
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
            yield f"{name}: cannot say where its bands come from: {error}"
        else:
            if source.get("id") != name:
                yield f"{name}: its source calls itself {source.get('id')!r}"


def _catalogues(registry: Registry, plugin: str | None) -> Iterator[str]:
    from aitk_core.services.failures import load_catalogue

    for name, owned in registry.failure_catalogues.items():
        if plugin not in (None, owned.plugin.name):
            continue
        try:
            _, faults = load_catalogue(owned.spec)
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
            yield f"{name}: {error}"
        else:
            yield from (f"{name}: {fault}" for fault in faults)


def _settings(registry: Registry, plugin: str | None) -> Iterator[str]:
    from aitk_core.settings import describe

    rows = list(describe(registry.sections()))
    named = [row.env for row in rows]
    for section, owned in registry.settings.items():
        if plugin not in (None, owned.plugin.name):
            continue
        yield from (f"{section}: {fault}" for fault in _record_faults(owned))
        for row in rows:
            if row.section == section and not row.description:
                yield f"{section}.{row.name}: has no description"
            if row.section == section and named.count(row.env) > 1:
                yield f"{section}.{row.name}: {row.env} is the name of another setting, too"


def _record_faults(owned: Owned[SettingsSpec]) -> Iterator[str]:
    try:
        owned.spec.record()
    except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
        yield f"cannot be made of defaults: {error}"


def _invalid(schema: Mapping[str, Any]) -> str:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(dict(schema))
    except SchemaError as error:
        return error.message
    return ""


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        children: Iterable[Any] = node.values()
    else:
        children = node if isinstance(node, list) else ()
    for child in children:
        yield from _references(child)


def _levels(schema: Any) -> int:
    """Return how many objects with properties stand in one another."""
    if not isinstance(schema, dict):
        return 0
    parts = schema.get("properties", {})
    below = max((_levels(part) for part in parts.values()), default=0)
    return max(below + bool(parts), _levels(schema.get("items")))
