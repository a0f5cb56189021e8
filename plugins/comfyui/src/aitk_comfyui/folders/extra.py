"""extra_model_paths.yaml: folders of models outside of ComfyUI's own.

    a1111:
      base_path: /srv/webui
      is_default: true
      checkpoints: models/Stable-diffusion
      loras: |
        models/Lora
        models/LyCORIS

Source: utils/extra_config.py of comfyanonymous/ComfyUI. Variables of the environment are not put
in place, as the file of one machine would then read the settings of another.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_comfyui.folders.known import LEGACY

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BYTES: Final = 1_000_000
_MOST_FOLDERS: Final = 200
_NO_MODELS: Final = frozenset({"configs", "custom_nodes"})


@frozen(kw_only=True)
class ExtraFolder:
    """One folder that the file names."""

    section: str
    kind: str
    """ComfyUI's name of what it holds."""
    path: Path
    """Absolute; it need not be there."""


@frozen(kw_only=True)
class ExtraFolders:
    """What the file says."""

    folders: tuple[ExtraFolder, ...] = ()
    faults: tuple[str, ...] = ()
    """What in it could not be used, and why."""


def read_extra(path: Path) -> ExtraFolders:
    """Read the file; blocking. One that is broken is a fault and no error."""
    import yaml

    try:
        if path.stat().st_size > _MOST_BYTES:
            return ExtraFolders(faults=(f"{path.name} is too large to be read",))
        document = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        return ExtraFolders(faults=(f"there is no file {path.name}",))
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        return ExtraFolders(faults=(f"{path.name} cannot be read: {type(error).__name__}",))
    if document is None:
        return ExtraFolders()
    if not isinstance(document, dict):
        return ExtraFolders(faults=(f"{path.name} has no sections",))
    faults: list[str] = []
    folders = list(_folders(document, path.parent, faults))
    if len(folders) > _MOST_FOLDERS:
        faults.append(f"{path.name} names {len(folders)} folders, {_MOST_FOLDERS} are looked at")
    return ExtraFolders(folders=tuple(folders[:_MOST_FOLDERS]), faults=tuple(faults))


def _folders(document: dict[Any, Any], home: Path, faults: list[str]) -> Iterator[ExtraFolder]:
    for section, entries in document.items():
        if entries is None:
            continue
        if not isinstance(entries, dict):
            faults.append(f"section {str(section)[:60]!r} is no list of folders")
            continue
        base = home
        if isinstance(entries.get("base_path"), str):
            base = home / Path(entries["base_path"]).expanduser()
        for kind, places in entries.items():
            if kind in ("base_path", "is_default") or kind in _NO_MODELS:
                continue
            if not isinstance(kind, str) or not isinstance(places, str):
                faults.append(f"entry {str(kind)[:60]!r} of {str(section)[:60]!r} is no folder")
                continue
            for place in places.split("\n"):
                if place.strip() and "\0" not in place:
                    yield ExtraFolder(
                        section=str(section),
                        kind=LEGACY.get(kind.lower(), kind.lower()),
                        path=base / place.strip(),
                    )
