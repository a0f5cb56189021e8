"""What each architecture asks of pictures and texts: the step of bucket sides, the text limit.

The table is package data with the trainer's file beside each row. What was not found there is
None, never a guess.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ARCH: Final = "sd1"
"""What the trainer takes where a config names none (toolkit/config_modules.py)."""

_LONGEST_NAME: Final = 100
_ALIASES: Final = MappingProxyType({"flex1": "flux"})
_FLAGS: Final = (
    ("is_v2", "sd2"),
    ("is_v3", "sd3"),
    ("is_xl", "sdxl"),
    ("is_pixart", "pixart"),
    ("is_pixart_sigma", "pixart_sigma"),
    ("is_auraflow", "auraflow"),
    ("is_flux", "flux"),
    ("is_lumina2", "lumina2"),
    ("is_vega", "vega"),
    ("is_ssd", "ssd"),
)
"""Older names of architectures, in the order in which the trainer asks for them."""


@frozen(kw_only=True)
class Architecture:
    """One row of the table."""

    arch: str
    """As the trainer knows it: without the tag after a colon."""
    divisibility: int | None
    """Bucket sides are whole multiples of it, in pixels."""
    text_limit: int | None
    """Tokens that the text encoder takes, marks and template included."""
    text_encoder: Literal["clip", "t5", "llm"] | None
    limit_key: str | None = None
    """Key of `model.model_kwargs` that sets another limit."""
    cuts_with_controls: bool = True
    """False where the limit does not hold for items with control images."""
    source: str
    """File of the trainer that says the step, and the limit where `text_source` is None."""
    text_source: str | None = None
    note: str = ""


@cache
def architectures() -> Mapping[str, Architecture]:
    """Return the table by the trainer's name of the architecture."""
    text = (files("aitk_datasets") / "folder" / "architectures.json").read_text(encoding="utf-8")
    rows = (Architecture(**row) for row in json.loads(text)["rows"])
    return MappingProxyType({row.arch: row for row in rows})


def trainer_arch(model: Mapping[str, Any]) -> str | None:
    """Return the architecture that the trainer makes of a config's `model` block.

    None where the key holds no name. `wan21:14b` is `wan21`; without the key the older flags
    count, and without those it is Stable Diffusion 1.
    """
    name = model.get("arch")
    if name is None:
        return next((arch for flag, arch in _FLAGS if model.get(flag) is True), DEFAULT_ARCH)
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not name.isprintable():
        return None
    bare = name.split(":", 1)[0]
    return _ALIASES.get(bare, bare)
