"""The test plugin `mcp_everything`: all that the MCP conformance suite asks of a server.

A test file that uses it says `pytest_plugins = ["support.everything_plugin"]`.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aitk_core.hookspecs import GROUP
from support.mcp_clients import application_of

if TYPE_CHECKING:
    from aitk_core.application import Application

SOURCE = Path(__file__).parents[1] / "distributions" / "mcp_everything" / "src"
PLUGIN = EntryPoint(name="mcp-everything", value="mcp_everything.plugin", group=GROUP)


@pytest.fixture
def everything_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the plugin importable: no environment has it installed."""
    monkeypatch.syspath_prepend(str(SOURCE))


def everything() -> Application:
    """Give an application of this plugin alone; the fixture must be in use."""
    return application_of(PLUGIN)
