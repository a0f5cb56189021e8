"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.specs import AnalyzerSpec


@hookimpl
def aitk_analyzers() -> Iterable[AnalyzerSpec]:
    """Declare the analyzers of datasets."""
    return ()
