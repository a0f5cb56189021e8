"""URIs with parts to fill in."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 2000
"""Characters; longer than any URI we offer."""


def match_uri(template: str, uri: str) -> dict[str, str] | None:
    """Return the parts of a URI that fits the template, or None.

    A part matches one path segment; percent-escapes in it are left as they are, for the
    reader to judge.
    """
    if len(uri) > _LONGEST:
        return None
    pieces = re.split(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", template)
    pattern = "".join(
        f"(?P<{piece}>[^/?#]+)" if index % 2 else re.escape(piece)
        for index, piece in enumerate(pieces)
    )
    found = re.fullmatch(pattern, uri)
    return found.groupdict() if found else None
