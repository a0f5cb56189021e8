"""Files of JSON beside a file of weights: ours, and those of other programs; blocking."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MOST_BYTES: Final = 2_000_000
_ENDINGS: Final = (".json", ".metadata.json")
"""The contract's order (TOOLS.md section 24)."""
_WORDS: Final = ("trigger_word", "activation text")
"""Ours, and that of A1111's card of a model."""
_TEXT_CHARS: Final = 200


def metadata_beside(
    path: Path, notes: list[str] | None = None
) -> tuple[dict[str, Any], str] | None:
    """Return what stands in the file of metadata beside a model, and that file's name.

    Args:
        path: Of the model, links resolved.
        notes: Takes why a file that is there could not be used.
    """
    for ending in _ENDINGS:
        beside = path.with_name(path.stem + ending)
        data = read_beside(beside, path.parent, notes)
        if data is None:
            continue
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            _note(notes, f"{beside.name} is no JSON.")
            continue
        if isinstance(found, dict):
            return found, beside.name
        _note(notes, f"{beside.name} is no JSON object.")
    return None


def read_beside(path: Path, folder: Path, notes: list[str] | None = None) -> bytes | None:
    """Return a small file that really lies in the folder, None where there is none."""
    try:
        # A link may lead to anything; only what lies beside the model is its metadata.
        if not path.is_file() or path.resolve().parent != folder.resolve():
            return None
        if path.stat().st_size > _MOST_BYTES:
            _note(notes, f"{path.name} is larger than {_MOST_BYTES} bytes and was not read.")
            return None
        return path.read_bytes()
    except OSError:
        return None


def trigger_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the trigger word that such a file names; untrusted."""
    found = (text_of(metadata, name) for name in _WORDS)
    return next((text for text in found if text is not None), None)


def text_of(metadata: Mapping[str, Any], name: str) -> str | None:
    """Return a text of such a file, at most 200 characters; None where it is none."""
    value = metadata.get(name)
    return value.strip()[:_TEXT_CHARS] or None if isinstance(value, str) else None


def _note(notes: list[str] | None, text: str) -> None:
    if notes is not None:
        notes.append(text)
