"""Finding a model that is named by its file below the model roots (contract/TOOLS.md, tool 1)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.errors import NotFoundError

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext

MODEL_EXTENSIONS: Final = (".safetensors", ".ckpt", ".bin", ".pt", ".pth", ".gguf")
"""The contract's model extensions, in its order."""
_ROOTS: Final = 100
_ENTRIES: Final = 200_000
"""Ours: files looked at in all roots together; a folder of models has thousands."""


@frozen(kw_only=True)
class FoundModel:
    """A model below the roots."""

    requested: str
    path: Path
    """Absolute."""
    root: str
    """Name of the root that it lies below: `models`, `models1` and so on."""


async def find_model(context: ToolContext, name: str) -> FoundModel | None:
    """Return the file or folder that a name means below the model roots, None to keep the name.

    A Hub id stays one; a file name without an extension is tried with each model extension.
    """
    roots = model_roots(context)
    if not roots:
        return None
    path = await context.run(_find, list(roots.values()), name.strip())
    if path is None:
        return None
    root = next(name for name, folder in roots.items() if path.is_relative_to(folder))
    return FoundModel(requested=name, path=path, root=root)


def model_roots(context: ToolContext) -> dict[str, Path]:
    """Return the configured folders of models, by root name."""
    roots: dict[str, Path] = {}
    for index in range(_ROOTS):
        name = f"models{index or ''}"
        try:
            roots[name] = context.paths.root(name)
        except NotFoundError:
            break
    return roots


def _find(roots: list[Path], name: str) -> Path | None:
    if not name or "\0" in name or ".." in Path(name).parts or Path(name).is_absolute():
        return None
    for root in roots:
        path = Path(os.path.realpath(root / name))
        if path.is_relative_to(root) and path != root and path.exists():
            return path
    is_file_name = name.lower().endswith(MODEL_EXTENSIONS)
    if "/" in name:
        return None
    wanted = {name.lower()} if is_file_name else {name.lower() + each for each in MODEL_EXTENSIONS}
    return _walk(roots, wanted)


def _walk(roots: list[Path], wanted: set[str]) -> Path | None:
    seen = 0
    for root in roots:
        for folder, folders, files in os.walk(root):
            folders.sort()
            seen += len(files)
            if seen > _ENTRIES:
                return None
            for file in sorted(files):
                path = Path(folder, file)
                # A link that leads out of the roots is not ours to name.
                if file.lower() in wanted and Path(os.path.realpath(path)).is_relative_to(root):
                    return path
    return None
