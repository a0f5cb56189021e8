"""What the trainer keeps of a picture or a caption, and what a change makes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

from attrs import frozen

from aitk_core.errors import ConflictError
from aitk_datasets.folder.names import LATENT_CACHE, TEXT_CACHE, VISION_CACHE, stem_of
from aitk_datasets.repair import names
from aitk_datasets.repair.system import REAL
from aitk_datasets.repair.tree import Tree, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aitk_datasets.repair.history import RowReport
    from aitk_datasets.repair.plan import Action
    from aitk_datasets.repair.system import FileSystem

Cache = Literal["latent", "vision", "text"]

_OF_PICTURES: Final[Mapping[str, Cache]] = {
    LATENT_CACHE: "latent",
    VISION_CACHE: "vision",
}
_OF_CAPTIONS: Final[Mapping[str, Cache]] = {TEXT_CACHE: "text"}
"""Files are `<stem>_<hash>.safetensors` (API.md section 13)."""


@frozen(kw_only=True)
class StaleCache:
    """A file that the trainer wrote for what a file held before."""

    path: str
    of: str
    """The file that changed."""
    cache: Cache

    @property
    def is_reused(self) -> bool:
        """Tell whether the trainer may go on reading it.

        The hash of a latent covers the picture's name and size, not its content; that of a text
        embedding covers the text, so that the file is never read again (API.md section 13).
        """
        return self.cache != "text"


def stale_latents(
    root: Path,
    changes: Iterable[Action | RowReport],
    *,
    since: float | None = None,
    system: FileSystem = REAL,
) -> tuple[StaleCache, ...]:
    """Return what the trainer cached of files that change, or changed, under their name.

    The files are the trainer's and not touched here: whoever applies the plan is to remove those
    that are reused.

    Args:
        root: The dataset's folder.
        changes: What is changed.
        since: Unix seconds; leaves out what was cached before. For an undo: what is older than the
            operation was made of the file that is back.
        system: The file system's calls.

    Raises:
        FileMissingError: There is no such folder.
    """
    found = []
    with Tree(root, system) as tree:
        by_stem: dict[str, Mapping[str, list[str]]] = {}
        for change in changes:
            if change.kind == "move" or change.target not in (None, change.path):
                # Under another name, or none: no file of the trainer's is read for it.
                continue
            folder, name = split(change.path)
            caches = _OF_PICTURES if change.kind == "rewrite_image" else _OF_CAPTIONS
            for cache, kind in caches.items():
                path = names.join(folder, cache)
                if path not in by_stem:
                    by_stem[path] = _by_stem(tree, path, since)
                found += [
                    StaleCache(path=f"{path}/{one}", of=change.path, cache=kind)
                    for one in by_stem[path].get(stem_of(name), ())
                ]
    return tuple(found)


def _by_stem(tree: Tree, folder: str, since: float | None) -> Mapping[str, list[str]]:
    by_stem: dict[str, list[str]] = {}
    with suppress(OSError, ConflictError):
        for name in tree.names(folder):
            found = tree.lstat(names.join(folder, name))
            is_old = since is not None and found is not None and found.st_mtime < since
            if name.endswith(".safetensors") and not is_old:
                by_stem.setdefault(name.rpartition("_")[0], []).append(name)
    return by_stem
