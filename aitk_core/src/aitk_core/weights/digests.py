"""SHA-256 of files of weights, computed when asked for and kept in the index."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from attrs import evolve

from aitk_core.weights.index import WeightsIndex

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aitk_core.protocols import ToolContext
    from aitk_core.weights.index import Indexed, SeenFile

_BYTES_PER_S: Final = 200e6
"""Ours, cautious: what a slow disk and one core digest."""
_ANSWER_S: Final = 3.0
"""Ours: of the call's time, kept for the answer."""


async def with_digests(
    context: ToolContext, files: Sequence[SeenFile], known: Mapping[Path, Indexed]
) -> tuple[Mapping[Path, Indexed], int]:
    """Return the entries with the digests of these files, and how many had to be left out.

    Args:
        context: Does the work.
        files: In the order in which they matter.
        known: Of the index; a file that is not in it, or whose header cannot be read, stays as
            it is.
    """
    index = WeightsIndex(context.store)
    answer = dict(known)
    left = 0
    for done, file in enumerate(files):
        indexed = answer.get(file.path)
        if indexed is None or indexed.sha256 is not None or indexed.facts.error is not None:
            continue
        remaining = context.remaining_s()
        if remaining is not None and file.size_bytes / _BYTES_PER_S > remaining - _ANSWER_S:
            left += 1
            continue
        await context.progress(done, len(files), f"hashing {file.path.name}")
        digest = await context.run(_digest, file.path)
        if digest is not None:
            await context.run(index.keep_digest, file, digest)
            answer[file.path] = evolve(indexed, sha256=digest)
    return answer, left


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return None
