"""The run's `config.yaml`: plain JSON values as block YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_ ./-]*[A-Za-z0-9_/.-]|[A-Za-z_]")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def to_yaml(value: Mapping[str, Any]) -> str:
    """Write a mapping of JSON values as YAML, one key a line."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any, indent: str = "") -> list[str]:
    lines: list[str] = []
    entries: list[tuple[str, Any]] = (
        [(f"{_scalar(key)}:", item) for key, item in value.items()]
        if isinstance(value, Mapping)
        else [("-", item) for item in value]
    )
    for head, item in entries:
        if isinstance(item, Mapping | list) and item:
            lines.append(indent + head)
            lines += _lines(item, indent + "  ")
        else:
            lines.append(f"{indent}{head} {_scalar(item)}")
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, float):
        # YAML 1.1 reads `1e-05` as text unless there is a point.
        text = repr(value)
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    # Every JSON scalar, and an empty list or object, is YAML.
    return json.dumps(value)
