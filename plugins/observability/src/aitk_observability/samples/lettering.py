"""The core's letters, by the name that they have among the samples."""

from __future__ import annotations

from aitk_core.drawing.lettering import Lettering, shown

__all__ = ["Lettering", "shown"]
