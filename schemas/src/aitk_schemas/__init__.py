"""The versioned output contracts of AI ToolKit MCP, as JSON Schema 2020-12.

    import aitk_schemas
    aitk_schemas.load("get-training-observability.v1")

References between them are by `$id`; a validator needs all of `names()` in its registry.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["folder", "load", "names"]

_SUFFIX: Final = ".schema.json"


def folder() -> Traversable:
    """Return the folder of the schema files: of the wheel, else of the checkout."""
    package = files("aitk_schemas")
    if any(file.name.endswith(_SUFFIX) for file in package.iterdir()):
        return package
    # An editable install leaves them where they are written: at the top of `schemas/`.
    return Path(str(package)).parents[1]


def names() -> list[str]:
    """Return the contracts' names, such as `get-training-status.v1`."""
    found = (file.name for file in folder().iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX))


def load(name: str) -> dict[str, Any]:
    """Return a contract.

    Raises:
        FileNotFoundError: There is no contract of that name.
    """
    if name not in names():
        raise FileNotFoundError(f"no contract {name!r}")
    schema: dict[str, Any] = json.loads((folder() / f"{name}{_SUFFIX}").read_text("utf-8"))
    return schema
