"""Keeps secrets out of answers and logs.

What counts: the values of every setting declared secret, and tokens of the model hub, which
the trainer's environment holds and a config or log can show (backend/API.md section 14).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

_MARK: Final = "[redacted]"
_HUB_PATTERN: Final = r"\bhf_[A-Za-z0-9]{20,}"
"""Shape of a Hugging Face user access token."""
_SHORTEST: Final = 4
"""Shorter secrets are no secrets, and would redact half the text."""


class Redactor:
    """Replaces secrets in text and JSON."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the secrets to hide."""
        plain = {s for s in secrets if len(s) >= _SHORTEST}
        # A resource may be a JSON text, where quotes and backslashes are escaped.
        escaped = {
            json.dumps(s, ensure_ascii=choice)[1:-1] for s in plain for choice in (True, False)
        }
        known = sorted(plain | escaped, key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(re.escape, known), _HUB_PATTERN]))

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        return self._pattern.sub(_MARK, text)

    def json(self, value: Any) -> Any:
        """Return the JSON value without secrets in its strings; keys are ours."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        return value

    def record(self, record: logging.LogRecord) -> bool:
        """Redact a log record before a handler formats it; a filter that keeps every one."""
        message = record.getMessage()
        cleaned = self.text(message)
        if cleaned != message:
            record.msg, record.args = cleaned, ()
        return True
