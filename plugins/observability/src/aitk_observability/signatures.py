"""Signatures of known failures, read from package data, searched in linear time."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_CONFIG: Final = re.compile(r'\s+"|"[^"]{1,100}": ')
"""The trainer prints its config as indented JSON (backend/API.md section 12.1)."""


_DIGITS: Final = dict.fromkeys(map(ord, "123456789"), "0")


@frozen(kw_only=True)
class Signature:
    """One known failure. The data names its source."""

    code: str
    category: str
    severity: str
    confidence: float
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    """A literal that every match holds, and the expression for one line."""
    cause: str
    remedies: tuple[tuple[str, str], ...]
    """Config path or other place, and the change to make there."""


@frozen(kw_only=True)
class Hit:
    """A line that a signature matched."""

    signature: Signature
    number: int
    text: str


@cache
def signatures() -> tuple[Signature, ...]:
    """Return the signatures, most specific first."""
    text = (files("aitk_observability") / "data" / "signatures.json").read_text("utf-8")
    return tuple(_signature(entry) for entry in json.loads(text)["signatures"])


def _signature(entry: dict[str, Any]) -> Signature:
    return Signature(
        code=entry["code"],
        category=entry["category"],
        severity=entry["severity"],
        confidence=entry["confidence"],
        patterns=tuple((p["contains"], re.compile(p["regex"])) for p in entry["patterns"]),
        cause=entry["cause"],
        remedies=tuple((r["path"], r["change"]) for r in entry["remedies"]),
    )


def find_hits(lines: Iterable[tuple[int, str]], *, limit: int = 1000) -> list[Hit]:
    """Return at most `limit` hits, in the order of the lines; a line hits each code once.

    Lines that show the job's own config hold prompts and captions, and are passed over: JSON
    that is indented and quoted, or has a quoted key.
    """
    kept = [(number, text) for number, text in lines if text and not _CONFIG.match(text)]
    # Lines of a log repeat but for their numbers, so without digits few different ones are
    # left; a literal that is in none of them, digits aside, is in no line.
    blob = "\n".join({text.translate(_DIGITS) for _, text in kept})
    present = [
        (signature, contains, pattern)
        for signature in signatures()
        for contains, pattern in signature.patterns
        if contains.translate(_DIGITS) in blob
    ]
    if not present:
        return []
    return list(_limited(_hits(kept, present), limit))


def _hits(
    kept: list[tuple[int, str]], present: list[tuple[Signature, str, re.Pattern[str]]]
) -> Iterator[Hit]:
    for number, text in kept:
        seen: set[str] = set()
        for signature, contains, pattern in present:
            if signature.code not in seen and contains in text and pattern.search(text):
                seen.add(signature.code)
                yield Hit(signature=signature, number=number, text=text)


def _limited(hits: Iterator[Hit], limit: int) -> Iterator[Hit]:
    for _, hit in zip(range(limit), hits, strict=False):
        yield hit
