"""JSON objects into attrs records, and back: the one cattrs converter."""

from __future__ import annotations

import math
import types
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter, override, transform_error
from cattrs.errors import BaseValidationError, CattrsError
from cattrs.gen import make_dict_unstructure_fn

from aitk_core.errors import InvalidArgumentsError
from aitk_core.records.marks import OMIT_IF_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.records.results import JsonObject

T = TypeVar("T")


_CONVERTER: Final = Converter(forbid_extra_keys=True)
# JSON values of free shape (a config, a proposed value) pass as they are.
_CONVERTER.register_structure_hook_func(lambda kind: kind is Any, lambda value, _kind: value)
_CONVERTER.register_structure_hook(float, lambda value, _kind: float(cast("float", value)))


def _members(kind: Any) -> tuple[Any, ...]:
    """Return what a union is of, without None."""
    if get_origin(kind) not in (Union, types.UnionType):
        return ()
    return tuple(member for member in get_args(kind) if member is not type(None))


def _structure_member(value: Any, kind: Any) -> Any:
    members = _members(kind)
    if isinstance(value, list):
        lists = (member for member in members if get_origin(member) in (tuple, list))
        return _CONVERTER.structure(value, next(lists))
    # JSON has one kind of number: 2.0 fits a schema's integer.
    if isinstance(value, float) and float not in members:
        return int(value)
    if isinstance(value, int) and int not in members and float in members:
        return value if isinstance(value, bool) else float(value)
    return value


def _unstructure_with_omissions(kind: type) -> Callable[[Any], dict[str, Any]]:
    omitted: dict[str, Any] = {
        each.name: override(omit_if_default=True)
        for each in attrs.fields(kind)
        if each.metadata.get(OMIT_IF_DEFAULT)
    }
    return make_dict_unstructure_fn(kind, _CONVERTER, **omitted)


_CONVERTER.register_unstructure_hook_factory(attrs.has, _unstructure_with_omissions)

# Unions of JSON types: the schema has already decided that the value fits one of them.
_CONVERTER.register_structure_hook_func(lambda kind: len(_members(kind)) > 1, _structure_member)


def structure(record: type[T], value: JsonObject) -> T:
    """Make a record of JSON that already fits the record's schema.

    Raises:
        InvalidArgumentsError: A key is missing, unknown or of the wrong kind.
    """
    try:
        return _CONVERTER.structure(value, record)
    except BaseValidationError as error:
        faults = [{"path": "", "message": fault} for fault in transform_error(error, path="")]
        raise InvalidArgumentsError(
            "; ".join(fault["message"] for fault in faults), faults=faults
        ) from error
    except (CattrsError, ValueError, TypeError) as error:
        raise InvalidArgumentsError(str(error)) from error


def unstructure(record: object) -> Any:
    """Return the JSON value of a record: tuples as lists, NaN and infinities as null.

    A number that is not finite carries no information that JSON can express; whoever
    emits it counts it apart, so here it only must not break the document.
    """
    return plain_json(_CONVERTER.unstructure(record))


def plain_json(value: Any) -> Any:
    """Return the value with tuples as lists and numbers that JSON lacks as null."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return clean_text(value) if isinstance(value, str) else value
    if hasattr(value, "items"):
        return {clean_text(str(key)): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_json(item) for item in value]
    return value


def clean_text(text: str) -> str:
    """Return the text without unpaired surrogates, which no encoder sends."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text
