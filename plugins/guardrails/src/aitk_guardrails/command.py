"""`aitk watch`: watches without a client."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aitk_core.application import Application

_IDLE_S: Final = 120.0
"""Ours: with --until-idle, after so long without a watch it ends."""
_LOOK_S: Final = 5.0


def watch(words: list[str]) -> int:
    """Watch every run that is to be watched, until a signal; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="aitk watch", description="Watch runs without a client, and deliver their alerts."
    )
    parser.add_argument(
        "--until-idle", action="store_true", help="end when nothing is watched any more"
    )
    options = parser.parse_args(words)
    from aitk_core.application import Application, configure_logging

    configure_logging("WARNING")
    application = Application()
    configure_logging(application.settings.log_level)
    asyncio.run(_serve(application, until_idle=options.until_idle))
    return 0


async def _serve(application: Application, *, until_idle: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # on Windows Ctrl+C raises KeyboardInterrupt instead
            break
    async with application, application.background.running("watch", settle_s=0.0):
        sys.stderr.write("ai-toolkit-mcp: watching (Ctrl+C ends it; the runs go on)\n")
        sys.stderr.flush()
        if until_idle:
            waiting = asyncio.ensure_future(stop.wait())
            await asyncio.wait(
                {waiting, asyncio.ensure_future(_idle(application))},
                return_when=asyncio.FIRST_COMPLETED,
            )
        else:
            await stop.wait()


async def _idle(application: Application) -> None:
    """Return once nothing was watched for a while."""
    from aitk_core.context import Session
    from aitk_guardrails.watch.store import WatchStore

    session = Session(request_id="watch", policy=application.policy)
    context = application.dispatcher.context(session)
    store = WatchStore(context.store)
    idle_s = 0.0
    while idle_s < _IDLE_S:
        await asyncio.sleep(_LOOK_S)
        _, count = await context.run(lambda: store.listed(ended=False, limit=1, offset=0))
        idle_s = 0.0 if count else idle_s + _LOOK_S
