"""What a check has to say about a config."""

from __future__ import annotations

from typing import Any, Final, Literal

from attrs import frozen

from aitk_core.configkeys.patch import ConfigPatch

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""From grave to light. `error`: the run stops, or is not the one that was asked for; a config with
one is not valid. `warning`: it runs, and probably wastes time or loses something. `info`: worth
knowing."""


@frozen(kw_only=True)
class Issue:
    """One thing about a config, with what would be right."""

    code: str
    """Stable upper-case words; automation branches on it."""
    severity: Severity
    message: str
    """One sentence; text from the config in it is quoted, escaped and cut."""
    path: str
    """JSON Pointer (RFC 6901) of the value; empty for the whole config."""
    value: Any = None
    """The value there: a scalar, a text cut to 200 characters, or the words for a container. None
    where nothing is there."""
    expected: Any = None
    """What would be right, JSON-ready; None where that cannot be said."""
    why: str
    """What happens otherwise."""
    source: str
    """Where the rule comes from: a file of the trainer, a document, or "ours" with the reason."""
    fix: ConfigPatch | None = None
    """A change that ends it; None where only the author can choose."""
