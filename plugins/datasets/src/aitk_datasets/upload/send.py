"""Staged files to the backend, where its datasets are not visible here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.backend.datasets import checked_file_name
from aitk_core.errors import BackendError, InvalidArgumentsError
from aitk_datasets.folder.names import stem_of
from aitk_datasets.upload.items import Refused
from aitk_datasets.upload.names import CAPTION_EXT, picture_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aitk_core.protocols import ToolContext
    from aitk_datasets.upload.checks import Staged

BATCH_BYTES: Final = 32 << 20
"""Ours: of one request, which both sides hold in memory."""
_BATCH_FILES: Final = 200


def kept_name(text: str) -> str:
    """Return a picture's name that the backend keeps as it is.

    Raises:
        Refused: The backend would change it (API.md section 6), or it is no picture's name.
    """
    name = picture_name(text)
    try:
        return checked_file_name(name)
    except InvalidArgumentsError as error:
        raise Refused(
            "NAME_INVALID",
            "the backend would change this name; use letters, digits, '_', '-' and '.'",
        ) from error


def batches(staged: Sequence[Staged]) -> Iterator[list[tuple[Staged, bool]]]:
    """Yield the pictures of each request, and whether the picture's caption goes with it."""
    batch: list[tuple[Staged, bool]] = []
    size, sent = 0, set()
    for one in staged:
        brings = one.writes_caption and stem_of(one.name) not in sent
        more = one.size + (len((one.caption or "").encode()) if brings else 0)
        if batch and (size + more > BATCH_BYTES or 2 * len(batch) >= _BATCH_FILES):
            yield batch
            batch, size = [], 0
        sent.add(stem_of(one.name))
        batch.append((one, brings))
        size += more
    if batch:
        yield batch


def _files(folder: Path, batch: Sequence[tuple[Staged, bool]]) -> list[tuple[str, bytes]]:
    files = []
    for one, brings in batch:
        files.append((one.name, (folder / one.name).read_bytes()))
        if brings:
            files.append((stem_of(one.name) + CAPTION_EXT, (one.caption or "").encode()))
    return files


async def send(context: ToolContext, name: str, folder: Path, staged: Sequence[Staged]) -> int:
    """Send the staged pictures and their captions; return how many captions went.

    Raises:
        BackendError: In its kinds; what was saved before is in the details as `saved`.
    """
    done: list[str] = []
    captions = 0
    for batch in batches(staged):
        files = await context.run(_files, folder, batch)
        try:
            await context.backend.upload(name, files)
        except BackendError as error:
            unsure = [file_name for file_name, _data in files]
            raise type(error)(
                f"{error}; {len(done)} of {len(staged)} pictures were saved before",
                remedy="look with list-datasets; then upload again with allow_partial, which "
                "leaves out what is there",
                **{**error.details, "saved": done[:100], "unsure": unsure[:100]},
            ) from error
        captions += sum(brings for _one, brings in batch)
        done += [one.name for one, _brings in batch]
        await context.progress(len(done), len(staged), "sending to the backend")
    return captions
