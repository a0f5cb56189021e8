"""Recorded layouts of files of weights, and the table of the package that is reduced from them.

    python tests/support/weight_layouts.py    writes aitk_core/weights/data/layouts.json anew

A layout is described in `tests/recordings/headers` (its README says how each was made). The
reduction keeps of each the few tensors that tell it from all others, and the sizes of the modules
that a LoRA can hold. It needs nothing but the standard library.
"""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
RECORDED: Final = ROOT / "tests/recordings/headers"
DATA: Final = ROOT / "aitk_core/src/aitk_core/weights/data"
WHOLE: Final = ("diffusion_model", "vae", "controlnet")
"""Kinds of which a file with other groups of weights is of another model."""
WITH_LORAS: Final = ("diffusion_model", "text_encoder")

_NUMBER: Final = re.compile(r"(?<![^.])\d+(?![^.])")
_RANGES: Final = re.compile(r"\{([\d,-]+)\}")
_UNSTEADY: Final = (
    *("embed_tokens", "token_embd", "shared.", "token_embedding", "lm_head", "pad_token"),
    *("pos_embed", "positional", "position", "register", "latents_", "logit_scale", "text_proj"),
    *("betas", "norm_final", "x_embedder.2-1", "pos_embedder"),
)
"""Tensors that other files of the same model lack, or have in other sizes."""

_CROSSING: Final = ("attn2.to_k", "cross_attn.k", "add_k_proj", "txt_attn", "context_block")
"""Layers whose width is that of the text encoder."""
_OUTER: Final = 6
_INNER: Final = 6
_SLIM: Final = 3
"""Tensors of each sort that a layout is told by, at least."""
_FEWEST_BLOCKS: Final = 3
_ANY: Final = -1
_TOP: Final = 999
"""Highest number of a block where the depth is not known."""

Shape = tuple[int, ...]


class Layout(NamedTuple):
    """One recorded layout."""

    source: str
    models: tuple[str, ...]
    tensors: dict[str, tuple[str, Shape]]
    sure: tuple[str, ...] | None
    """The tensors whose shapes are known; None where all are."""


def expanded(rows: dict[str, list[Any]]) -> dict[str, tuple[str, Shape]]:
    """Return tensors by name; a row may stand for a run of blocks, `blocks.{0-27,30}.weight`."""
    tensors: dict[str, tuple[str, Shape]] = {}
    for row, (dtype, *shape) in rows.items():
        found = _RANGES.search(row)
        names = [row]
        if found:
            names = []
            for part in found.group(1).split(","):
                first, _, last = part.partition("-")
                names += [
                    row[: found.start()] + str(number) + row[found.end() :]
                    for number in range(int(first), int(last or first) + 1)
                ]
        tensors |= dict.fromkeys(names, (str(dtype), tuple(shape)))
    return tensors


def recorded() -> dict[str, Layout]:
    """Return all recorded layouts by name."""
    found = {}
    for path in sorted(RECORDED.glob("*.json.gz")):
        document = json.loads(gzip.decompress(path.read_bytes()))
        found[path.name.removesuffix(".json.gz")] = Layout(
            document["source"],
            tuple(document["models"]),
            expanded(document["tensors"]),
            tuple(document["sure"]) if "sure" in document else None,
        )
    return found


def held_out(
    folder: str = "heldout",
) -> dict[str, tuple[str, tuple[str, ...], dict[str, tuple[str, Shape]]]]:
    """Return headers that the table knows nothing of: kind, model, tensors."""
    found = {}
    for path in sorted((RECORDED / folder).glob("*.json.gz")):
        document = json.loads(gzip.decompress(path.read_bytes()))
        found[path.name.removesuffix(".json.gz")] = (
            str(document["kind"]),
            tuple(document["models"]),
            expanded(document["tensors"]),
        )
    return found


def table() -> dict[str, Any]:
    """Return what `layouts.json` must hold."""
    layouts = recorded()
    models = tomllib.loads((DATA / "models.toml").read_text(encoding="utf-8"))
    rows = {}
    for name, layout in layouts.items():
        others = [other for other in layouts.values() if other.models != layout.models]
        has = _has(layout, others)
        row: dict[str, Any] = {
            "models": layout.models,
            "source": layout.source,
            "has": {key: _shape(layout, key, models) for key in has},
            "lacks": _lacks(layout, has, others),
        }
        model = models[layout.models[0]]
        if model["kind"] in WHOLE:
            row["groups"] = _groups(layout, pairs=model["kind"] == "vae")
        if model["kind"] in WITH_LORAS and model.get("loras", True):
            row["modules"] = _modules(layout)
        rows[name] = row
    return rows


def _shape(layout: Layout, name: str, models: dict[str, Any]) -> Shape:
    """Return the shape; an embedding has any number of vectors."""
    shape = layout.tensors[name][1]
    if not _is_sure(layout, name):
        return (_ANY,) * len(shape)
    return (_ANY, *shape[1:]) if models[layout.models[0]]["kind"] == "embedding" else shape


def _steady(name: str) -> bool:
    return not any(part in name for part in _UNSTEADY)


def _is_first(name: str) -> bool:
    number = _NUMBER.search(name)
    return number is None or number.group() in ("0", "1")


def _has(layout: Layout, others: list[Layout]) -> list[str]:
    """Return a few tensors that no other layout has all of, where there are such ones."""
    shapes = {name: shape for name, (_, shape) in layout.tensors.items() if _is_first(name)}
    steady = [name for name in shapes if _steady(name)]
    weights = [name for name in steady if len(shapes[name]) > 1]
    blocks = _blocks(layout)
    outer = [name for name in weights if _block(name) not in blocks]
    inner = [name for name in weights if _block(name) in blocks]
    slim = [name for name in steady if len(shapes[name]) == 1 and _NUMBER.search(name)]
    crossing = [name for name in inner if any(part in name for part in _CROSSING)]
    chosen = dict.fromkeys(
        [
            *(layout.sure or ()),
            *_spread(outer, _OUTER),
            *_spread(inner, _INNER),
            *crossing[:1],
            *_spread(slim, _SLIM),
        ]
    )
    if not chosen:
        chosen = dict.fromkeys(list(shapes)[:_INNER])
    left = [other for other in others if _holds(other, layout, chosen)]
    left = _told_apart(layout, chosen, left, [*outer, *inner, *slim])
    # A steady tensor that only the other one has is better than an unsteady one that differs.
    left = [other for other in left if not any(map(_steady, _surplus(layout, other)))]
    later = sorted(layout.tensors, key=_first_number)
    _told_apart(layout, chosen, left, [*(name for name in shapes if not _steady(name)), *later])
    return list(chosen)


def _told_apart(
    layout: Layout, chosen: dict[str, None], left: list[Layout], pool: list[str]
) -> list[Layout]:
    """Choose more tensors until none of the others has them all; return those that do."""
    while left and pool:
        best = min(pool, key=lambda name: sum(_holds(other, layout, [name]) for other in left))
        remaining = [other for other in left if _holds(other, layout, [best])]
        if len(remaining) == len(left):
            break
        chosen[best], left = None, remaining
    return left


def _surplus(layout: Layout, other: Layout) -> list[str]:
    return [name for name in other.tensors if name not in layout.tensors]


def _block(name: str) -> str:
    """Return what stands before the first number."""
    number = _NUMBER.search(name)
    return name[: number.start()] if number else ""


def _blocks(layout: Layout) -> set[str]:
    """Return the names of the lists of blocks: what stands before three numbers or more."""
    numbers: dict[str, set[int]] = {}
    for name in layout.tensors:
        if _NUMBER.search(name):
            numbers.setdefault(_block(name), set()).add(_first_number(name))
    return {block for block, found in numbers.items() if len(found) >= _FEWEST_BLOCKS}


def _spread(names: list[str], count: int) -> list[str]:
    """Return as many of the names, from all over the list, the first and the last among them."""
    if len(names) <= count:
        return names
    return [names[at * (len(names) - 1) // (count - 1)] for at in range(count)]


def _holds(other: Layout, layout: Layout, names: Any) -> bool:
    """Return whether another layout has some tensors of one, or could have them."""
    return all(
        name in other.tensors
        and (
            other.tensors[name][1] == layout.tensors[name][1]
            or not (_is_sure(layout, name) and _is_sure(other, name))
        )
        for name in names
    )


def _is_sure(layout: Layout, name: str) -> bool:
    return layout.sure is None or name in layout.sure


def _lacks(layout: Layout, has: list[str], others: list[Layout]) -> list[str]:
    """Return tensors that tell apart those which have everything that was chosen."""
    lacks: dict[str, None] = {}
    for other in others:
        if _holds(other, layout, has) and not any(name in other.tensors for name in lacks):
            more = _surplus(layout, other)
            if more:
                lacks[min(more, key=lambda name: (not _steady(name), _first_number(name)))] = None
    return list(lacks)


def _first_number(name: str) -> int:
    number = _NUMBER.search(name)
    return int(number.group()) if number else -1


def _groups(layout: Layout, *, pairs: bool) -> list[str]:
    """Return the first parts of the names of all weights, two parts of each for pairs."""
    count = 2 if pairs else 1
    return sorted({".".join(name.split(".")[:count]) for name in layout.tensors})


def _modules(layout: Layout) -> dict[str, str]:
    """Return, by module name with `#` for numbers, the highest first number and the sizes."""
    highest: dict[str, int] = {}
    sizes: dict[str, dict[str, None]] = {}
    for name, (_, shape) in layout.tensors.items():
        if not name.endswith(".weight") or len(shape) < len(("out", "in")):
            continue
        module = name.removesuffix(".weight")
        pattern = _NUMBER.sub("#", module)
        highest[pattern] = max(highest.get(pattern, 0), _first_number(module))
        sizes.setdefault(pattern, {})[f"{shape[0]}x{shape[1]}"] = None
    if layout.sure is not None:
        return {pattern: str(_TOP) for pattern in sorted(sizes)}
    return {
        pattern: f"{highest[pattern]} {' '.join(found)}" for pattern, found in sorted(sizes.items())
    }


def text(rows: dict[str, Any]) -> str:
    """Return the table as the file holds it: a line for each layout's part."""
    lines = []
    for name, row in rows.items():
        parts = ",\n  ".join(
            f"{json.dumps(key)}: {json.dumps(value, separators=(', ', ': '))}"
            for key, value in row.items()
        )
        lines.append(f"{json.dumps(name)}: {{\n  {parts}}}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    (DATA / "layouts.json").write_text(text(table()), encoding="utf-8")
