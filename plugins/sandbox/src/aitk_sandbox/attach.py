"""The sandbox as the server's backend."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aitk_core.backend.client import AiToolkitBackend
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aitk_core.backend.protocol import Backend
    from aitk_core.settings import ServerSettings


@asynccontextmanager
async def open_sandbox(settings: ServerSettings) -> AsyncIterator[Backend]:
    """Run a sandbox below the server's home and connect to it.

    Raises:
        InvalidSettingError: The folder cannot be used.
    """
    async with (
        running(settings.home / "sandbox") as sandbox,
        AiToolkitBackend(sandbox.url, timeout_s=settings.backend_timeout_s) as backend,
    ):
        yield backend
