"""From items to staged files: names first, then bytes, then a real decode of each picture."""

from __future__ import annotations

import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from attrs import define, field

from aitk_core.wording import shown
from aitk_datasets.folder.names import stem_of
from aitk_datasets.scan.look import Piece, Target, look_at_piece, lost_piece
from aitk_datasets.scan.seen import Identity
from aitk_datasets.upload.items import Item, Refused
from aitk_datasets.upload.names import CAPTION_EXT, Admission, picture_name
from aitk_datasets.upload.records import Rejected
from aitk_datasets.upload.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aitk_core.evidence.dataset import ImageFile
    from aitk_core.protocols import ToolContext
    from aitk_datasets.upload.items import Budget
    from aitk_datasets.upload.names import Present

_PIECE: Final = 16
"""Files for one trip to a worker. Ours."""
_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_BROKEN: Final = {
    "zero_bytes": ("IMAGE_EMPTY_FILE", "the file is empty; send its bytes"),
    "not_an_image": ("IMAGE_NOT_AN_IMAGE", "it is no picture; send a JPEG, PNG or WEBP"),
    "truncated": ("IMAGE_TRUNCATED", "the picture ends too early; send the whole file"),
    "damaged": ("IMAGE_DAMAGED", "the picture is damaged; save it again"),
    "too_large": ("IMAGE_TOO_LARGE", "the picture has too many pixels; make it smaller"),
}
"""Codes as inspect-dataset says them. Words of ours: a decoder's own are no remedy."""
_UNREADABLE: Final = ("IMAGE_NOT_READ", "the picture could not be read back; call again")


@define
class Staged:
    """A picture that waits for its name."""

    item: Item
    name: str
    size: int
    caption: str | None
    writes_caption: bool
    width: int = 0
    height: int = 0


@define
class Outcome:
    """What becomes of the items."""

    stage: Stage
    total: int = 0
    staged: list[Staged] = field(factory=list)
    rejected: list[Rejected] = field(factory=list)

    def reject(self, item: Item, refusal: Refused) -> None:
        """Note an item that is not saved."""
        self.rejected.append(
            Rejected(
                index=item.index,
                filename=shown(item.given),
                code=refusal.code,
                message=shown(str(refusal), 300),
            )
        )


def stage_items(
    items: Iterable[Item],
    budget: Budget,
    present: Present,
    outcome: Outcome,
    checked_name: Callable[[str], str] = picture_name,
) -> None:
    """Write each item that may be saved into the stage.

    Args:
        items: In order.
        budget: Limits of the upload.
        present: What is in the dataset's folder.
        outcome: Gets what was staged and what was refused.
        checked_name: Returns the name under which a file is kept; raises `Refused`.

    Raises:
        TooLargeError: The upload is too large.
        Stopped: The call is over.
        OSError: The disk is full or cannot be written.
    """
    admission = Admission(present)
    for item in items:
        outcome.stage.check()
        outcome.total += 1
        try:
            if item.refusal is not None:
                raise item.refusal
            name = checked_name(item.given)
            caption = item.caption()
            writes = admission.admit(name, caption)
            size = outcome.stage.write(name, budget.within(item.read()))
        except Refused as refusal:
            outcome.reject(item, refusal)
            continue
        outcome.staged.append(Staged(item, name, size, caption, writes))


async def look_at_all(context: ToolContext, outcome: Outcome) -> None:
    """Decode every staged picture, in worker processes, and refuse what is none."""
    folder, waiting = outcome.stage.folder, outcome.staged
    targets = await context.run(lambda: [_target(str(folder), one.name) for one in waiting])
    pieces = [
        Piece(folder=str(folder), targets=tuple(targets[begin : begin + _PIECE]))
        for begin in range(0, len(targets), _PIECE)
    ]
    seen: list[ImageFile] = []
    async with aclosing(context.stream(look_at_piece, pieces, lost=lost_piece)) as results:
        async for part in results:
            seen += [one.file for one in part]
            await context.progress(len(seen), len(waiting), "checking the pictures")
    outcome.staged = []
    for staged, file in zip(waiting, seen, strict=True):
        refusal = _refusal(file)
        if refusal is None:
            staged.width, staged.height = file.width or 0, file.height or 0
            outcome.staged.append(staged)
        else:
            outcome.stage.drop(staged.name)
            outcome.reject(staged.item, refusal)
    outcome.rejected.sort(key=lambda rejected: rejected.index)


def _target(folder: str, name: str) -> Target:
    status = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - str paths
    identity = Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return Target(path=name, identity=identity)


def _refusal(file: ImageFile) -> Refused | None:
    if file.format is not None and file.format not in _FORMATS:
        return Refused(
            "IMAGE_FORMAT_UNSUPPORTED", f"it is {file.format}; save it as JPEG, PNG or WEBP"
        )
    if file.problem is not None:
        return Refused(*_BROKEN.get(file.problem, _UNREADABLE))
    return None


def write_captions(outcome: Outcome) -> int:
    """Write the captions of what is left into the stage, UTF-8 without a mark; return how many.

    Pictures of one stem share their caption, which is written once.

    Raises:
        OSError: The disk is full or cannot be written.
        Stopped: The call is over.
    """
    wanted = {
        stem_of(staged.name): staged.caption
        for staged in outcome.staged
        if staged.caption is not None and staged.writes_caption
    }
    for stem, caption in wanted.items():
        outcome.stage.write(stem + CAPTION_EXT, [caption.encode()])
    return len(wanted)
