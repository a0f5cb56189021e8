"""The core's canvas, by the name that it has among the charts."""

from __future__ import annotations

from aitk_core.drawing.canvas import DRAWING, Anchor, Box, Canvas

__all__ = ["DRAWING", "Anchor", "Box", "Canvas"]
