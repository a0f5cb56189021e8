"""The service that watches: its sign of life, and its silence."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aitk_core.application import Application
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend
from aitk_guardrails.watch import engine
from support.receivers import receiving

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def until(reached: Any) -> None:
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.02)


def test_the_heartbeat_goes_on_with_the_loop_and_stops_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 11: whoever waits for it notices that nobody watches any more."""

    async def work() -> None:
        async with receiving() as receiver:
            place = f"http://127.0.0.1:{receiver.port}"
            settings = {
                "AITK_HOME": str(tmp_path),
                "AITK_OUTBOUND_ALLOW": place,
                "AITK_WATCH_HEARTBEAT_URL": f"{place}/ping/s3cr3t",
                "AITK_WATCH_HEARTBEAT_SECONDS": "1",
            }
            source = SettingsSource(environment=settings)
            application = Application(source=source, backend=recorded_backend(()))
            async with application, application.background.running("http", settle_s=0):
                await until(lambda: len(receiver.received) >= 2)
                assert receiver.received[0].path == "/ping/s3cr3t"

                async def stuck(_self: Any) -> float:
                    await asyncio.Event().wait()
                    return 0.0

                monkeypatch.setattr(engine.Engine, "step", stuck)
                await asyncio.sleep(1.2)  # a turn that was under way ends
                before = len(receiver.received)
                await asyncio.sleep(2.2)
                assert len(receiver.received) == before
                (watches,) = [s for s in application.background.states() if s.name == "watches"]
                assert watches.last_beat_s > 2

    asyncio.run(work())
