"""The core's colours of charts, by the name that they have here."""

from __future__ import annotations

from aitk_core.drawing.theme import THEMES, Role, Theme

__all__ = ["THEMES", "Role", "Theme"]
