"""What the trainer keeps of a picture under its name, and would go on using after a change."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aitk_core.errors import ConflictError
from aitk_datasets.repair import names
from aitk_datasets.repair.system import REAL
from aitk_datasets.repair.tree import Tree, split

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_datasets.repair.plan import Plan
    from aitk_datasets.repair.system import FileSystem

CACHES: Final = ("_latent_cache", "_clip_vision_cache")
"""Beside the pictures; files are `<stem>_<hash>.safetensors` (API.md section 13)."""


def stale_latents(root: Path, plan: Plan, *, system: FileSystem = REAL) -> tuple[str, ...]:
    """Return the cached latents of pictures that the plan makes anew under their old name.

    Their hash covers the name and the size, not the content, so a picture brought to 8 bits is
    trained from the latents of the old one. They are the trainer's files, and not touched here:
    whoever applies the plan is to remove them.

    Raises:
        FileMissingError: There is no such folder.
    """
    found = []
    with Tree(root, system) as tree:
        listings: dict[str, list[str]] = {}
        for action in plan.actions:
            if action.kind != "rewrite_image" or action.target != action.path:
                continue
            folder, name = split(action.path)
            for cache in (names.join(folder, one) for one in CACHES):
                if cache not in listings:
                    listings[cache] = []
                    with suppress(OSError, ConflictError):
                        listings[cache] = tree.names(cache)
                stem = names.cut(name)[0]
                found += [
                    f"{cache}/{one}"
                    for one in listings[cache]
                    if one.endswith(".safetensors") and one.rpartition("_")[0] == stem
                ]
    return tuple(found)
