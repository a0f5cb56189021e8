"""Models that an architecture cannot load (contract/TOOLS.md, tool 1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from aitk_core.errors import InvalidArgumentsError, PathOutsideRootsError
from aitk_core.services.modelfiles import MODEL_EXTENSIONS

if TYPE_CHECKING:
    from aitk_core.configkeys.archs import Arch
    from aitk_core.protocols import ToolContext
    from aitk_core.services.modelfiles import FoundModel

_FOLDER_ARCHS: Final = frozenset({"flux", "flex1", "flex2"})
"""Architectures whose loader needs a diffusers folder or Hub id (contract/TOOLS.md, tool 1)."""
_FOLDER_FILES: Final = ("model_index.json", "transformer/config.json")


def check_flux_model(arch: Arch, name: str, found: FoundModel | None, context: ToolContext) -> None:
    """Refuse a single file, or a folder without a model in it, where a folder is needed.

    Raises:
        InvalidArgumentsError: The model cannot be loaded for this architecture.
    """
    if arch.trainer_arch not in _FOLDER_ARCHS:
        return
    problem = None
    if name.lower().endswith(MODEL_EXTENSIONS):
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
