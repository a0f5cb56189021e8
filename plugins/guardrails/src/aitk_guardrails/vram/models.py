"""What is published of the models: parameters, text encoders, layers (data/models.json)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class Count:
    """Billions of parameters."""

    value: float
    low: float
    high: float
    """Low and high are half a unit of the last digit published where nothing better is known."""
    source: str


@frozen(kw_only=True)
class Shape:
    """What a step keeps of one token."""

    kept_width: float
    """Channels of all blocks, one after the other."""
    widest: float
    """Channels of one block."""
    pixels_per_token: float
    """Along one side."""
    frames_per_token: float | None
    """None for pictures."""
    source: str


@frozen(kw_only=True)
class ModelSize:
    """One family of models; None where nothing was found."""

    parameters: Count | None
    encoders: tuple[Count, ...] | None
    """Empty where there is none."""
    shape: Shape | None
    note: str
    experts: int
    """Transformers that take turns."""


@cache
def model_sizes() -> Mapping[str, ModelSize]:
    """Return the sizes by id of the architecture; one family shares one object."""
    text = files("aitk_guardrails").joinpath("vram/data/models.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    encoders = {name: Count(**row) for name, row in table["encoders"].items()}
    found: dict[str, ModelSize] = {}
    for row in table["families"]:
        named = row["encoders"]
        size = ModelSize(
            parameters=_made(Count, row["parameters"]),
            encoders=None if named is None else tuple(encoders[name] for name in named),
            shape=_made(Shape, row["shape"]),
            note=row["note"] or "",
            experts=2 if row["note"] == "two experts" else 1,
        )
        found |= dict.fromkeys(row["archs"], size)
    return MappingProxyType(found)


def _made(kind: type[Any], row: Mapping[str, Any] | None) -> Any:
    return None if row is None else kind(**row)
