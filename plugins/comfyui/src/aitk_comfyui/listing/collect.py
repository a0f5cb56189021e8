"""Which files there are, before any of them is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.services.modelfiles import MODEL_EXTENSIONS
from aitk_core.weights.index import SeenFile
from aitk_core.weights.walk import walk_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_comfyui.folders.places import Place
    from aitk_comfyui.remote import Seen

REMOTE: Final = "comfyui"
EXTENSIONS: Final = (*MODEL_EXTENSIONS, ".sft")
"""`.sft` is ComfyUI's second name of safetensors (folder_paths.py)."""


@frozen(kw_only=True)
class Entry:
    """One file."""

    root: str
    relative: str
    """To the root, with `/`."""
    folder: str
    """ComfyUI's name of the folder."""
    inside: str
    """What ComfyUI calls the file in that folder."""
    file: SeenFile | None
    """None where only the running ComfyUI sees it."""

    @property
    def name(self) -> str:
        """Return the file's own name."""
        return self.relative.rpartition("/")[2]


def collect(places: Sequence[Place], notes: list[str]) -> list[Entry]:
    """Return the files of weights below the folders; blocking."""
    allowed = [place.path for place in places]
    entries: list[Entry] = []
    taken: set[Path] = set()
    for place in places:
        walked = walk_weights(place.path, allowed=allowed, extensions=EXTENSIONS)
        if walked.unreadable:
            notes.append(f"{walked.unreadable} entries of {place.name} could not be read.")
        if walked.outside:
            notes.append(
                f"{walked.outside} links of {place.name} lead to folders that are not configured "
                "and were not followed; name those in COMFYUI_MODEL_ROOTS."
            )
        if walked.limited:
            notes.append(f"There is more below {place.name} than is looked at.")
        for seen in walked.files:
            if seen.path not in taken:
                taken.add(seen.path)
                entries.append(_entry(place, seen))
    return entries


def beyond(entries: Sequence[Entry], seen: Seen) -> list[Entry]:
    """Return the files that only the running ComfyUI sees."""
    here = {(entry.folder, entry.inside) for entry in entries}
    return [
        Entry(root=REMOTE, relative=f"{folder}/{name}", folder=folder, inside=name, file=None)
        for folder, names in sorted(seen.files.items())
        for name in sorted(names)
        if (folder, name) not in here and name.lower().endswith(EXTENSIONS)
    ]


def _entry(place: Place, seen: SeenFile) -> Entry:
    relative = seen.path.relative_to(place.path)
    folder = place.kind_of(relative)
    inside = relative if place.kind is not None else Path(*relative.parts[1:])
    return Entry(
        root=place.name,
        relative=relative.as_posix(),
        folder=folder,
        inside=inside.as_posix(),
        file=seen,
    )
