"""Pytest fixtures, found through the `pytest11` entry point.

`registry`: everything installed. `application_with`: an application on a backend of yours,
free of this machine's settings, and of the installed plugins where it is given `points`.
`call`: run one tool there and get its result.

The core is imported when a fixture is used, so that a plugin's coverage sees it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from aitk_core.application import Application
    from aitk_core.backend.protocol import Backend
    from aitk_core.records.results import ToolResult
    from aitk_core.registry import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Return everything installed in this environment."""
    from aitk_core.registry import load_registry

    return load_registry()


@pytest.fixture
def application_with(tmp_path: Path) -> Callable[..., Application]:
    """Return a function that makes an application on a backend."""
    from aitk_core.application import Application
    from aitk_core.settings import SettingsSource

    def make(
        backend: Backend,
        environment: Mapping[str, str] | None = None,
        *,
        points: Iterable[EntryPoint] | None = None,
    ) -> Application:
        settings = {"AITK_HOME": str(tmp_path / "home"), **(environment or {})}
        source = SettingsSource(environment=settings)
        return Application(source=source, backend=backend, points=points)

    return make


@pytest.fixture
def call(application_with: Callable[..., Application]) -> Callable[..., ToolResult]:
    """Return a function that runs one tool on a backend: `call(backend, name, arguments)`."""
    from aitk_core.context import Session

    def run(
        backend: Backend,
        name: str,
        arguments: Mapping[str, Any],
        *,
        now: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> ToolResult:
        application = application_with(backend, environment)

        async def once() -> ToolResult:
            async with application:
                session = Session(request_id="test", policy=application.policy)
                clock = time.time if now is None else lambda: now
                return await application.dispatcher.call(name, arguments, session, clock=clock)

        return asyncio.run(once())

    return run
