"""inspect-dataset on folders below a datasets root of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Inspect = Callable[..., dict[str, Any]]


def inspector(call: Callable[..., Any], root: Path, **settings: str) -> Inspect:
    """Return a function that inspects a folder below the root and returns the document.

    Settings are named as in the environment; workers are threads otherwise.
    """

    def run(**arguments: Any) -> dict[str, Any]:
        environment = {"AITK_DATASETS_DIR": str(root), "AITK_PARALLEL": "threads", **settings}
        answer = call(None, "inspect-dataset", arguments, environment=environment)
        data: dict[str, Any] = answer.data
        return data

    return run
