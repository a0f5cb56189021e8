"""The versioned JSON Schemas that answers are checked against, compiled once.

References between schemas resolve among the folders that plugins named, never over the
network.
"""

from __future__ import annotations

import difflib
import json
import logging
import re
from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.paths import to_pointer
from aitk_core.errors import (
    InvalidArgumentsError,
    OutputSchemaViolationError,
    UnknownContractError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.resources.abc import Traversable

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

logger = logging.getLogger(__name__)

_SUFFIX: Final = ".schema.json"
_FAULT_LIMIT: Final = 5
"""Faults told at once: enough to mend a call, few enough to read."""
_MESSAGE_CHARS: Final = 280
_NAME_CHARS: Final = 60


class ContractStore:
    """Schemas by contract name, read when first used."""

    def __init__(self) -> None:
        """Start empty."""
        self._files: dict[str, Traversable] = {}
        self._loaded: dict[str, dict[str, Any]] = {}
        self._bundles: dict[str, dict[str, Any]] = {}
        self._outlines: dict[str, dict[str, Any]] = {}
        self._validators: dict[str, Draft202012Validator] = {}
        self._references: Any = None

    def add(self, folder: Traversable) -> list[str]:
        """Take in a folder and return the names that were already there, unchanged."""
        clashes = []
        for file in sorted(folder.iterdir(), key=lambda f: f.name):
            if not file.name.endswith(_SUFFIX):
                continue
            name = file.name.removesuffix(_SUFFIX)
            if name in self._files:
                clashes.append(name)
            else:
                self._files[name] = file
        return clashes

    def __contains__(self, name: object) -> bool:
        """Tell whether a contract is there, without reading it."""
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        """Go through the names in order."""
        return iter(sorted(self._files))

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Return the schema.

        Raises:
            UnknownContractError: No such contract, or its file is not a JSON object.
        """
        if name not in self._loaded:
            if name not in self._files:
                raise UnknownContractError(f"no schema {name!r}", contract=name)
            try:
                schema = json.loads(self._files[name].read_text("utf-8"))
            except (OSError, ValueError) as error:
                message = f"schema {name!r} cannot be read: {error}"
                raise UnknownContractError(message, contract=name) from error
            if not isinstance(schema, dict):
                raise UnknownContractError(f"schema {name!r} is not an object", contract=name)
            self._loaded[name] = schema
        return self._loaded[name]

    def bundled(self, name: str) -> dict[str, Any]:
        """Return the schema with the shared definitions it refers to inside it.

        What a client is shown must stand alone: it cannot resolve our references.

        Raises:
            UnknownContractError: No such contract, or a reference of it leads nowhere.
        """
        if name not in self._bundles:
            self._bundles[name] = _Bundle(self, name).schema()
        return self._bundles[name]

    def outline(self, name: str) -> dict[str, Any]:
        """Return the schema two levels deep, the second by type only.

        Shared definitions are reduced to their type and description.

        What fits the contract fits its outline. A client gets this in the list of tools, where
        the whole would cost it far more than it is read; the whole is published in `schemas/`.

        Raises:
            UnknownContractError: No such contract, or a reference of it leads nowhere.
        """
        if name not in self._outlines:
            bundle = dict(self.bundled(name))
            self._outlines[name] = _outlined(bundle, bundle.pop("$defs", {}))
        return self._outlines[name]

    def check_output(self, contract: str, value: object) -> None:
        """Check an answer against its contract.

        Raises:
            OutputSchemaViolationError: It is not JSON, or does not fit.
            UnknownContractError: No such contract.
        """
        check_json(contract, value)
        validator = self._validator(contract)
        try:
            faults = list_faults(validator, value)
        except Exception as error:  # a plugin's schema may be wrong in any way
            message = f"schema {contract!r} cannot be used: {type(error).__name__}"
            raise UnknownContractError(message, contract=contract) from error
        if faults:
            first = faults[0]
            message = f"answer does not fit {contract} at {first['path'] or '/'}"
            raise OutputSchemaViolationError(
                message, contract=contract, faults=faults[:_FAULT_LIMIT]
            )

    def _validator(self, contract: str) -> Draft202012Validator:
        if contract not in self._validators:
            from jsonschema import Draft202012Validator

            self._validators[contract] = Draft202012Validator(
                self[contract], registry=self._registry()
            )
        return self._validators[contract]

    def _registry(self) -> Any:
        if self._references is None:
            from referencing import Registry
            from referencing.jsonschema import DRAFT202012

            # Every schema is reachable by its `$id`; the registry has no retriever, so an
            # unknown reference fails and nothing is fetched.
            found = []
            for name in self:
                try:
                    resource = DRAFT202012.create_resource(self[name])
                except UnknownContractError as error:
                    logger.warning("%s", error)
                    continue
                # The id must name its own file, so that no plugin stands in for another's.
                if str(resource.id()).endswith(f"/{name}{_SUFFIX}"):
                    found.append((str(resource.id()), resource))
            self._references = Registry().with_resources(found)
        return self._references


class _Bundle:
    """Makes one schema stand alone."""

    def __init__(self, store: ContractStore, root: str) -> None:
        self._store = store
        self._root = root
        own = store[root].get("$defs", {})
        # The root's own names stay; a shared one of the same name gets its file's in front.
        self._keys = {(root, name): name for name in own}
        self._definitions: dict[str, Any] = dict.fromkeys(own, True)

    def schema(self) -> dict[str, Any]:
        schema = self._store[self._root]
        for name, definition in schema.get("$defs", {}).items():
            self._definitions[name] = self._inline(definition, self._root)
        answer = {k: self._inline(v, self._root) for k, v in schema.items() if k != "$defs"}
        if isinstance(schema.get("$ref"), str):
            answer["$ref"] = self._pointer(schema["$ref"], self._root)
        if self._definitions:
            answer["$defs"] = self._definitions
        return answer

    def _inline(self, node: Any, home: str) -> Any:
        """Return the node of contract `home`, its references pointing into this schema."""
        if isinstance(node, list):
            return [self._inline(item, home) for item in node]
        if not isinstance(node, dict):
            return node
        answer = {key: self._inline(value, home) for key, value in node.items()}
        if isinstance(node.get("$ref"), str):
            answer["$ref"] = self._pointer(node["$ref"], home)
        return answer

    def _pointer(self, reference: str, home: str) -> str:
        file, _, pointer = reference.partition("#")
        source = file.rpartition("/")[2].removesuffix(_SUFFIX) if file else home
        if pointer.startswith("/$defs/"):
            name, _, rest = pointer.removeprefix("/$defs/").partition("/")
            return f"#/$defs/{self._define(source, name)}{'/' if rest else ''}{rest}"
        if source == self._root:
            return f"#{pointer}"
        if not pointer:
            return f"#/$defs/{self._define(source, '')}"
        message = f"reference {reference!r} in schema {home!r} points to no definition"
        raise UnknownContractError(message, contract=self._root)

    def _define(self, source: str, name: str) -> str:
        """Take a definition in, or with an empty name the whole schema; return its key."""
        key = self._keys.get((source, name))
        if key is None:
            key = name or source
            if key in self._definitions:
                key = f"{source}.{name}"
            self._keys[source, name] = key
            self._definitions[key] = True  # ends a cycle; replaced at once
            self._definitions[key] = self._inline(self._shared(source, name), source)
        return key

    def _shared(self, source: str, name: str) -> Any:
        schema = self._store[source]
        if not name:
            return {k: v for k, v in schema.items() if k not in ("$schema", "$id", "$defs")}
        if name not in schema.get("$defs", {}):
            message = f"schema {source!r} has no definition {name!r}"
            raise UnknownContractError(message, contract=self._root)
        return schema["$defs"][name]


def check_object(what: str, value: object) -> None:
    """Check that an answer without a contract is a JSON object.

    Raises:
        OutputSchemaViolationError: It is not.
    """
    check_json(what, value)
    if not isinstance(value, dict):
        raise OutputSchemaViolationError(f"answer of {what} is not an object", contract=what)


_TOLD: Final = ("type", "description", "enum", "const")
_BARE: Final = ("type", "enum", "const")
_LEVELS: Final = 2
"""Of properties that an outline shows: those of the answer, and those of each part of it."""


def _outlined(value: Any, definitions: Mapping[str, Any], level: int = 0) -> Any:
    if isinstance(value, list):
        return [_outlined(item, definitions, level) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str):
        target = definitions.get(reference.removeprefix("#/$defs/"), {})
        found = {k: target[k] for k in _TOLD if k in target} | _told(value)
        return found if level < _LEVELS else {k: v for k, v in found.items() if k in _BARE}
    if level >= _LEVELS:
        return {key: value[key] for key in _BARE if key in value}
    found = {
        key: {name: _outlined(one, definitions, level + 1) for name, one in item.items()}
        if key == "properties"
        else _outlined(item, definitions, level)
        for key, item in value.items()
    }
    if isinstance(value.get("oneOf"), list):
        # Members that were told apart by what is left out now may both fit.
        found["anyOf"] = found.pop("oneOf")
    return found


def _told(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in _TOLD if key in value}


def check_json(what: str, value: object) -> None:
    """Check that an answer can be written as JSON.

    Raises:
        OutputSchemaViolationError: It cannot.
    """
    try:
        # Schemas let NaN through, and numpy numbers pass for plain ones.
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"answer of {what} is not JSON: {error}"
        raise OutputSchemaViolationError(message, contract=what) from error


def compile_schema(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Return a validator for a schema that refers to nothing outside itself."""
    from jsonschema import Draft202012Validator
    from referencing.jsonschema import EMPTY_REGISTRY

    # Without a registry of ours, a reference to elsewhere would be fetched.
    return Draft202012Validator(dict(schema), registry=EMPTY_REGISTRY)


def list_faults(validator: Draft202012Validator, value: object) -> list[dict[str, str]]:
    """Return what is wrong, as JSON pointers with messages, in document order."""
    from jsonschema.exceptions import best_match

    errors = sorted(validator.iter_errors(value), key=_place)
    return [_fault(best_match([error]) or error) for error in errors]


def _place(error: ValidationError) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (0, part) for part in error.absolute_path]


def _fault(error: ValidationError) -> dict[str, str]:
    message = error.message
    if len(message) > _MESSAGE_CHARS:
        half = _MESSAGE_CHARS // 2
        message = f"{message[:half]} ... {message[-half:]}"
    return {
        "path": to_pointer(map(str, error.absolute_path)),
        "message": message,
    }


def check_arguments(tool: str, validator: Draft202012Validator, value: Mapping[str, Any]) -> None:
    """Check a call's arguments, naming all faults and the nearest known names.

    Raises:
        InvalidArgumentsError: They do not fit.
    """
    schema: Any = validator.schema
    known = list(schema.get("properties", {}))
    faults = []
    for error in sorted(validator.iter_errors(value), key=_place):
        if error.validator == "additionalProperties" and not error.absolute_path:
            faults += _unknown_names(sorted(set(value) - set(known)), known)
        elif error.validator == "required" and not error.absolute_path:
            missing = re.sub(r"^'(.*)' is a required property$", r"\1", error.message)
            faults.append({"path": f"/{missing}", "message": "is required"})
        else:
            faults.append(_fault(error))
    if not faults:
        return
    shown = [f"{fault['path'] or 'arguments'}: {fault['message']}" for fault in faults]
    more = f" (and {len(shown) - _FAULT_LIMIT} more)" if len(shown) > _FAULT_LIMIT else ""
    raise InvalidArgumentsError(
        f"invalid arguments for {tool}. {'; '.join(shown[:_FAULT_LIMIT])}{more}",
        remedy="correct the named arguments and call again; nothing was changed",
        tool=tool,
        faults=faults[:20],
    )


def _unknown_names(unknown: Iterable[str], known: list[str]) -> list[dict[str, str]]:
    faults = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known) or 'none'}"
        shown = name if len(name) <= _NAME_CHARS else name[:_NAME_CHARS] + "..."
        faults.append({"path": to_pointer([shown]), "message": f"unknown argument{hint}"})
    return faults
