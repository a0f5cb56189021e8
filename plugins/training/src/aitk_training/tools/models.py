"""Finding a model that is named by its file below the model roots (contract/TOOLS.md, tool 1)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.errors import InvalidArgumentsError, NotFoundError, PathOutsideRootsError

if TYPE_CHECKING:
    from aitk_core.configkeys.archs import Arch
    from aitk_core.protocols import ToolContext

_EXTENSIONS: Final = (".safetensors", ".ckpt", ".bin", ".pt", ".pth", ".gguf")
"""The contract's model extensions, in its order."""
_ROOTS: Final = 100
_ENTRIES: Final = 200_000
"""Ours: files looked at in all roots together; a folder of models has thousands."""
_FOLDER_ARCHS: Final = frozenset({"flux", "flex1", "flex2"})
"""Architectures whose loader needs a diffusers folder or Hub id (contract/TOOLS.md, tool 1)."""
_FOLDER_FILES: Final = ("model_index.json", "transformer/config.json")


@frozen(kw_only=True)
class FoundModel:
    """A model below the roots."""

    requested: str
    path: Path
    """Absolute."""


async def find_model(context: ToolContext, name: str) -> FoundModel | None:
    """Return the file or folder that a name means below the model roots, None to keep the name.

    A Hub id stays one; a file name without an extension is tried with each model extension.
    """
    roots = _model_roots(context)
    if not roots:
        return None
    path = await context.run(_find, roots, name.strip())
    return None if path is None else FoundModel(requested=name, path=path)


def _model_roots(context: ToolContext) -> list[Path]:
    roots: list[Path] = []
    for index in range(_ROOTS):
        try:
            roots.append(context.paths.root(f"models{index or ''}"))
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
    is_file_name = name.lower().endswith(_EXTENSIONS)
    if "/" in name:
        return None
    wanted = {name.lower()} if is_file_name else {name.lower() + each for each in _EXTENSIONS}
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


def check_flux_model(arch: Arch, name: str, found: FoundModel | None, context: ToolContext) -> None:
    """Refuse a single file, or a folder without a model in it, where a folder is needed.

    Raises:
        InvalidArgumentsError: The model cannot be loaded for this architecture.
    """
    if arch.trainer_arch not in _FOLDER_ARCHS:
        return
    problem = None
    if name.lower().endswith(_EXTENSIONS):
        problem = "is a single file, and this architecture needs a diffusers folder or a Hub id"
    elif found is not None or Path(name).is_absolute():
        problem = _folder_problem(name, context)
    if problem is not None:
        raise InvalidArgumentsError(
            f"model {name[:200]!r} {problem}",
            remedy="name a Hub id, or a folder in diffusers format",
            faults=[{"path": "/model_name", "message": problem}],
        )


def _folder_problem(name: str, context: ToolContext) -> str | None:
    try:
        folder = context.paths.resolve(name)
    except PathOutsideRootsError:
        return None  # only the backend can see it
    if not folder.is_dir() or any((folder / each).is_file() for each in _FOLDER_FILES):
        return None
    return f"has neither {' nor '.join(_FOLDER_FILES)}"
