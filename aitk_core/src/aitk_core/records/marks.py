"""Marks in a field's metadata that say how a record becomes JSON."""

from __future__ import annotations

from typing import Final

OMIT_IF_DEFAULT: Final = "omit_if_default"
"""Its default is left out."""
