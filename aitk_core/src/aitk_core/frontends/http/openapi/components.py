"""JSON Schemas of many files as the components of one document.

Each schema and each of its definitions becomes a component of its own, so that what several
contracts share is there once, and generated code has a name for it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from aitk_core.errors import UnknownContractError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitk_core.contracts import ContractStore

_PREFIX: Final = "#/components/schemas/"
_SUFFIX: Final = ".schema.json"
_KEY: Final = re.compile(r"[^A-Za-z0-9._-]+")
"""What the key of a component may not hold (OpenAPI 3.1 section 4.8.7)."""

_MAPS: Final = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
)
_VALUES: Final = frozenset({"const", "enum", "default", "examples", "example"})
"""Keywords with data in them, which may look like a schema."""

_APART: Final = frozenset({"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef"})
"""Below the root they say what a reference means in a way that does not survive the move."""

_Source = tuple[str, str]
"""Kind and name: of a contract, or of a tool whose arguments it describes."""


class Components:
    """The schemas of one document."""

    def __init__(self, contracts: ContractStore, own: Mapping[str, Any]) -> None:
        """Begin with the document's own schemas, which refer to each other already."""
        self._contracts = contracts
        self._keys: dict[tuple[_Source, str], str] = {}
        self._given: dict[_Source, Mapping[str, Any]] = {}
        self.schemas: dict[str, Any] = dict(own)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Take back what was added where the block raises, so that no reference is left open."""
        keys, schemas = dict(self._keys), dict(self.schemas)
        try:
            yield
        except Exception:
            self._keys, self.schemas = keys, schemas
            raise

    def add(self, wanted: str, schema: Mapping[str, Any]) -> dict[str, str]:
        """Add a schema that refers to components only, and return a reference to it."""
        key = self._free(wanted)
        self.schemas[key] = schema
        return {"$ref": _PREFIX + key}

    def arguments(self, tool: str, schema: Mapping[str, Any]) -> dict[str, str]:
        """Add a tool's input schema, and return a reference to it.

        Raises:
            UnknownContractError: It refers to what is not in it.
        """
        source = ("arguments", tool)
        self._given[source] = schema
        return {"$ref": self._take(source, "")}

    def contract(self, name: str) -> dict[str, str]:
        """Add a contract with all it refers to, and return a reference to it.

        Raises:
            UnknownContractError: No such contract, or a reference of it leads nowhere.
        """
        return {"$ref": self._take(("contract", name), "")}

    def widened(self, name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Return a contract's schema with more properties, the contract's own kept.

        Raises:
            UnknownContractError: As for `contract`.
        """
        source = ("contract", name)
        root = self._root(source)
        if {"$ref", "allOf", "anyOf", "oneOf"} & set(root):
            # What these forbid cannot be allowed from outside.
            return {"type": "object"}
        schema: dict[str, Any] = self._moved(root, source)
        schema["properties"] = {**properties, **schema.get("properties", {})}
        return schema

    def _root(self, source: _Source) -> dict[str, Any]:
        schema = self._given.get(source) or self._contracts[source[1]]
        left_out = ("$schema", "$id", "$defs")
        return {key: value for key, value in schema.items() if key not in left_out}

    def _take(self, source: _Source, definition: str) -> str:
        """Make a schema or a definition of it a component, and return the reference."""
        key = self._keys.get((source, definition))
        if key is None:
            kind, name = source
            wanted = name if kind == "contract" else f"{kind}.{name}"
            key = self._free(f"{wanted}.{definition}" if definition else wanted)
            self._keys[source, definition] = key
            self.schemas[key] = True  # ends a cycle; replaced at once
            node = self._definition(source, definition) if definition else self._root(source)
            self.schemas[key] = self._moved(node, source)
        return _PREFIX + key

    def _definition(self, source: _Source, name: str) -> Any:
        schema = self._given.get(source) or self._contracts[source[1]]
        if name not in schema.get("$defs", {}):
            raise UnknownContractError(
                f"schema {source[1]!r} has no definition {name!r}", contract=source[1]
            )
        return schema["$defs"][name]

    def _free(self, wanted: str) -> str:
        key = wanted = _KEY.sub("_", wanted)
        number = 1
        while key in self.schemas:
            number += 1
            key = f"{wanted}_{number}"
        return key

    def _moved(self, node: Any, home: _Source) -> Any:
        """Return a schema with its references pointing to components."""
        if isinstance(node, list):
            return [self._moved(item, home) for item in node]
        if not isinstance(node, dict):
            return node
        if _APART & set(node):
            raise UnknownContractError(
                f"schema {home[1]!r} names a part of itself by {min(_APART & set(node))}",
                contract=home[1],
            )
        moved: dict[str, Any] = {}
        for key, value in node.items():
            if key in _VALUES:
                moved[key] = value
            elif key in _MAPS and isinstance(value, dict):
                moved[key] = {name: self._moved(one, home) for name, one in value.items()}
            elif key == "$ref":
                moved[key] = self._reference(str(value), home)
            else:
                moved[key] = self._moved(value, home)
        return moved

    def _reference(self, reference: str, home: _Source) -> str:
        file, _, pointer = reference.partition("#")
        source = home
        if file:
            source = ("contract", file.rpartition("/")[2].removesuffix(_SUFFIX))
        parts = [_plain(part) for part in pointer.split("/")[1:]]
        if pointer and not pointer.startswith("/"):
            raise UnknownContractError(
                f"reference {reference!r} in schema {home[1]!r} names an anchor", contract=home[1]
            )
        definition = ""
        if parts[:1] == ["$defs"] and len(parts) > 1:
            definition = parts[1]
            parts = parts[2:]
        base = self._take(source, definition)
        node = self._definition(source, definition) if definition else self._root(source)
        for part in parts:
            node = _step(node, part, home, reference)
        return base + "".join(f"/{_escaped(part)}" for part in parts)


def _step(node: Any, part: str, home: _Source, reference: str) -> Any:
    if isinstance(node, dict) and part in node:
        return node[part]
    if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
        return node[int(part)]
    raise UnknownContractError(
        f"reference {reference!r} in schema {home[1]!r} leads nowhere", contract=home[1]
    )


def _plain(part: str) -> str:
    return unquote(part).replace("~1", "/").replace("~0", "~")


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1").replace("%", "%25")
