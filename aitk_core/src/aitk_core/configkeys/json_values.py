"""Bounds of untrusted JSON: a config or a proposed value, before anything else looks at it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import frozen

from aitk_core.configkeys.paths import DEEPEST, Keys, to_pointer
from aitk_core.errors import InvalidArgumentsError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator


JsonType: TypeAlias = Literal["string", "integer", "number", "boolean", "array", "object", "null"]

MOST_VALUES: Final = 50_000
"""Values and keys of one document; ours. A config with 10,000 sample prompts stays below."""
MOST_TEXT: Final = 4_000_000
"""Characters of all texts and keys of one document; ours."""
_WIDEST_INTEGER: Final = 2**63
"""JSON numbers beyond 64 bits are not interoperable (RFC 8259, section 6)."""
_EXACT_FLOAT: Final = 2.0**53
"""Up to here a whole float is the integer that it looks like."""
_SHOWN: Final = 80
_LISTED: Final = 20


@frozen(kw_only=True)
class JsonFault:
    """Something in a document that must not reach the trainer."""

    keys: Keys
    kind: Literal["shape", "substitution", "text"]
    """`shape`: no JSON, or nested too deep. `substitution`: holds `${`. `text`: unsafe text."""
    message: str


def json_faults(value: Any) -> Iterator[JsonFault]:
    """Yield what is wrong with the texts, numbers, keys and nesting of a document, in its order.

    Raises:
        TooLargeError: More than 50,000 values or 4,000,000 characters.
    """
    waiting: list[tuple[Keys, Any]] = [((), value)]
    values = text = 0
    while waiting:
        keys, each = waiting.pop()
        values += 1
        if len(keys) > DEEPEST:
            yield _shape(keys, f"is nested deeper than {DEEPEST} levels")
            continue
        inner: list[tuple[Keys, Any]] = []
        if isinstance(each, str):
            text += len(each)
            yield from _text_faults(keys, each)
        elif isinstance(each, Mapping):
            text += sum(len(key) for key in each if isinstance(key, str))
            _bound(values + len(waiting) + len(each), text)
            for key, below in each.items():
                yield from _key_faults(keys, key)
                inner.append(((*keys, str(key)), below))
        elif isinstance(each, list | tuple):
            _bound(values + len(waiting) + len(each), text)
            inner.extend(((*keys, str(index)), below) for index, below in enumerate(each))
        else:
            yield from _scalar_faults(keys, each)
        _bound(values + len(waiting) + len(inner), text)
        waiting.extend(reversed(inner))


def require_json(value: Any, *, what: str) -> None:
    """Refuse what is no JSON, or more of it than a config can be.

    Texts are not judged here: they are the trainer's business, see `json_faults`.

    Args:
        value: Anything.
        what: What it is called in the message.

    Raises:
        InvalidArgumentsError: A value of no JSON type, NaN, an infinity, an integer beyond 64
            bits, a key that is no text, or more than 64 levels.
        TooLargeError: More than 50,000 values or 4,000,000 characters.
    """
    shapes = (fault for fault in json_faults(value) if fault.kind == "shape")
    faults = [
        {"path": to_pointer(fault.keys)[:_SHOWN], "message": fault.message}
        for fault, _ in zip(shapes, range(_LISTED), strict=False)
    ]
    if faults:
        raise InvalidArgumentsError(
            f"{what} is no plain JSON: at {faults[0]['path'] or '/'!r}, "
            f"a value {faults[0]['message']}",
            remedy="use JSON values with finite numbers",
            faults=faults,
        )


def plain_copy(value: Any) -> Any:
    """Return a copy of a JSON value in dicts and lists that shares nothing with it."""
    if isinstance(value, Mapping):
        return {key: plain_copy(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [plain_copy(below) for below in value]
    return value


def json_types(value: Any) -> frozenset[JsonType]:
    """Return the JSON types that a value is of: 2 and 2.0 are an integer and a number."""
    if value is None:
        return frozenset({"null"})
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, str):
        return frozenset({"string"})
    if isinstance(value, Mapping):
        return frozenset({"object"})
    if isinstance(value, list | tuple):
        return frozenset({"array"})
    # The backend's JavaScript writes 2.0 as 2, so the trainer reads an integer.
    whole = isinstance(value, int) or (value.is_integer() and abs(value) <= _EXACT_FLOAT)
    return frozenset({"integer", "number"} if whole else {"number"})


def shown(value: Any) -> str:
    """Return a value as one short line of a message; texts are quoted and escaped."""
    if isinstance(value, Mapping):
        return f"an object with {len(value)} keys"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)} items"
    text = json.dumps(value[:_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _shape(keys: Keys, message: str) -> JsonFault:
    return JsonFault(keys=keys, kind="shape", message=message)


def _bound(values: int, text: int) -> None:
    if values > MOST_VALUES or text > MOST_TEXT:
        raise TooLargeError(
            f"the document has more than {MOST_VALUES} values or {MOST_TEXT} characters",
            limit_values=MOST_VALUES,
            limit_characters=MOST_TEXT,
        )


def _scalar_faults(keys: Keys, value: Any) -> Iterator[JsonFault]:
    if isinstance(value, float) and not math.isfinite(value):
        yield _shape(keys, "must be a finite number")
    elif isinstance(value, int) and not -_WIDEST_INTEGER <= value < _WIDEST_INTEGER:
        yield _shape(keys, "must fit into 64 bits")
    elif value is not None and not isinstance(value, bool | int | float):
        yield _shape(keys, f"is of no JSON type: {type(value).__name__}")


def _key_faults(keys: Keys, key: Any) -> Iterator[JsonFault]:
    if not isinstance(key, str):
        yield _shape(keys, f"has a key of type {type(key).__name__}: keys must be texts")
        return
    for fault in _text_faults(keys, key):
        yield JsonFault(keys=keys, kind=fault.kind, message=f"key {shown(key)} {fault.message}")


def _text_faults(keys: Keys, text: str) -> Iterator[JsonFault]:
    if "${" in text:
        # The trainer would put its own environment there, tokens included, and log it
        # (toolkit/config.py, replace_env_vars_in_string).
        message = "may not hold '${': the trainer replaces it by its environment variables"
        yield JsonFault(keys=keys, kind="substitution", message=message)
    if "\0" in text:
        yield JsonFault(keys=keys, kind="text", message="may not hold a NUL character")
    elif not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        yield JsonFault(keys=keys, kind="text", message="may not hold half of a surrogate pair")
