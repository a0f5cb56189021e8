"""Whether the training backend answers, asked at most once a second."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from aitk_core.errors import AitkError, BackendError, BackendTimeoutError

if TYPE_CHECKING:
    from aitk_core.application import Application

logger = logging.getLogger(__name__)

_PROBE_S: Final = 2.0
"""The backend's time for the probe; our own, below the usual 5 s of a health checker."""

_FRESH_S: Final = 1.0
"""How long an answer stands: /ready may be open to all, the backend must not feel it."""


class Readiness:
    """One probe at a time; whoever asks meanwhile gets its answer."""

    def __init__(self, application: Application) -> None:
        """Take the application, which is open by the time somebody asks."""
        self._application = application
        self._probe: asyncio.Task[AitkError | None] | None = None
        self._asked_s = 0.0

    async def fault(self) -> AitkError | None:
        """Return why the backend cannot be used, or None where it can."""
        now = asyncio.get_running_loop().time()
        probe = self._probe
        if probe is None or (probe.done() and now - self._asked_s >= _FRESH_S):
            self._asked_s = now
            probe = self._probe = asyncio.create_task(self._ask())
        return await asyncio.shield(probe)  # who asked first may go away

    async def close(self) -> None:
        """End a probe that is under way."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
            self._probe = None

    async def _ask(self) -> AitkError | None:
        try:
            async with asyncio.timeout(_PROBE_S):
                await self._application.dispatcher.backend.probe()
        except AitkError as error:
            return error
        except TimeoutError:
            return BackendTimeoutError(f"the backend did not answer within {_PROBE_S:g} s")
        except Exception:  # a backend may come from a plugin and fail in any way
            logger.exception("backend probe")
            return BackendError("the backend could not be asked")
        return None
