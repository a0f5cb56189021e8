"""Text in and about charts: what others wrote is made harmless, numbers are made short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.drawing.words import counted, drawable, number, one_line

if TYPE_CHECKING:
    from aitk_core.records.findings import Finding

__all__ = [
    "code_words",
    "counted",
    "drawable",
    "name_of",
    "number",
    "one_line",
    "status_of",
    "step_number",
]

NAME_CHARS: Final = 80
"""Ours: as many as fit on one line of a picture 800 pixels wide."""
_STATUS_CHARS: Final = 30
_CODE_CHARS: Final = 40
_PLAIN_BELOW: Final = 10_000_000


def name_of(text: str | None) -> str:
    """Return a job's name for a title."""
    return one_line(text, NAME_CHARS) or "(no name)"


def status_of(text: str | None) -> str:
    """Return a job's status; whoever wrote the row may have invented one."""
    return one_line(text, _STATUS_CHARS) or "status unknown"


def code_words(finding: Finding) -> str:
    """Return a finding's code in words: `LOSS_LEVEL_SHIFT` is `loss level shift`."""
    return one_line(finding.code.replace("_", " ").lower(), _CODE_CHARS)


def step_number(step: float) -> str:
    """Return a step, thousands apart."""
    return f"{round(step):,}" if abs(step) < _PLAIN_BELOW else number(step)
