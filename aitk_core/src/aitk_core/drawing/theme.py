"""Colours of the charts, one set for a light and one for a dark page.

The hues are those of Okabe and Ito, "Color Universal Design" (2008), told apart by people who are
colour-blind; lightness is moved until text has a contrast of 4.5 and marks of 3 against the
background (WCAG 2.2, 1.4.3 and 1.4.11). No meaning rests on colour alone: marks differ in form,
lines in dashes, and severities are written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from attrs import frozen

Role = Literal["line", "level", "best", "critical", "warning", "event", "text", "muted"]
"""What a colour is for."""


@frozen(kw_only=True)
class Theme:
    """One set of colours, each `#rrggbb`."""

    background: str
    grid: str
    """Faint lines behind the data."""
    frame: str
    roles: Mapping[Role, str]


THEMES: Final[Mapping[str, Theme]] = MappingProxyType(
    {
        "light": Theme(
            background="#ffffff",
            grid="#e6e9ed",
            frame="#8c959f",
            roles={
                "line": "#0072b2",
                "level": "#007a5a",
                "best": "#9a4a7d",
                "critical": "#b84300",
                "warning": "#8a6100",
                "event": "#57606a",
                "text": "#1f2328",
                "muted": "#57606a",
            },
        ),
        "dark": Theme(
            background="#14181d",
            grid="#2a3138",
            frame="#6e7681",
            roles={
                "line": "#56b4e9",
                "level": "#2fc79a",
                "best": "#e39ac4",
                "critical": "#ff8a4c",
                "warning": "#f0b429",
                "event": "#a9b3bd",
                "text": "#e9edf1",
                "muted": "#a9b3bd",
            },
        ),
    }
)
"""By name."""
