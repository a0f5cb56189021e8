"""Which models a set of modules fits, by the modules' names and sizes."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import frozen

from aitk_core.weights.layouts import Layout, layout_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Size: TypeAlias = tuple[int, int]

_DOTTED: Final = re.compile(r"(?<![^.])\d+(?![^.])")
_JOINED: Final = re.compile(r"(?<![^_])\d+(?![^_])")
_MAX_MISSING: Final = 0.1
"""Share of the known modules that a layout may lack; trainers add layers of their own."""
_MIN_KNOWN: Final = 0.5
"""Share of the modules that any layout must know at all."""

_JOINED_PREFIXES: Final = (
    ("lora_unet_", "diffusion_model"),
    ("lora_transformer_", "diffusion_model"),
    ("lora_prior_unet_", "diffusion_model"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te3_", "text_encoder_3"),
    ("lora_te_", "text_encoder"),
    ("lycoris_", "diffusion_model"),
)
_DOTTED_PREFIXES: Final = (
    ("model.diffusion_model.", "diffusion_model"),
    ("diffusion_model.", "diffusion_model"),
    ("transformer_2.", "diffusion_model"),
    ("transformer.", "diffusion_model"),
    ("unet.", "diffusion_model"),
    ("dit.", "diffusion_model"),
    ("net.", "diffusion_model"),
    ("lora_unet.", "diffusion_model"),
    ("text_encoders.clip_l.transformer.", "text_encoder"),
    ("text_encoders.clip_l.", "text_encoder"),
    ("text_encoders.clip_g.transformer.", "text_encoder_2"),
    ("text_encoders.clip_g.", "text_encoder_2"),
    ("text_encoders.t5xxl.transformer.", "text_encoder_2"),
    ("text_encoder_3.", "text_encoder_3"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder.", "text_encoder"),
    ("clip_l.", "text_encoder"),
    ("clip_g.", "text_encoder_2"),
)
_PEFT: Final = "base_model.model."
_JOINED_STARTS: Final = ("lora_", "lycoris_")


@frozen(kw_only=True)
class Known:
    """What a layout has of a pattern."""

    layout: int
    highest: int
    """The highest first number."""
    sizes: frozenset[Size]
    """Empty where the sizes are not known."""


@frozen(kw_only=True)
class Fit:
    """What a set of modules fits."""

    layouts: tuple[Layout, ...]
    known: int
    """Modules whose names any layout has."""
    example: str
    """A module that fits, with its size."""


def target_of(name: str) -> tuple[str, str, bool]:
    """Return what part of a model a module is of, its name in there, and whether `_` joins it."""
    if "." not in name and name.startswith(_JOINED_STARTS):
        for prefix, target in _JOINED_PREFIXES:
            if name.startswith(prefix):
                return target, name[len(prefix) :], True
    name = name.removeprefix(_PEFT)
    for prefix, target in _DOTTED_PREFIXES:
        if name.startswith(prefix):
            return target, name[len(prefix) :], False
    return "diffusion_model", name, "." not in name


@cache
def _index(*, joined: bool) -> Mapping[str, tuple[Known, ...]]:
    found: dict[str, list[Known]] = {}
    for number, layout in enumerate(layout_table()):
        for pattern, text in layout.modules.items():
            highest, *sizes = text.split()
            key = pattern.replace(".", "_") if joined else pattern
            found.setdefault(key, []).append(
                Known(layout=number, highest=int(highest), sizes=frozenset(map(_size, sizes)))
            )
    return {key: tuple(known) for key, known in found.items()}


def _size(text: str) -> Size:
    rows, _, columns = text.partition("x")
    return int(rows), int(columns)


def fit(modules: Iterable[tuple[str, Size | None]], *, joined: bool) -> Fit:
    """Return the layouts that modules fit.

    A layout is out where one module that it has is of another size or beyond its last block.

    Args:
        modules: Names without prefix, and sizes where these are known.
        joined: `_` stands in the names where the model's own have a dot.
    """
    pairs = list(modules)
    seen: dict[tuple[str, Size | None], list[int]] = {}
    number_of = _JOINED if joined else _DOTTED
    # One substitution over all names is far cheaper than one for each.
    patterns = (
        number_of.sub("#", "\n".join(name for name, _ in pairs)).split("\n")
        if not any("\n" in name for name, _ in pairs)
        else [number_of.sub("#", name) for name, _ in pairs]
    )
    for pattern, (name, size) in zip(patterns, pairs, strict=True):
        number = number_of.search(name)
        counted = seen.setdefault((pattern, size), [0, -1])
        counted[0] += 1
        if number is not None and len(number.group()) < len("10000"):
            counted[1] = max(counted[1], int(number.group()))
    return _judge(seen, len(pairs), joined=joined)


def _judge(seen: Mapping[tuple[str, Size | None], list[int]], total: int, *, joined: bool) -> Fit:
    index = _index(joined=joined)
    fitting: dict[int, int] = {}
    out: set[int] = set()
    known = 0
    example = ""
    for (pattern, size), (count, highest) in seen.items():
        rows = index.get(pattern, ())
        known += count if rows else 0
        for row in rows:
            if highest > row.highest or (size is not None and row.sizes and size not in row.sizes):
                out.add(row.layout)
            else:
                fitting[row.layout] = fitting.get(row.layout, 0) + count
                if not example and size is not None:
                    example = f"{pattern} {size[0]} x {size[1]}"
    if not known or known < total * _MIN_KNOWN:
        return Fit(layouts=(), known=known, example="")
    full = [number for number, count in fitting.items() if count == known and number not in out]
    if not full:
        enough = known * (1 - _MAX_MISSING)
        full = [n for n, count in fitting.items() if count >= enough and n not in out]
    table = layout_table()
    return Fit(layouts=tuple(table[number] for number in full), known=known, example=example)
