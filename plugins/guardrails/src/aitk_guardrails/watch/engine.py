"""Owns watches and gives each its turn; a service drives it, or a call for its own window."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from aitk_core.errors import AitkError
from aitk_guardrails.watch.attend import Attendant
from aitk_guardrails.watch.store import LostLeaseError
from aitk_guardrails.watch.tell import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext
    from aitk_guardrails.watch.store import WatchStore

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 8
"""Ours: looks under way at a time; the client has two connections."""
_MANY: Final = 4
"""Ours: watches due at once from which on their rows are read together."""
_ROWS_S: Final = 3.0
"""Ours: half a lease."""
_STUCK_S: Final = 120.0
"""Ours: a turn that takes longer is not renewed any more: another server may have its watch."""


class Engine:
    """Takes what is free, renews what it has, and lets go of what it lost."""

    def __init__(
        self,
        store: WatchStore,
        open_context: Callable[[], ToolContext],
        owner: str,
        *,
        only: str | None = None,
    ) -> None:
        """Own nothing yet.

        Args:
            store: Of watches.
            open_context: What turns reach the server through.
            owner: This run of this server; a call adds a part of its own.
            only: A single watch; None for all.
        """
        self._store = store
        self._context = open_context()
        self._owner = owner
        self._only = only
        self._mine: dict[str, Attendant] = {}
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._began: dict[str, float] = {}
        self._telling: asyncio.Task[None] | None = None
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def attendant(self, watch_id: str) -> Attendant | None:
        """Return who looks after a watch here, None where it is not this engine's."""
        return self._mine.get(watch_id)

    async def step(self) -> float:
        """Renew, take what is free, begin the turns that are due, tell what is to be told.

        Returns:
            Unix seconds of the next thing to do, at the latest.
        """
        context, now = self._context, self._context.now()
        await self._renew(now)
        for watch in await context.run(
            lambda: self._store.claim(self._owner, now, only=self._only)
        ):
            self._mine[watch.id] = Attendant(self._store, watch)
            logger.info("watch %s of job %s taken", watch.id, watch.job_id)
        due = [
            (watch_id, attendant)
            for watch_id, attendant in self._mine.items()
            if watch_id not in self._turns and attendant.due <= now
        ]
        rows = await self._rows(len(due))
        for watch_id, attendant in due:
            self._began[watch_id] = now
            row = rows.get(str(attendant.watch.job_id))
            self._turns[watch_id] = asyncio.create_task(self._turn(watch_id, attendant, row))
        if self._telling is None or self._telling.done():
            # Apart: somebody slow to take alerts must not cost the leases.
            self._telling = asyncio.create_task(self._tell())
        return min((each.due for each in self._mine.values()), default=now + 3600.0)

    async def close(self) -> None:
        """End the turns under way and let go of everything at once."""
        tasks = [*self._turns.values(), *([self._telling] if self._telling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._mine.clear()
        await self._context.run(self._store.release, self._owner)

    async def _renew(self, now: float) -> None:
        stuck = {id_ for id_, began in self._began.items() if now - began > _STUCK_S}
        for watch_id in stuck:
            logger.error("watch %s: its turn takes longer than %g s", watch_id, _STUCK_S)
            self._drop(watch_id)
        if not self._mine:
            return
        fences = {id_: each.watch.fence for id_, each in self._mine.items()}
        kept = await self._context.run(self._store.renew, self._owner, fences, now)
        for watch_id in fences.keys() - kept:
            logger.info("watch %s is another's by now, or over", watch_id)
            self._drop(watch_id)

    async def _tell(self) -> None:
        try:
            await tell(self._store, self._context)
        except Exception:
            logger.exception("alerts of watches")

    def _drop(self, watch_id: str) -> None:
        self._mine.pop(watch_id, None)
        task = self._turns.get(watch_id)
        if task is not None:
            task.cancel()

    async def _rows(self, due: int) -> dict[str, JobRow]:
        """Return the rows of all active jobs by id, in one request where many are due.

        Empty where few are due, or where the list cannot be read; each then asks for its own.
        """
        if due < _MANY:
            return {}
        try:
            async with asyncio.timeout(_ROWS_S):
                found = await self._context.backend.jobs(only_active=True)
        except (AitkError, TimeoutError):
            return {}
        return {job.id: job for job in found.jobs}

    async def _turn(self, watch_id: str, attendant: Attendant, row: JobRow | None) -> None:
        try:
            async with self._gate:
                await attendant.turn(self._context, row)
        except LostLeaseError:
            self._mine.pop(watch_id, None)
        except asyncio.CancelledError:
            raise
        except Exception:
            # One watch that breaks costs itself only; it is tried again at its next turn.
            logger.exception("watch %s", watch_id)
            attendant.due = self._context.now() + attendant.watch.guardrails.poll_interval_seconds
        finally:
            self._turns.pop(watch_id, None)
            self._began.pop(watch_id, None)
        if attendant.is_over:
            self._mine.pop(watch_id, None)
