"""What this distribution adds to AI ToolKit MCP: a backend to ask for by name, and a demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import BackendSpec, CommandSpec, Lazy

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def aitk_backends() -> Iterable[BackendSpec]:
    """Declare the embedded backend; it is used only where `--sandbox` asks for it."""
    yield BackendSpec(
        kind="sandbox",
        summary="A local backend with a small genuine trainer; no GPU needed.",
        open=Lazy("aitk_sandbox.attach:open_sandbox"),
    )


@hookimpl
def aitk_commands() -> Iterable[CommandSpec]:
    """Declare `aitk demo`."""
    yield CommandSpec(
        name="demo",
        summary="Train a small run on the embedded backend and show what its report says.",
        run=Lazy("aitk_sandbox.command:demo"),
    )
