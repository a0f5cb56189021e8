"""What is said of a model: in the files beside it, in its header, in its run's config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from aitk_core.errors import AitkError
from aitk_core.weights.beside import metadata_beside, read_beside
from aitk_export.exporting.about import without_secrets
from aitk_export.places.sources import LocalSource, header

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.protocols import ToolContext
    from aitk_export.download.locate import Located

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
        metadata, source = await context.run(metadata_beside, path, notes) or (None, None)
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


def _config_beside(path: Path, notes: list[str]) -> dict[str, Any] | None:
    from aitk_core.configkeys.text import ConfigTextError, parse_config

    data = read_beside(path.with_name("config.yaml"), path.parent, notes)
    if data is None:
        return None
    try:
        return parse_config(data, is_json=False)
    except ConfigTextError as error:
        notes.append(f"config.yaml could not be read: {error}.")
        return None


def _short(value: Any) -> Any:
    return value[:_HEADER_CHARS] if isinstance(value, str) else value
