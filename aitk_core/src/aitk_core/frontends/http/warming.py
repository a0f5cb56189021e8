"""Imports what requests will need, once the server answers.

A start must be quick, so code is imported when it is first used; a server that stays may use the
quiet after its start for that, so that the first page is not the slow one.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aitk_core.application import Application

_LOG: Final = logging.getLogger(__name__)
_LIBRARIES: Final = ("httpx", "jsonschema", "numpy", "PIL.Image")
"""What most calls need and takes longest, 20 to 300 ms each: imported beside the event loop."""
_SETTLE_S: Final = 0.1
_PAUSE_S: Final = 0.01
"""Between two imports, each of some tens of milliseconds: requests come first. Our own."""


@asynccontextmanager
async def warming(application: Application) -> AsyncIterator[None]:
    """Import the code of the plugins' paths and of the tools on offer, one after the other."""
    task = asyncio.ensure_future(_warm(application))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _warm(application: Application) -> None:
    await asyncio.sleep(_SETTLE_S)
    for library in _LIBRARIES:
        await asyncio.to_thread(_imported, library)
    registry = application.registry
    offered = application.dispatcher.offered(application.policy)
    for handler in (
        *(owned.spec.handler for owned in registry.web_routes.values()),
        *(owned.spec.handler for owned in offered),
    ):
        try:
            handler.load()
        except Exception:  # noqa: BLE001 - told to whoever uses it
            _LOG.debug("could not import %s beforehand", handler.target, exc_info=True)
        await asyncio.sleep(_PAUSE_S)


def _imported(library: str) -> None:
    # One that is not installed is told to whoever needs it.
    with suppress(ImportError):
        import_module(library)
