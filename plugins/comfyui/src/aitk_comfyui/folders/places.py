"""The folders to look into, each once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from aitk_comfyui.folders.extra import ExtraFolders, read_extra
from aitk_comfyui.folders.known import OTHER, folder_of
from aitk_comfyui.settings import ComfySettings
from aitk_core.services.modelfiles import model_roots

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext

_EXTRA = "extra_model_paths.yaml"


@frozen(kw_only=True)
class Place:
    """A folder with models."""

    name: str
    """What answers call it: the root, or the section of extra_model_paths.yaml."""
    path: Path
    """Absolute, links resolved."""
    kind: str | None
    """What all of it holds; None where its own folders say so."""

    def kind_of(self, relative: Path) -> str:
        """Return ComfyUI's folder of a file in it."""
        if self.kind is not None:
            return self.kind
        return folder_of(relative.parts[0]) if len(relative.parts) > 1 else OTHER


@frozen(kw_only=True)
class Places:
    """All of them."""

    places: tuple[Place, ...]
    missing: tuple[str, ...]
    """Roots that are configured and not there."""
    notes: tuple[str, ...]


def find_places(context: ToolContext) -> Places:
    """Return the folders that are there; blocking."""
    found: dict[Path, Place] = {}
    missing: list[str] = []
    roots = model_roots(context)
    for name, path in roots.items():
        if not path.is_dir():
            missing.append(name)
            continue
        own = folder_of(path.name)
        kind = None if own == OTHER else own
        found.setdefault(path, Place(name=name, path=path, kind=kind))
    extra = _extra(context, list(roots.values()))
    gone = 0
    for folder in extra.folders:
        path = Path(os.path.realpath(folder.path))
        if not path.is_dir():
            gone += 1
        elif not any(path.is_relative_to(known) for known in found):
            found[path] = Place(name=folder.section, path=path, kind=folder.kind)
    notes = list(extra.faults)
    if gone:
        notes.append(f"{gone} folders of {_EXTRA} are not there.")
    return Places(places=tuple(found.values()), missing=tuple(missing), notes=tuple(notes))


def _extra(context: ToolContext, roots: list[Path]) -> ExtraFolders:
    named = context.settings(ComfySettings).extra_paths
    if named is not None:
        return read_extra(named.expanduser())
    for root in roots:
        beside = root.parent / _EXTRA
        if beside.is_file():
            return read_extra(beside)
    return ExtraFolders()
