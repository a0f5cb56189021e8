"""Reports of recorded runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aitk_core.proving.recorded import Recording


def exported(
    home: Path, runs: Iterable[Recording], *, outputs: Path | None = None, **arguments: Any
) -> dict[str, Any]:
    """Export the report of a recorded run, and return the answer."""

    async def work() -> dict[str, Any]:
        environment = {"AITK_HOME": str(home)}
        if outputs is not None:
            environment["AITK_OUTPUTS_DIR"] = str(outputs)
        source = SettingsSource(environment=environment)
        application = Application(source=source, backend=recorded_backend(runs))
        async with application:
            session = Session(request_id="t", policy=application.policy)
            answer = await application.dispatcher.call(
                "export-observability-report", arguments, session
            )
            return dict(answer.data or {})

    return asyncio.run(work())
