"""JSON and text as they come over the wire, made harmless: no NaN, no broken Unicode."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

# JSON may escape a surrogate without its partner (RFC 8259 section 8.2); such text cannot
# be encoded again and kills whoever prints it.
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")

_DEPTH_LIMIT: Final = 64
"""Nesting of a job's config; the deepest of the recorded configs has 8 levels. Our own."""

_BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"


def clean_text(text: str) -> str:
    """Return the text with each unpaired surrogate replaced by U+FFFD, pairs joined."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _cleaned(item) for key, item in value.items()}
    return value


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _nothing(_constant: str) -> None:
    """Read NaN and Infinity, which are not JSON, as null."""


def decode_json(body: bytes | str) -> Any:
    """Return the JSON value, its text clean and its numbers finite or None.

    Bytes that are not UTF-8 become U+FFFD.

    Raises:
        ValueError: It is not JSON, or nested too deeply to be read.
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        value = json.loads(text.removeprefix(_BOM), parse_float=_finite, parse_constant=_nothing)
        return _cleaned(value) if _SURROGATE_ESCAPE.search(text) else value
    except (ValueError, RecursionError) as error:
        # Not chained: a JSONDecodeError holds the whole document, secrets included.
        fault = f"not JSON: {getattr(error, 'msg', None) or type(error).__name__}"
    raise ValueError(fault)


def nests_deeply(value: Any) -> bool:
    """Tell whether a JSON value has more levels than a job's config can have."""
    level = [value]
    for _ in range(_DEPTH_LIMIT):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return False
        level = below
    return True


def excerpt(body: bytes | str, length: int = 80) -> str:
    """Return the beginning of a foreign text on one line, characters that print only."""
    text = body[: length * 8]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:length]
