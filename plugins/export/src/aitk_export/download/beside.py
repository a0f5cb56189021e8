"""What is said of a model: in the files beside it, in its header, in its run's config."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from aitk_core.errors import AitkError
from aitk_export.exporting.about import without_secrets
from aitk_export.places.sources import LocalSource, header

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.protocols import ToolContext
    from aitk_export.download.locate import Located

_MOST_BYTES: Final = 2_000_000
_ENDINGS: Final = (".json", ".metadata.json")
"""The contract's order (TOOLS.md section 24)."""
_HEADER_CHARS: Final = 20_000
"""Of one value: kohya's counts of tags can be megabytes."""


@frozen(kw_only=True)
class Beside:
    """Metadata, and where they are from; what is None is not there."""

    metadata: dict[str, Any] | None = None
    metadata_source: str | None = None
    """Name of the file, or `header`."""
    training_config: dict[str, Any] | None = None
    notes: list[str] = field(factory=list)


async def what_is_said(context: ToolContext, located: Located) -> Beside:
    """Collect what is said of a model; what cannot be read is a note."""
    notes: list[str] = []
    metadata, source = None, None
    config: dict[str, Any] | None = None
    if isinstance(located.source, LocalSource):
        path = located.source.path
        metadata, source = await context.run(_file_beside, path, notes)
        config = await context.run(_config_beside, path, notes)
    if metadata is None:
        try:
            found = dict((await header(located.source)).metadata)
        except AitkError as error:
            notes.append(f"The header could not be read: {error}.")
        else:
            if found:
                metadata = {key: _short(value) for key, value in found.items()}
                source = "header"
    if config is None and located.job is not None and located.job.config is not None:
        config = dict(located.job.config)
    return Beside(
        metadata=without_secrets(context, metadata),
        metadata_source=source,
        training_config=without_secrets(context, config),
        notes=notes,
    )


def _file_beside(path: Path, notes: list[str]) -> tuple[dict[str, Any] | None, str | None]:
    for ending in _ENDINGS:
        beside = path.with_name(path.stem + ending)
        data = _read(beside, path.parent, notes)
        if data is None:
            continue
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            notes.append(f"{beside.name} is no JSON.")
            continue
        if isinstance(found, dict):
            return found, beside.name
        notes.append(f"{beside.name} is no JSON object.")
    return None, None


def _config_beside(path: Path, notes: list[str]) -> dict[str, Any] | None:
    from aitk_core.configkeys.text import ConfigTextError, parse_config

    data = _read(path.with_name("config.yaml"), path.parent, notes)
    if data is None:
        return None
    try:
        return parse_config(data, is_json=False)
    except ConfigTextError as error:
        notes.append(f"config.yaml could not be read: {error}.")
        return None


def _read(path: Path, folder: Path, notes: list[str]) -> bytes | None:
    try:
        # A link may lead to anything; only what lies beside the model is its metadata.
        if path.resolve().parent != folder or not path.is_file():
            return None
        if path.stat().st_size > _MOST_BYTES:
            notes.append(f"{path.name} is larger than {_MOST_BYTES} bytes and was not read.")
            return None
        return path.read_bytes()
    except OSError:
        return None


def _short(value: Any) -> Any:
    return value[:_HEADER_CHARS] if isinstance(value, str) else value
