"""One value for a dataset as it is now: names, sizes and captions, not what pictures show."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.errors import AitkError

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext

METHOD: Final = "names_sizes_captions_v1"
_MOST_FILES: Final = 200_000
_CAPTIONS: Final = (".txt", ".caption", ".json")
_CAPTION_BYTES: Final = 1_000_000


@frozen(kw_only=True)
class DatasetPrint:
    """One dataset folder."""

    folder: str
    """As the config names it."""
    sha256: str | None
    """None where this machine does not see the folder."""
    files: int | None
    method: str = METHOD
    note: str = ""


async def fingerprint(context: ToolContext, folder: str) -> DatasetPrint:
    """Return the fingerprint of a dataset's folder, where this machine sees it inside a root."""
    try:
        path = await context.run(context.paths.resolve, folder)
        digest, count = await context.run(_digest, path)
    except (AitkError, OSError) as error:
        why = error.code if isinstance(error, AitkError) else type(error).__name__
        return DatasetPrint(
            folder=folder, sha256=None, files=None, note=f"not seen from this machine ({why})"
        )
    return DatasetPrint(
        folder=folder, sha256=digest, files=count, note="of the folder as it was at the export"
    )


def _digest(folder: Path) -> tuple[str, int]:
    lines: list[str] = []
    for here, folders, files in os.walk(folder):
        # As the trainer: what begins with a dot, and its caches, are no part of the dataset.
        folders[:] = sorted(
            each for each in folders if not each.startswith((".", "_latent_cache", "_t_e_cache"))
        )
        for name in sorted(files):
            if name.startswith("."):
                continue
            path = Path(here, name)
            size = path.stat().st_size
            line = f"{path.relative_to(folder).as_posix()}\t{size}"
            if name.lower().endswith(_CAPTIONS) and size <= _CAPTION_BYTES:
                line += "\t" + hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(line)
            if len(lines) > _MOST_FILES:
                raise OSError("too many files")
    if not lines:
        raise FileNotFoundError(folder.name)
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest(), len(lines)
