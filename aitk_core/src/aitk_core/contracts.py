"""The versioned JSON Schemas that answers are checked against, compiled once.

References between schemas resolve among the folders that plugins named, never over the
network.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, Final

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
        """
        definitions: dict[str, Any] = dict(self[name].get("$defs", {}))
        schema = self._inline(self[name], name, name, definitions)
        if definitions:
            schema["$defs"] = definitions
        return dict(schema)

    def _inline(self, node: Any, home: str, root: str, definitions: dict[str, Any]) -> Any:
        """Return the node of contract `home`, its references pointing into `definitions`."""
        if isinstance(node, list):
            return [self._inline(item, home, root, definitions) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str) and "#/$defs/" in reference:
            file, _, name = reference.partition("#/$defs/")
            source = file.rpartition("/")[2].removesuffix(_SUFFIX) if file else home
            if source != root and name not in definitions:
                definitions[name] = True  # ends a cycle; replaced at once
                shared = self[source]["$defs"][name]
                definitions[name] = self._inline(shared, source, root, definitions)
            return {**node, "$ref": f"#/$defs/{name}"}
        return {key: self._inline(value, home, root, definitions) for key, value in node.items()}

    def check_output(self, contract: str, value: object) -> None:
        """Check an answer against its contract.

        Raises:
            OutputSchemaViolationError: It is not JSON, or does not fit.
            UnknownContractError: No such contract.
        """
        try:
            # Schemas let NaN through, and numpy numbers pass for plain ones.
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            message = f"answer of {contract} is not JSON: {error}"
            raise OutputSchemaViolationError(message, contract=contract) from error
        faults = list_faults(self._validator(contract), value)
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
            resources = [DRAFT202012.create_resource(self[name]) for name in self]
            self._references = Registry().with_resources(
                (str(resource.id()), resource) for resource in resources if resource.id()
            )
        return self._references


def compile_schema(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Return a validator for a schema that refers to nothing outside itself."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(dict(schema))


def list_faults(validator: Draft202012Validator, value: object) -> list[dict[str, str]]:
    """Return what is wrong, as JSON pointers with messages, in document order."""
    from jsonschema.exceptions import best_match

    errors = sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.path)))
    return [_fault(best_match([error]) or error) for error in errors]


def _fault(error: ValidationError) -> dict[str, str]:
    message = error.message
    if len(message) > _MESSAGE_CHARS:
        half = _MESSAGE_CHARS // 2
        message = f"{message[:half]} ... {message[-half:]}"
    return {
        "path": "".join(f"/{_escape(part)}" for part in error.absolute_path),
        "message": message,
    }


def _escape(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def check_arguments(tool: str, validator: Draft202012Validator, value: Mapping[str, Any]) -> None:
    """Check a call's arguments, naming all faults and the nearest known names.

    Raises:
        InvalidArgumentsError: They do not fit.
    """
    schema: Any = validator.schema
    known = list(schema.get("properties", {}))
    faults = []
    for error in sorted(validator.iter_errors(value), key=lambda e: list(map(str, e.path))):
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
        faults.append({"path": f"/{_escape(shown)}", "message": f"unknown argument{hint}"})
    return faults
