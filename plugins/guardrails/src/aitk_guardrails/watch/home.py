"""Who watches when the call is over, and the service started apart where that is allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import NotFoundError
from aitk_guardrails.settings import WatchSettings

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.protocols import ToolContext
    from aitk_guardrails.watch.store import WatchStore

_STDIO: Final = "stdio"


async def home_of(
    store: WatchStore, context: ToolContext, *, may_start: bool = False
) -> dict[str, Any]:
    """Return who goes on watching, said plainly: a server over stdio ends with its client.

    Args:
        store: Of watches.
        context: Of the call.
        may_start: Whether `aitk watch` may be started apart, where the settings allow it.
    """
    servers = await context.run(store.servers, context.now())
    lasting = sum(count for name, count in servers.items() if name != _STDIO)
    if lasting:
        return {"goes_on": True, "servers": servers, "note": "a server here goes on watching"}
    if may_start and context.settings(WatchSettings).detach:
        await context.run(_start_apart, _state_folder(context))
        note = "`aitk watch` was started apart, and goes on watching until the run ends"
        return {"goes_on": True, "servers": servers, "note": note}
    note = (
        "this server ends with its client, and the watch with it: keep the client open, or run "
        "`aitk watch` or `aitk serve`, which take the watch over (AITK_WATCH_DETACH does so by "
        "itself)"
        if servers.get(_STDIO)
        else "no server runs, so nobody watches from now on: `aitk watch` or `aitk serve` takes "
        "the watch over"
    )
    return {"goes_on": False, "servers": servers, "note": note}


def _state_folder(context: ToolContext) -> Path | None:
    try:
        return context.paths.root("home")
    except NotFoundError:
        return None


def _start_apart(folder: Path | None) -> None:
    """Start `aitk watch --until-idle`, free of this process's group and streams."""
    command = [sys.executable, "-m", "aitk_core", "watch", "--until-idle"]
    if folder is None:
        _spawn(command, subprocess.DEVNULL)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "watch.log").open("ab") as log:
        _spawn(command, log)


def _spawn(command: list[str], errors: Any) -> None:
    apart: dict[str, Any] = (
        {"start_new_session": True}
        if os.name == "posix"
        else {"creationflags": getattr(subprocess, "DETACHED_PROCESS", 0)}
    )
    subprocess.Popen(  # noqa: S603 - our own command, without a shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        close_fds=True,
        **apart,
    )
