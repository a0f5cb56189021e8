"""From a folder to its evidence: walk, captions, looks, duplicates; each only where it is new."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from attrs import evolve

from aitk_core.evidence.dataset import (
    DatasetEvidence,
    ImageFile,
)
from aitk_datasets.captions.reading import read_caption
from aitk_datasets.folder.walk import walk
from aitk_datasets.scan.cache import ScanCache, named
from aitk_datasets.scan.duplicates import File, Named, sha256_of
from aitk_datasets.scan.look import Piece, Target, look_at_piece, lost_piece
from aitk_datasets.scan.repeats import repeats_across, repeats_within, with_digests
from aitk_datasets.scan.seen import Identity
from aitk_datasets.scan.under_way import Scan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aitk_core.evidence.dataset import (
        CaptionFile,
        DatasetUse,
        DuplicateSearch,
    )
    from aitk_core.protocols import ToolContext
    from aitk_datasets.folder.walk import Listed, Listing
    from aitk_datasets.scan.seen import Seen


_PIECE: Final = 16
"""Files for one trip to a worker: about a tenth of a second of work. Ours."""
_KEEP_EVERY: Final = 512
"""Files between two writes to the cache: what a cancelled scan loses at most. Ours."""
_ANSWER_S: Final = 10.0
"""Ours: of the call's time, kept for duplicates, analysis and the answer."""
_STOPPED: Final = (
    "the time for it was over: what was looked at is kept, and the next call goes on from there"
)


async def collect_dataset(
    context: ToolContext,
    folder: Path,
    *,
    use: DatasetUse | None = None,
    max_files: int = 5000,
    max_seconds: float | None = None,
    against: Sequence[Path] = (),
    generated: Mapping[str, str] | None = None,
) -> DatasetEvidence:
    """Look at a folder as the trainer will.

    Args:
        context: Of the call.
        folder: Absolute, confined to a root already.
        use: How a job reads it.
        max_files: Pictures that are looked at; the first by name.
        max_seconds: After which no new picture is looked at.
        against: Other folders, whose pictures must not be trained here: validation sets.
        generated: Digests of captions that this server wrote, by path.

    Raises:
        FileMissingError: There is no such folder.
        InvalidArgumentsError: It is no folder.
    """
    until = None if max_seconds is None else context.now() + max_seconds
    scan = Scan(context, folder, ScanCache(context.store), until=until)
    extension = use.caption_ext if use is not None else ".txt"
    await context.progress(0, None, f"listing {folder.name}")
    listing = await context.run(lambda: walk(folder, caption_ext=extension))
    wanted = [image for image in listing.images if not image.is_link][:max_files]
    seen = await _look(scan, wanted)
    captions = await context.run(_captions, folder, listing, scan.missing, generated or {})
    files = await with_digests(scan, _under_their_names(wanted, seen))
    found = await repeats_within(scan, files)
    for other in against:
        found = await _with_other(scan, files, found, other)
    for path, why in listing.unread:
        scan.missing[path] = why
    return DatasetEvidence(
        name=folder.name,
        images=_images(listing, files, max_files),
        captions=captions,
        videos=listing.videos,
        controls=listing.controls,
        unsupported=listing.unsupported,
        orphans=listing.orphans,
        wrong_case=listing.wrong_case,
        duplicates=found,
        use=use,
        found_images=len(listing.images),
        read_images=scan.read,
        collected_at=context.now(),
        missing=scan.missing,
    )


async def _with_other(
    scan: Scan, files: Sequence[Named], found: DuplicateSearch, other: Path
) -> DuplicateSearch:
    """Return the search with the pairs of one picture here and one in another folder."""
    there = Scan(scan.context, other, scan.cache, scan.missing, until=scan.until)
    listing = await scan.context.run(lambda: walk(other))
    wanted = [image for image in listing.images if not image.is_link]
    seen = await _look(there, wanted)
    others = await with_digests(there, _under_their_names(wanted, seen))
    pairs = await repeats_across(scan, files, there, others)
    return evolve(found, pairs=(*found.pairs, *pairs))


def _under_their_names(wanted: Sequence[Listed], seen: Mapping[Identity, Seen]) -> list[Named]:
    return [
        Named(path=image.path, seen=found, sha256=found.file.sha256)
        for image in wanted
        if (found := seen.get(_identity(image))) is not None
    ]


def _identity(image: Listed) -> Identity:
    return Identity(image.device, image.inode, image.size_bytes, image.mtime_ns)


async def _look(scan: Scan, wanted: Sequence[Listed]) -> dict[Identity, Seen]:
    """Return what is known of the files, looking at those that are new."""
    found = await scan.known([_identity(image) for image in wanted])
    new = [image for image in wanted if _identity(image) not in found]
    pieces = [
        Piece(
            folder=str(scan.folder),
            targets=tuple(
                Target(path=image.path, identity=_identity(image))
                for image in new[begin : begin + _PIECE]
            ),
        )
        for begin in range(0, len(new), _PIECE)
    ]
    waiting: list[Seen] = []
    async with aclosing(scan.context.stream(look_at_piece, pieces, lost=lost_piece)) as results:
        async for part in results:
            waiting += part
            scan.read += len(part)
            found |= {seen.identity: seen for seen in part}
            await scan.context.progress(
                scan.read, len(new), f"looked at {scan.read} of {len(new)} new pictures"
            )
            if len(waiting) >= _KEEP_EVERY:
                await scan.keep(waiting)
                waiting = []
            if scan.is_late():
                scan.missing["images"] = _STOPPED
                break
    await scan.keep(waiting)
    return found


def _captions(
    folder: Path, listing: Listing, missing: dict[str, str], generated: Mapping[str, str]
) -> dict[str, CaptionFile]:
    linked = set(listing.linked_captions)
    read: dict[str, CaptionFile] = {}
    for image in listing.images:
        path = image.caption
        if path is None or path in read or path in missing:
            continue
        if path in linked:
            missing[path] = "a link, which is not followed here"
            continue
        try:
            read[path] = read_caption(folder / path, path)
        except OSError as error:
            missing[path] = error.strerror or type(error).__name__
            continue
        if path in generated:
            digest = sha256_of(File(folder=str(folder), path=path))
            read[path] = evolve(read[path], is_generated=digest == generated[path])
    return {
        image.path: read[image.caption]
        for image in listing.images
        if image.caption is not None and image.caption in read
    }


def _images(listing: Listing, files: Sequence[Named], max_files: int) -> tuple[ImageFile, ...]:
    found = {file.path: evolve(named(file.seen, file.path), sha256=file.sha256) for file in files}
    linked = [
        ImageFile(
            path=image.path,
            size_bytes=image.size_bytes,
            mtime_ns=image.mtime_ns,
            problem="linked",
        )
        for image in listing.images
        if image.is_link
    ]
    for image in linked[: max(0, max_files - len(found))]:
        found[image.path] = image
    return tuple(found[path] for path in sorted(found))
