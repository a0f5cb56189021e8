"""What this distribution adds to AI ToolKit MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.hookspecs import hookimpl
from aitk_core.specs import AnalyzerSpec, Lazy

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def aitk_analyzers() -> Iterable[AnalyzerSpec]:
    """Declare the analyzers of datasets."""
    return (
        AnalyzerSpec(
            name="captions",
            subject="dataset",
            analyze=Lazy("aitk_datasets.analyzers.captions:analyze"),
            proofs=Lazy("aitk_datasets.proofs.captions:cases"),
        ),
    )
