"""Text from prompts and file names, made fit to be shown."""

from __future__ import annotations

import re

from aitk_core.drawing.words import plain

__all__ = ["file_name", "plain"]


def file_name(path: str, limit: int = 60) -> str:
    """Return the last part of a path, made fit to be shown."""
    return plain(re.split(r"[\\/]", path)[-1], limit)
