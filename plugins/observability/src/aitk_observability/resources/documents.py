"""JSON documents as the content of a resource."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import TooLargeError
from aitk_core.records.results import ResourceContent

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext

_LARGEST_CHARS: Final = 2_000_000
"""Ours: a hundred times the longest config and report of the recorded runs."""


async def json_content(context: ToolContext, value: Any, *, what: str) -> ResourceContent:
    """Return a value as a JSON document; numbers that JSON lacks are null.

    Args:
        context: Its workers write the text.
        value: Mappings, lists, texts and numbers.
        what: It is called that where it is too long.

    Raises:
        TooLargeError: The document is longer than 2,000,000 characters.
    """
    text = await context.run(_dump, value)
    if len(text) > _LARGEST_CHARS:
        raise TooLargeError(
            f"{what} is longer than {_LARGEST_CHARS} characters",
            remedy="read it from the backend itself",
            limit_chars=_LARGEST_CHARS,
        )
    return ResourceContent(mime_type="application/json", text=text)


def _dump(value: Any) -> str:
    from aitk_core.convert import plain_json

    return json.dumps(plain_json(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
