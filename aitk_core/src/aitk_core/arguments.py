"""Argument records: one attrs class gives type, default, bounds, description and input schema.

    @frozen(kw_only=True)
    class GetLogs:
        job_id: str = arg(description="Job id, as list-training-jobs shows it.", max_length=128)
        lines: int = arg(100, description="Lines from the end.", minimum=1, maximum=20000)

The schema is flat and without references, since several hosts refuse anything else.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from aitk_core.errors import InvalidSpecError

_META: Final = "aitk_schema"

_KEYWORDS: Final[Mapping[str, str]] = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusive_minimum": "exclusiveMinimum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "min_items": "minItems",
    "max_items": "maxItems",
    "examples": "examples",
}

_SCALARS: Final[Mapping[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
}


def arg(default: Any = attrs.NOTHING, *, description: str, **bounds: Any) -> Any:
    """Declare one argument of a tool.

    Args:
        default: Value when the caller leaves it out; without one it is required. None means
            optional without a value, and is not written into the schema.
        description: For the model: meaning, unit, range where the bounds do not say it.
        **bounds: `minimum`, `maximum`, `exclusive_minimum`, `min_length`, `max_length`,
            `pattern`, `min_items`, `max_items`, `examples`; `items` takes the same for the
            elements of a list.

    Raises:
        InvalidSpecError: A bound of another name.
    """
    unknown = (set(bounds) - {"items"} | set(bounds.get("items", ()))) - set(_KEYWORDS)
    if unknown:
        raise InvalidSpecError(f"arg() knows no {', '.join(sorted(unknown))}")
    return attrs.field(
        default=default, kw_only=True, metadata={_META: {"description": description, **bounds}}
    )


def input_schema_of(record: type, *, nested: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of an argument record.

    Args:
        record: An attrs class.
        nested: It lies inside an argument; a null is then one of its optional fields' values.

    Raises:
        InvalidSpecError: It is no attrs class, or a field has a type that JSON cannot carry.
    """
    if not attrs.has(record):
        raise InvalidSpecError(f"{record!r} is not an attrs class", field="arguments")
    hints = get_type_hints(record)
    properties: dict[str, Any] = {}
    required = []
    for attribute in attrs.fields(record):
        meta = dict(attribute.metadata.get(_META, {}))
        schema = _type_schema(hints[attribute.name], attribute.name)
        schema |= {_KEYWORDS[k]: _plain(v) for k, v in meta.items() if k in _KEYWORDS}
        if "items" in meta:
            if "items" not in schema:
                raise InvalidSpecError(f"{attribute.name} is no list", field=attribute.name)
            schema["items"] |= {_KEYWORDS[k]: _plain(v) for k, v in meta["items"].items()}
        if meta.get("description"):
            schema["description"] = meta["description"]
        default = attribute.default
        if nested and default is None and isinstance(schema.get("type"), str):
            # The dispatcher drops a null only where it stands for an argument itself.
            schema["type"] = [schema["type"], "null"]
        if default is attrs.NOTHING:
            required.append(attribute.name)
        elif default is not None and not isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class at run time
            schema["default"] = _plain(default)
        properties[attribute.name] = schema
    answer: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        answer["required"] = required
    answer["additionalProperties"] = False
    return answer


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return attrs.asdict(value, value_serializer=_member) if attrs.has(type(value)) else value


def _member(_instance: Any, _attribute: Any, value: Any) -> Any:
    return _plain(value)


def _type_schema(hint: Any, name: str) -> dict[str, Any]:
    origin, parameters = get_origin(hint), get_args(hint)
    schema: dict[str, Any] | None = None
    if origin in (Union, types.UnionType):
        schema = _union_schema(parameters, name)
    elif hint in _SCALARS:
        schema = {"type": _SCALARS[hint]}
    elif origin is Literal:
        types_ = sorted({_SCALARS.get(type(value), "") for value in parameters})
        if all(types_):
            schema = {"type": types_[0] if len(types_) == 1 else types_, "enum": list(parameters)}
    elif _is_list(origin, parameters):
        schema = {"type": "array", "items": _type_schema(parameters[0], name)}
    elif hint is Any:
        schema = {}
    elif _is_mapping(hint):
        schema = {"type": "object"}
    elif isinstance(hint, type) and attrs.has(hint):
        schema = input_schema_of(hint, nested=True)
    if schema is None:
        raise InvalidSpecError(f"{name}: {hint!r} has no JSON Schema", field=name)
    return schema


def _union_schema(parameters: tuple[Any, ...], name: str) -> dict[str, Any]:
    """Return a schema with a plain list of types, which hosts take where they refuse `anyOf`."""
    members = [member for member in parameters if member is not type(None)]
    if len(members) == 1:
        return _type_schema(members[0], name)
    parts = [_type_schema(member, name) for member in members]
    # Only what a plain list of types can say: scalars, one kind of list, free objects.
    if any(part.keys() - {"type", "items"} or "type" not in part for part in parts) or (
        sum("items" in part for part in parts) > 1
    ):
        raise InvalidSpecError(f"{name}: the union {parameters!r} has no JSON Schema", field=name)
    schema = {key: value for part in parts for key, value in part.items()}
    return schema | {"type": [part["type"] for part in parts]}


def _is_list(origin: Any, parameters: tuple[Any, ...]) -> bool:
    if origin is tuple:
        return len(parameters) == 2 and parameters[1] is Ellipsis  # noqa: PLR2004 - `T, ...`
    return origin is list


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint) or hint
    return isinstance(origin, type) and issubclass(origin, Mapping)
