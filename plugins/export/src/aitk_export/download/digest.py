"""The SHA-256 of a model, computed once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from aitk_core.weights.index import WeightsIndex, look_up
from aitk_export.places.sources import pieces

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_export.download.locate import Located

_BYTES_PER_S: Final = 200e6
"""Ours, cautious: what a slow disk and one core digest."""
_ANSWER_S: Final = 5.0


async def known_digest(context: ToolContext, located: Located) -> str | None:
    """Return the digest if it was ever computed for this file as it is."""
    seen = located.seen
    if seen is None:
        return None
    known = await context.run(WeightsIndex(context.store).known, [seen])
    return known[seen.path].sha256 if seen.path in known else None


async def digest_of(context: ToolContext, located: Located) -> str | None:
    """Return the digest, None where the call's time would not suffice for it.

    Raises:
        ConflictError: The file changed meanwhile.
        BackendError: In its kinds.
    """
    known = await known_digest(context, located)
    if known is not None:
        return known
    source, left = located.source, context.remaining_s()
    if left is not None and source.size_bytes / _BYTES_PER_S > left - _ANSWER_S:
        return None
    digest = hashlib.sha256()
    async for start, data in pieces(source):
        await context.progress(start / 1e6, source.size_bytes / 1e6, "computing SHA-256 (MB)")
        await context.run(digest.update, data)
    found = digest.hexdigest()
    if (seen := located.seen) is not None and not context.read_only:
        await look_up(context, [seen])
        await context.run(WeightsIndex(context.store).keep_digest, seen, found)
    return found
