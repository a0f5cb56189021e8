"""The URIs and paths of models; imports nothing, since declaring them needs it at start-up."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

MODEL: Final = "aitk://models/{model}"
ROUTE: Final = "/models/{model:path}"


def uri_of(model_path: str) -> str:
    """Return the resource of a model."""
    return MODEL.format(model=quote(model_path, safe=""))


def http_path_of(model_path: str) -> str:
    """Return the path of a model with the HTTP frontend."""
    return f"/models/{quote(model_path, safe='/')}"
