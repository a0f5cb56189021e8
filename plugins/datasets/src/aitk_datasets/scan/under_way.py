"""One folder that is looked at: what is known of it, what is missing, and until when."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field

from aitk_core.errors import StoreError
from aitk_core.protocols import ToolContext
from aitk_datasets.scan.cache import ScanCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_datasets.scan.seen import Identity, Seen

_LOG: Final = logging.getLogger(__name__)

_ANSWER_S: Final = 10.0
"""Ours: of the call's time, kept for duplicates, analysis and the answer."""


@define
class Scan:
    """One folder under way."""

    context: ToolContext
    folder: Path
    cache: ScanCache
    missing: dict[str, str] = field(factory=dict)
    until: float | None = None
    """Unix seconds at which looking ends."""
    read: int = 0
    """Files that were opened, not known from an earlier scan."""

    async def known(self, wanted: Sequence[Identity]) -> dict[Identity, Seen]:
        """Return what the cache knows; without a store nothing is known."""
        now = self.context.now()
        try:
            return await self.context.run(lambda: self.cache.known(wanted, now=now))
        except StoreError as error:
            self._no_store(error)
            return {}

    async def keep(self, found: Sequence[Seen]) -> None:
        """Keep what was seen."""
        if found:
            now = self.context.now()
            try:
                await self.context.run(lambda: self.cache.keep(found, now=now))
            except StoreError as error:
                self._no_store(error)

    def _no_store(self, error: StoreError) -> None:
        if "cache" not in self.missing:
            _LOG.warning("%s", error)
        self.missing["cache"] = f"{error.code}: {error}; the next scan reads everything again"

    def is_late(self, answer_s: float = _ANSWER_S) -> bool:
        """Tell whether the rest of the call is needed for what comes after, so many seconds."""
        left = self.context.remaining_s()
        if left is not None and left < answer_s:
            return True
        return self.until is not None and self.context.now() >= self.until
