"""Which models a set of modules fits, by the modules' names and sizes."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import Factory, define, field, frozen

from aitk_core.weights.layouts import Layout, layout_table, model_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitk_core.weights.layouts import Kind

Size: TypeAlias = tuple[int, int]

_DOTTED: Final = re.compile(r"(?<![^.\n])\d+(?![^.\n])")
_JOINED: Final = re.compile(r"(?<![^_\n])\d+(?![^_\n])")
_MAX_MISSING: Final = 0.1
"""Share of the known modules that a layout may lack; trainers add layers of their own."""
_MIN_KNOWN: Final = 0.75
"""Share of the modules, of those whose sizes show, that any layout must know at all."""
_DEEP: Final = 3
"""Highest number from which on a list of blocks tells a model by its depth."""
_MAX_DIGITS: Final = 4
"""Longer numbers are none of blocks."""

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

    def has(self, size: Size | None) -> bool:
        """Return whether a module can be of a size, as far as both are known."""
        return size is None or not self.sizes or size in self.sizes


@frozen(kw_only=True)
class Fit:
    """What a set of modules fits."""

    layouts: tuple[Layout, ...]
    known: int
    """Modules whose names any layout has."""
    whole: bool = False
    """Every module fits."""
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
    return "diffusion_model", name, False


@cache
def _index(*, joined: bool) -> Mapping[str, tuple[Known, ...]]:
    found: dict[str, dict[int, Known]] = {}
    for number, layout in enumerate(layout_table()):
        for pattern, text in layout.modules.items():
            highest, *sizes = text.split()
            key, top = _joined(pattern, int(highest)) if joined else (pattern, int(highest))
            known = Known(layout=number, highest=top, sizes=frozenset(map(_size, sizes)))
            other = found.setdefault(key, {}).get(number)
            if other is not None:
                known = Known(
                    layout=number,
                    highest=max(known.highest, other.highest),
                    sizes=known.sizes | other.sizes,
                )
            found[key][number] = known
    return {key: tuple(known.values()) for key, known in found.items()}


def _joined(pattern: str, highest: int) -> tuple[str, int]:
    """Return a pattern with its dots as `_`, which makes numbers of `linear_1` and the like."""
    flat = pattern.replace(".", "_")
    first = _JOINED.search(flat)
    if first is not None and "#" not in flat[: first.start()]:
        highest = int(first.group())
    return _JOINED.sub("#", flat), highest


def _size(text: str) -> Size:
    rows, _, columns = text.partition("x")
    return int(rows), int(columns)


def fit(modules: Iterable[tuple[str, Size | None]], kind: Kind, *, joined: bool) -> Fit:
    """Return the layouts that modules fit.

    A layout is out where one module that it has is of another size or beyond its last block. If
    the modules are of all blocks that some of the layouts have, the deeper ones are out as well.

    Args:
        modules: Names without prefix, and sizes where these are known.
        kind: The layouts that are asked for.
        joined: `_` stands in the names where the model's own have a dot.
    """
    pairs = list(modules)
    if not pairs:
        return Fit(layouts=(), known=0, example="")
    number_of = _JOINED if joined else _DOTTED
    names = [name if "\n" not in name else "" for name, _ in pairs]
    # One substitution over all names is far cheaper than one for each.
    patterns = number_of.sub("#", "\n".join(names)).split("\n")
    seen: dict[tuple[str, Size | None], _Group] = {}
    for pattern, name, (_, size) in zip(patterns, names, pairs, strict=True):
        group = seen.get((pattern, size))
        if group is None:
            group = seen[(pattern, size)] = _Group()
        group.count += 1
        number = number_of.search(name)
        if number is not None and len(number.group()) <= _MAX_DIGITS:
            group.numbers.add(int(number.group()))
    return _judge(seen, kind, joined=joined)


@define
class _Group:
    """Modules of one pattern and size."""

    count: int = 0
    numbers: set[int] = field(default=Factory(set))


def _judge(seen: Mapping[tuple[str, Size | None], _Group], kind: Kind, *, joined: bool) -> Fit:
    index = _index(joined=joined)
    fitting: dict[int, int] = {}
    out: set[int] = set()
    depths: dict[int, dict[str, tuple[int, list[set[int]]]]] = {}
    known = strange = 0
    example = ""
    for (pattern, size), group in seen.items():
        rows = index.get(pattern, ())
        known += group.count if rows else 0
        strange += 0 if rows or size is None else group.count
        for row in rows:
            if max(group.numbers, default=-1) > row.highest or not row.has(size):
                out.add(row.layout)
                continue
            fitting[row.layout] = fitting.get(row.layout, 0) + group.count
            if row.highest >= _DEEP:
                of_layout = depths.setdefault(row.layout, {})
                of_layout.setdefault(pattern, (row.highest, []))[1].append(group.numbers)
            if not example and size is not None:
                example = f"{pattern} {size[0]} x {size[1]}"
    if not known or known < (known + strange) * _MIN_KNOWN:
        return Fit(layouts=(), known=known, example="")
    models, table = model_table(), layout_table()
    left = {
        number: count
        for number, count in fitting.items()
        if number not in out and models[table[number].models[0]].kind == kind
    }
    full = [number for number, count in left.items() if count == known]
    if not full:
        full = [number for number, count in left.items() if count >= known * (1 - _MAX_MISSING)]
    complete = [
        number
        for number in full
        if number in depths
        and all(len(set().union(*numbers)) == top + 1 for top, numbers in depths[number].values())
    ]
    return Fit(
        layouts=tuple(table[number] for number in complete or full),
        known=known,
        whole=not strange and all(left[number] == known for number in full),
        example=example,
    )
