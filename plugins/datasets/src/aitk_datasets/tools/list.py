"""list-datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.convert import unstructure
from aitk_core.errors import AitkError, BackendError, InvalidArgumentsError
from aitk_core.records.results import ToolResult
from aitk_core.wording import shown
from aitk_datasets.listing.folders import line_of_media, look_into, names_below
from aitk_datasets.listing.jobs import jobs_by_folder, with_jobs
from aitk_datasets.listing.records import DatasetLine, DatasetPage
from aitk_datasets.listing.text import summarize
from aitk_datasets.target import visible_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext
    from aitk_datasets.arguments import ListDatasets

_ANSWER_S: Final = 3.0
"""Ours: of the call's time, kept for the answer."""


async def list_datasets(arguments: ListDatasets, context: ToolContext) -> ToolResult:
    """Return one page of the dataset folders, by name; nothing in them is opened.

    Raises:
        InvalidArgumentsError: The datasets folder cannot be read.
        BackendError: No datasets folder is visible here, and the backend does not answer.
    """
    root = await context.run(visible_root, context.paths)
    if root is None:
        names = tuple(sorted(await context.backend.datasets()))
    else:
        names = await context.run(_names, root)
    start = int(arguments.cursor or 0)
    wanted = names[start : start + arguments.limit]
    notes: list[str] = []
    users = await _users(context, notes)
    lines = [
        with_jobs(line, name, users)
        for name, line in zip(wanted, await _lines(context, root, wanted, notes), strict=True)
    ]
    end = start + len(lines)
    page = DatasetPage(
        source="backend" if root is None else "folder",
        datasets=tuple(lines),
        total=len(names),
        returned=len(lines),
        next_cursor=str(end) if lines and end < len(names) else None,
        notes=tuple(notes),
    )
    return ToolResult(data=unstructure(page), summary=summarize(page, start))


def _names(root: Path) -> tuple[str, ...]:
    try:
        return names_below(root)
    except OSError as error:
        raise InvalidArgumentsError(
            f"the datasets folder cannot be read: {error.strerror or type(error).__name__}",
            remedy="let the server's user read the folder that AITK_DATASETS_DIR names",
        ) from error


async def _users(context: ToolContext, notes: list[str]) -> dict[str, list[JobRow]] | None:
    try:
        return jobs_by_folder((await context.backend.jobs()).jobs)
    except BackendError as error:
        notes.append(f"Which jobs use them is not known: {shown(str(error), 200)}.")
        return None


async def _lines(
    context: ToolContext, root: Path | None, names: Sequence[str], notes: list[str]
) -> list[DatasetLine]:
    lines = []
    for done, name in enumerate(names):
        await context.progress(done, len(names), f"listing {shown(name)}")
        left = context.remaining_s()
        if left is not None and left < _ANSWER_S:
            notes.append(
                f"The call's time was over: {len(names) - done} of these were not looked at."
            )
            lines += [DatasetLine(name=shown(rest)) for rest in names[done:]]
            break
        try:
            lines.append(await _line(context, root, name))
        # One folder that is gone, unreadable or elsewhere costs its own line only.
        except AitkError as error:
            if root is None and isinstance(error, BackendError):
                raise
            notes.append(f"{shown(name)} was not looked at: {shown(str(error), 200)}.")
            lines.append(DatasetLine(name=shown(name)))
    return lines


async def _line(context: ToolContext, root: Path | None, name: str) -> DatasetLine:
    if root is None:
        return line_of_media(name, await context.backend.dataset_media(name))
    folder = await context.run(context.paths.inside, "datasets", name)
    return await context.run(look_into, folder, name)
