"""What software a run was made with, as far as its log shows it.

The backend has no route for it (backend/API.md section 2), and nothing the trainer always
prints names a version; tracebacks, warnings and the libraries' own messages do. What is not
there is unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.evidence.logtext import LogLine

_VERSION: Final = r"(\d{1,4}\.\d{1,4}(?:\.\d{1,6})?(?:[.+-]?[0-9A-Za-z.]{1,24})?)"
_PATTERNS: Final = (
    ("python", re.compile(r"[/\\]lib[/\\]python(3\.\d{1,2})[/\\](?:site-packages|dist-packages)")),
    ("trainer", re.compile(rf"^(?:AI[- ]?Toolkit|ai-toolkit)(?: version)?:? v?{_VERSION}$")),
    ("torch", re.compile(rf"^(?:PyTorch|[Tt]orch)(?: version)?(?:==|: ?| ){_VERSION}(?:[ ,;]|$)")),
    ("torch", re.compile(rf"PyTorch {_VERSION} with CUDA ")),
    ("cuda", re.compile(rf"^CUDA(?: version)?: ?{_VERSION}(?:[ ,;]|$)")),
    ("driver", re.compile(rf"^(?:NVIDIA )?[Dd]river(?: [Vv]ersion)?: ?{_VERSION}(?:[ ,;]|$)")),
    ("diffusers", re.compile(rf"^diffusers(?: version)?(?:==|: ?| ){_VERSION}(?:[ ,;]|$)")),
    (
        "transformers",
        re.compile(rf"^transformers(?: version)?(?:==|: ?| ){_VERSION}(?:[ ,;]|$)"),
    ),
)
"""Anchored, so that a prompt that mentions a library says nothing; each takes one line."""
_LONGEST: Final = 400


def read_environment(lines: Iterable[LogLine]) -> dict[str, str]:
    """Return versions by what they are of; the last one that was printed counts.

    Args:
        lines: Messages of one run's log.
    """
    found: dict[str, str] = {}
    for line in lines:
        text = line.text[:_LONGEST].strip()
        if "." not in text or text.startswith('"'):
            continue
        for name, pattern in _PATTERNS:
            match = pattern.search(text)
            if match is not None:
                found[name] = match[1]
    return found
