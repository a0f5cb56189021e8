"""The datasets: listed with the URIs of their resources, and completed by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aitk_core.convert import unstructure
from aitk_core.errors import AitkError, InvalidArgumentsError, NotFoundError, TooLargeError
from aitk_core.records.results import ResourceContent
from aitk_datasets.listing.folders import names_below
from aitk_datasets.resources.target import (
    LOOKING_S,
    TOOL,
    check_offered,
    folder_of,
    name_of,
    newest_job,
)
from aitk_datasets.resources.uris import CHARTS, uris_of
from aitk_datasets.target import visible_root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from aitk_core.protocols import ToolContext

_LISTED: Final = 500
"""Ours: as many as list-datasets returns at most."""
_COMPLETED: Final = 100
"""Values that a completion may have (MCP, utilities/completion)."""
_LARGEST_CHARS: Final = 2_000_000
"""Ours, as for the documents of a run."""


async def read_datasets(
    _uri: str, _parts: Mapping[str, str], context: ToolContext
) -> ResourceContent:
    """Return the folders below the datasets root as JSON, each with the URIs of its resources.

    Raises:
        NotFoundError: This machine sees no datasets folder.
        NotPermittedError: inspect-dataset is switched off for this caller.
        InvalidArgumentsError: The datasets folder cannot be read.
    """
    check_offered(context)
    names = await context.run(_names, context)
    listed = [{"name": name, "resources": uris_of(name)} for name in names[:_LISTED]]
    document = {"datasets": listed, "returned": len(listed), "total": len(names)}
    return await context.run(_json, document)


async def read_report(_uri: str, parts: Mapping[str, str], context: ToolContext) -> ResourceContent:
    """Return the document of inspect-dataset, the folder read as by its newest job.

    Raises:
        InvalidArgumentsError: The URI names no dataset.
        PathOutsideRootsError: It is a link.
        NotPermittedError: inspect-dataset is switched off for this caller.
        FileMissingError: There is no such folder.
        NotFoundError: No datasets folder is configured.
        TooLargeError: The document is longer than 2,000,000 characters.
    """
    name = name_of(parts["name"])
    check_offered(context)
    await context.run(folder_of, context.paths, name)
    job = await newest_job(context, name)
    asked: dict[str, Any] = {"dataset_path": name, "max_seconds": LOOKING_S}
    if job is not None:
        asked["job_id"] = job.id
    answer = await context.call_tool(TOOL, asked)
    return await context.run(_json, answer.data)


async def complete(argument: str, typed: str, context: ToolContext) -> list[str]:
    """Return names of datasets, charts or sheets for what was typed so far; at most 100.

    Args:
        argument: `name`, `chart` or `code`; any other has no values.
        typed: The beginning of it, in any case.
        context: Its datasets root is listed; one that cannot be read has no names.
    """
    from aitk_datasets.resources.codes import SHEETS

    begin = typed.casefold()
    names: tuple[str, ...] = {"chart": CHARTS, "code": SHEETS}.get(argument, ())
    if argument == "name" and context.offers(TOOL):
        try:
            # As they stand in a URI.
            names = tuple(quote(name, safe="") for name in await context.run(_names, context))
        except AitkError:
            return []
        begin = quote(typed, safe="%").casefold()
    return [name for name in names if name.casefold().startswith(begin)][:_COMPLETED]


def _names(context: ToolContext) -> list[str]:
    """Return the folders that a URI can name. Blocks on the disk."""
    root = visible_root(context.paths)
    if root is None:
        raise NotFoundError(
            "no datasets folder is visible on this machine",
            remedy="set AITK_DATASETS_DIR to the folder of the datasets",
        )
    try:
        found = names_below(root)
    except OSError as error:
        raise InvalidArgumentsError(
            f"the datasets folder cannot be read: {error.strerror or type(error).__name__}",
            remedy="let the server's user read the folder that AITK_DATASETS_DIR names",
        ) from error
    return [name for name in found if _can_be_named(context, name)]


def _can_be_named(context: ToolContext, name: str) -> bool:
    try:
        return name_of(quote(name, safe="")) == name and bool(folder_of(context.paths, name))
    except (AitkError, UnicodeError):
        return False


def _json(value: Any) -> ResourceContent:
    text = json.dumps(unstructure(value), ensure_ascii=False, separators=(",", ":"))
    if len(text) > _LARGEST_CHARS:
        raise TooLargeError(
            f"the document is longer than {_LARGEST_CHARS} characters",
            remedy="ask inspect-dataset or list-datasets",
            limit_chars=_LARGEST_CHARS,
        )
    return ResourceContent(mime_type="application/json", text=text)
