"""upload-dataset."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import evolve

from aitk_core.backend.ids import checked_job_name
from aitk_core.convert import unstructure
from aitk_core.errors import ConflictError, InvalidArgumentsError
from aitk_core.records.results import ToolResult
from aitk_core.wording import counted, shown
from aitk_datasets.folder.names import fold, stem_of
from aitk_datasets.target import resolve, visible_root
from aitk_datasets.upload.checks import Outcome, look_at_all, stage_items, write_captions
from aitk_datasets.upload.items import CAPTION_CHARS, Budget, Refused, inline_items
from aitk_datasets.upload.names import CAPTION_EXT, plain_name
from aitk_datasets.upload.present import present_here, present_there
from aitk_datasets.upload.records import Saved, Totals, Uploaded
from aitk_datasets.upload.send import BATCH_BYTES, kept_name, send
from aitk_datasets.upload.settings import UploadSettings
from aitk_datasets.upload.sources import opened
from aitk_datasets.upload.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractContextManager
    from typing import Literal

    from aitk_core.protocols import ToolContext
    from aitk_datasets.arguments import UploadDataset
    from aitk_datasets.upload.items import Item
    from aitk_datasets.upload.names import Present

_FAULTS: Final = 50
"""Ours: rejected items that an error names."""


async def upload_dataset(arguments: UploadDataset, context: ToolContext) -> ToolResult:
    """Add pictures and captions to a dataset's folder; nothing there is ever replaced.

    The trainer's `.aitk_size.json` is not written: the trainer makes it itself where it lists the
    folder, and one made here would only be a second opinion of the same numbers.

    Raises:
        InvalidArgumentsError: The dataset's name or an item cannot be used, or both sources or
            none are given.
        ConflictError: A name was taken meanwhile, or the folder cannot be written.
        TooLargeError: There are too many pictures or bytes.
        PathOutsideRootsError: The dataset's folder or the source leads out of the roots.
        FileMissingError: There is no such source.
        BackendError: The datasets are the backend's, and it does not answer.
    """
    name = _dataset_name(arguments.dataset_name)
    budget = Budget(context.settings(UploadSettings))
    source = _source(arguments, context, budget)
    root = await context.run(visible_root, context.paths)
    if root is None:
        answer = await _through_the_backend(arguments, context, name, budget, source)
    else:
        answer = await _into_the_folder(arguments, context, name, budget, source)
    return ToolResult(data=unstructure(answer), summary=_summary(answer))


def _dataset_name(text: str) -> str:
    try:
        return checked_job_name(plain_name(text), "dataset_name")
    except Refused as refusal:
        raise _bad(
            "dataset_name",
            f"dataset_name {shown(text)!r}: {refusal}",
            "give the name of one folder below the datasets root",
        ) from refusal


def _bad(field: str, message: str, remedy: str) -> InvalidArgumentsError:
    return InvalidArgumentsError(
        message, remedy=remedy, faults=[{"path": f"/{field}", "message": message}]
    )


def _source(
    arguments: UploadDataset, context: ToolContext, budget: Budget
) -> Callable[[], AbstractContextManager[list[Item]]]:
    if (arguments.source_path is None) == (not arguments.images):
        raise _bad(
            "images",
            "pictures are needed: in images, or at source_path, not both",
            "give images with filename and content, or the source_path of a folder or .zip",
        )
    if arguments.source_path is not None:
        path = resolve(context, arguments.source_path)
        return lambda: opened(path, budget)
    budget.count(len(arguments.images))
    items = inline_items(arguments.images)
    return lambda: nullcontext(items)


@contextmanager
def _disk() -> Generator[None]:
    """Turn what the disk refuses into what a caller can read."""
    try:
        yield
    except OSError as error:
        raise ConflictError(
            f"the files cannot be written: {error.strerror or 'input or output error'}; "
            "nothing was saved",
            remedy="make room, or let the server's user write the folder; then call again",
        ) from error


@asynccontextmanager
async def _staging(context: ToolContext, target: Path) -> AsyncGenerator[Stage]:
    """Give an open stage, and clear it away at the end, whatever the end is."""
    stage = Stage(target)

    def begin() -> None:
        with stage.lock, _disk():
            stage.open(context.now())

    try:
        await context.run(begin)
        yield stage
    finally:
        # A call that is cancelled leaves its thread working; this waits until it saw the sign.
        stage.stop()
        await asyncio.shield(context.run(stage.discard))


async def _checked(
    arguments: UploadDataset,
    context: ToolContext,
    stage: Stage,
    items: Callable[[Outcome], None],
) -> Outcome:
    """Return the outcome of staging and of a look at each picture; raise where all are refused."""
    outcome = Outcome(stage)

    def fill() -> None:
        with stage.lock, _disk():
            items(outcome)

    await context.progress(0, None, "reading the pictures")
    await context.run(fill)
    await look_at_all(context, outcome)
    if not outcome.total:
        raise _bad("source_path", "the source holds no pictures", "give a folder with pictures")
    if outcome.rejected and not arguments.allow_partial:
        raise _refused(arguments, outcome)
    return outcome


def _refused(arguments: UploadDataset, outcome: Outcome) -> InvalidArgumentsError:
    field = "/images" if arguments.source_path is None else "/source_path"
    count = len(outcome.rejected)
    first = outcome.rejected[0]
    return InvalidArgumentsError(
        f"{count} of {counted(outcome.total, 'picture')} cannot be saved, so none was; the first: "
        f"{first.filename}: {first.message}",
        remedy="mend or leave out what is named, or set allow_partial to save the rest",
        faults=[
            {
                "path": f"{field}/{each.index}",
                "message": f"{each.filename}: {each.message}",
                "code": each.code,
            }
            for each in outcome.rejected[:_FAULTS]
        ],
        rejected=count,
    )


async def _into_the_folder(
    arguments: UploadDataset,
    context: ToolContext,
    name: str,
    budget: Budget,
    source: Callable[[], AbstractContextManager[list[Item]]],
) -> Uploaded:
    target = await context.run(_target_of, context, name)
    async with _staging(context, target) as stage:

        def fill(outcome: Outcome) -> None:
            present = present_here(target)
            with source() as items:
                stage_items(items, budget, present, outcome)

        def publish() -> int:
            with stage.lock, _disk():
                written = write_captions(outcome)
                stage.publish([one.name for one in outcome.staged])
                return written

        outcome = await _checked(arguments, context, stage, fill)
        written = await context.run(publish) if outcome.staged else 0
        created = stage.is_new and bool(outcome.staged)
        return _uploaded(name, "folder", outcome, created=created, captions=written)


def _target_of(context: ToolContext, name: str) -> Path:
    """Return the dataset's folder, which may not be there; blocks.

    Raises:
        InvalidArgumentsError: Another folder differs only in case, or it is no folder.
        PathOutsideRootsError: It is a link that leads out of the root.
    """
    root = context.paths.root("datasets")
    with _disk():
        twins = [each.name for each in root.iterdir() if fold(each.name) == fold(name)]
    if twins and name not in twins:
        raise _bad(
            "dataset_name",
            f"there is a dataset {shown(twins[0])!r}, whose name differs only in case or accents' "
            "form",
            "give that very name to add to it, or another one",
        )
    target = context.paths.inside("datasets", name)
    if target.exists() and not target.is_dir():
        raise _bad("dataset_name", f"{shown(name)!r} is a file", "give another name")
    return target


async def _through_the_backend(
    arguments: UploadDataset,
    context: ToolContext,
    name: str,
    budget: Budget,
    source: Callable[[], AbstractContextManager[list[Item]]],
) -> Uploaded:
    # A picture and its caption go in one request.
    largest = min(budget.limits.max_file_bytes, BATCH_BYTES - 4 * CAPTION_CHARS)
    budget = Budget(evolve(budget.limits, max_file_bytes=largest))
    stems = await context.run(_wanted_stems, source)
    remote = await present_there(context.backend, name, stems)
    with tempfile.TemporaryDirectory(prefix="aitk-upload-") as folder:
        async with _staging(context, Path(folder) / "dataset") as stage:
            outcome = await _checked(
                arguments,
                context,
                stage,
                lambda outcome: _fill_remote(source, budget, remote.present, outcome),
            )
            sent = await send(context, name, stage.folder, outcome.staged)
    created = not remote.exists and bool(outcome.staged)
    return _uploaded(name, "backend", outcome, created=created, captions=sent)


def _wanted_stems(source: Callable[[], AbstractContextManager[list[Item]]]) -> list[str]:
    stems = []
    with source() as items:
        for item in items:
            try:
                stems.append(stem_of(kept_name(item.given)))
            except Refused:
                continue
    return stems


def _fill_remote(
    source: Callable[[], AbstractContextManager[list[Item]]],
    budget: Budget,
    present: Present,
    outcome: Outcome,
) -> None:
    with source() as items:
        stage_items(items, budget, present, outcome, kept_name)


def _uploaded(
    name: str,
    source: Literal["folder", "backend"],
    outcome: Outcome,
    *,
    created: bool,
    captions: int,
) -> Uploaded:
    return Uploaded(
        dataset=name,
        location=f"{name}/",
        source=source,
        created=created,
        saved=tuple(
            Saved(
                file=one.name,
                bytes=one.size,
                width=one.width,
                height=one.height,
                caption=None if one.caption is None else stem_of(one.name) + CAPTION_EXT,
            )
            for one in outcome.staged
        ),
        rejected=tuple(outcome.rejected),
        totals=Totals(
            items=outcome.total,
            saved=len(outcome.staged),
            rejected=len(outcome.rejected),
            captions=captions,
            bytes=sum(one.size for one in outcome.staged),
        ),
    )


def _summary(answer: Uploaded) -> str:
    where = "the datasets folder" if answer.source == "folder" else "the backend"
    pictures = counted(answer.totals.saved, "picture")
    captions = counted(answer.totals.captions, "caption")
    lines = [f"{pictures} and {captions} saved in {shown(answer.location, 210)} of {where}."]
    if answer.rejected:
        lines.append(f"{counted(len(answer.rejected), 'item')} not saved:")
        lines += [
            f"- {each.filename}: {each.code}: {each.message}" for each in answer.rejected[:_FAULTS]
        ]
    lines.append("The trainer writes its own list of sizes. To check the set: inspect-dataset.")
    return "\n".join(lines)
