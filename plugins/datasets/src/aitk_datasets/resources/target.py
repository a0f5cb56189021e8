"""From a URI's part to a folder: one plain name directly below the datasets root, and no link."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from aitk_core.errors import (
    AitkError,
    InvalidArgumentsError,
    NotPermittedError,
    PathOutsideRootsError,
)
from aitk_datasets.folder.use import folders_of, last_part, use_of
from aitk_datasets.inspection import inspect
from aitk_datasets.target import Target

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import Paths, ToolContext
    from aitk_datasets.inspection import Inspection

TOOL: Final = "inspect-dataset"
_MOST_FILES: Final = 5000
"""As inspect-dataset by default."""
LOOKING_S: Final = 30.0
"""Ours: for reading new pictures; what was looked at is kept, and the next read goes on."""
_NAME_BYTES: Final = 255
"""Of one name (POSIX NAME_MAX)."""
_PATIENCE_S: Final = 3.0
"""Ours: a folder can be looked at without the backend, so nobody waits long for it."""


def name_of(part: str) -> str:
    """Return the folder's name that a URI means.

    Raises:
        InvalidArgumentsError: It is no plain name of a visible folder.
    """
    try:
        name = unquote_to_bytes(part).decode()
    except UnicodeError:
        name = ""
    is_plain = (
        0 < len(name.encode(errors="replace")) <= _NAME_BYTES
        and name.isprintable()
        and not name.startswith(".")
        and not any(mark in name for mark in "/\\")
    )
    if not is_plain:
        raise InvalidArgumentsError(
            "the URI names no dataset: a folder directly below the datasets root is wanted",
            remedy="read aitk://datasets, which lists them with their URIs",
            faults=[{"path": "/name", "message": "must be one plain folder name"}],
        )
    return name


def folder_of(paths: Paths, name: str) -> Path:
    """Return the folder of a plain name. Blocks on the disk.

    Raises:
        NotFoundError: No datasets folder is configured.
        PathOutsideRootsError: It is a link, which is not followed here.
    """
    folder = paths.inside("datasets", name)
    if folder != paths.root("datasets") / name:
        raise PathOutsideRootsError(
            f"dataset {name!r} is a link, which is not followed here",
            remedy="give inspect-dataset the path of the folder that it leads to",
        )
    return folder


async def newest_job(context: ToolContext, name: str) -> JobRow | None:
    """Return the newest job that trains a folder of that name; None where none is known."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            listed = await context.backend.jobs(job_type="train")
    except (AitkError, TimeoutError):
        return None
    return next(
        (
            job
            for job in listed.jobs
            if any(last_part(path) == name for path in folders_of(job.config))
        ),
        None,
    )


def check_offered(context: ToolContext) -> None:
    """Refuse what the caller may not ask for as a tool.

    Raises:
        NotPermittedError: inspect-dataset is switched off for this caller.
    """
    if not context.offers(TOOL):
        raise NotPermittedError(f"{TOOL} is not offered, so neither is what it would show")


async def inspected(context: ToolContext, part: str) -> Inspection:
    """Look at the dataset that a URI means, as its newest job reads it.

    Raises:
        InvalidArgumentsError: The name is none, or the folder cannot be read.
        NotPermittedError: inspect-dataset is switched off for this caller.
        PathOutsideRootsError: It is a link.
        FileMissingError: There is no such folder.
        NotFoundError: No datasets folder is configured.
    """
    name = name_of(part)
    check_offered(context)
    folder = await context.run(folder_of, context.paths, name)
    job = await newest_job(context, name)
    target = Target(
        folder=folder,
        shown=name,
        source="argument",
        use=None if job is None else use_of(job.config, str(folder)),
    )
    return await inspect(context, target, max_files=_MOST_FILES, max_seconds=LOOKING_S)
