"""Puts the schema files, which stand at the top of this folder, inside the wheel's package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SchemaFiles(BuildHookInterface):
    """The wheel's build hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files to include; an editable install reads them where they are."""
        if version != "editable":
            for file in Path(self.root).glob("*.schema.json"):
                build_data["force_include"][str(file)] = f"aitk_schemas/{file.name}"
