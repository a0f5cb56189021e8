"""From a folder to its evidence: walk, captions, looks, duplicates; each only where it is new."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs import define, evolve, field

from aitk_core.errors import StoreError
from aitk_core.evidence.dataset import (
    DatasetEvidence,
    DuplicatePair,
    DuplicateSearch,
    ImageFile,
)
from aitk_core.protocols import ToolContext
from aitk_datasets.captions.reading import read_caption
from aitk_datasets.folder.walk import walk
from aitk_datasets.scan import duplicates
from aitk_datasets.scan.cache import ScanCache, named
from aitk_datasets.scan.look import Piece, Target, look_at_piece, lost_piece
from aitk_datasets.scan.seen import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_core.evidence.dataset import (
        CaptionFile,
        DatasetUse,
    )
    from aitk_datasets.folder.walk import Listed, Listing
    from aitk_datasets.scan.seen import Seen

_LOG: Final = logging.getLogger(__name__)

_PIECE: Final = 16
"""Files for one trip to a worker: about a tenth of a second of work. Ours."""
_KEEP_EVERY: Final = 512
"""Files between two writes to the cache: what a cancelled scan loses at most. Ours."""
_ANSWER_S: Final = 10.0
"""Ours: of the call's time, kept for duplicates, analysis and the answer."""
_STOPPED: Final = (
    "the time for it was over: what was looked at is kept, and the next call goes on from there"
)


@define
class _Scan:
    """One folder under way."""

    context: ToolContext
    folder: Path
    cache: ScanCache
    missing: dict[str, str] = field(factory=dict)
    until: float | None = None
    """Unix seconds at which looking ends."""
    read: int = 0
    """Files that were opened, not known from an earlier scan."""

    async def known(self, wanted: Sequence[Identity]) -> dict[Identity, Seen]:
        """Return what the cache knows; without a store nothing is known."""
        now = self.context.now()
        try:
            return await self.context.run(lambda: self.cache.known(wanted, now=now))
        except StoreError as error:
            self._no_store(error)
            return {}

    async def keep(self, found: Sequence[Seen]) -> None:
        """Keep what was seen."""
        if found:
            now = self.context.now()
            try:
                await self.context.run(lambda: self.cache.keep(found, now=now))
            except StoreError as error:
                self._no_store(error)

    def _no_store(self, error: StoreError) -> None:
        if "cache" not in self.missing:
            _LOG.warning("%s", error)
        self.missing["cache"] = f"{error.code}: {error}; the next scan reads everything again"

    def is_late(self) -> bool:
        """Tell whether the rest of the call is needed for the answer."""
        left = self.context.remaining_s()
        if left is not None and left < _ANSWER_S:
            return True
        return self.until is not None and self.context.now() >= self.until


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
    scan = _Scan(context, folder, ScanCache(context.store), until=until)
    extension = use.caption_ext if use is not None else ".txt"
    await context.progress(0, None, f"listing {folder.name}")
    listing = await context.run(lambda: walk(folder, caption_ext=extension))
    wanted = [image for image in listing.images if not image.is_link][:max_files]
    seen = await _look(scan, wanted)
    captions = await context.run(_captions, folder, listing, scan.missing, generated or {})
    files = await _with_digests(scan, wanted, seen)
    found = await _duplicates(scan, files)
    for other in against:
        found = await _against(scan, files, found, other)
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


def _identity(image: Listed) -> Identity:
    return Identity(image.device, image.inode, image.size_bytes, image.mtime_ns)


async def _look(scan: _Scan, wanted: Sequence[Listed]) -> dict[Identity, Seen]:
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
            digest = duplicates.sha256_of(duplicates.File(folder=str(folder), path=path))
            read[path] = evolve(read[path], is_generated=digest == generated[path])
    return {
        image.path: read[image.caption]
        for image in listing.images
        if image.caption is not None and image.caption in read
    }


async def _with_digests(
    scan: _Scan, wanted: Sequence[Listed], seen: Mapping[Identity, Seen]
) -> list[duplicates.Named]:
    """Return the files under their names; with the digest of the bytes where lengths are equal."""
    files = [
        duplicates.Named(path=image.path, seen=found, sha256=found.file.sha256)
        for image in wanted
        if (found := seen.get(_identity(image))) is not None
    ]
    new = [file for file in duplicates.same_length(files) if file.sha256 is None]
    digests: dict[str, str] = {}
    waiting = []
    tasks = [duplicates.File(folder=str(scan.folder), path=file.path) for file in new]
    async with aclosing(scan.context.stream(duplicates.sha256_of, tasks)) as results:
        for file in new:
            digest = await anext(results)
            if digest is not None:
                digests[file.path] = digest
                changed = evolve(file.seen.file, sha256=digest)
                waiting.append(evolve(file.seen, file=changed))
    await scan.keep(waiting)
    return [evolve(file, sha256=digests.get(file.path, file.sha256)) for file in files]


async def _duplicates(scan: _Scan, files: Sequence[duplicates.Named]) -> DuplicateSearch | None:
    key = _search_key(files)
    cached = await _cached_search(scan, key)
    if cached is not None:
        return cached
    await scan.context.progress(0, None, f"comparing {len(files)} pictures")
    search = await scan.context.run(duplicates.by_looks, files)
    maybe = duplicates.maybe_same_pixels(search.pairs)
    paths = sorted({path for pair in maybe for path in (pair.first, pair.second)})
    tasks = [duplicates.File(folder=str(scan.folder), path=path) for path in paths]
    digests: dict[str, str | None] = {}
    async with aclosing(scan.context.stream(duplicates.pixels_of, tasks)) as results:
        for path in paths:
            digests[path] = await anext(results)
    pairs = duplicates.merged(duplicates.by_bytes(files), search, digests)
    found = evolve(search, pairs=pairs[: duplicates.KEPT_PAIRS])
    if "images" not in scan.missing:
        await _keep_search(scan, key, found)
    return found


def _search_key(files: Sequence[duplicates.Named]) -> bytes:
    digest = hashlib.sha256(repr(duplicates.METHOD).encode())
    for file in files:
        digest.update(repr((file.path, tuple(file.seen.identity), file.sha256)).encode())
    return digest.digest()


async def _cached_search(scan: _Scan, key: bytes) -> DuplicateSearch | None:
    now = scan.context.now()
    try:
        data = await scan.context.run(lambda: scan.cache.search(key, now=now))
    except StoreError:
        return None
    if data is None:
        return None
    value: dict[str, Any] = json.loads(data)
    pairs = tuple(DuplicatePair(**pair) for pair in value.pop("pairs"))
    return DuplicateSearch(pairs=pairs, **value)


async def _keep_search(scan: _Scan, key: bytes, found: DuplicateSearch) -> None:
    data = json.dumps(attrs.asdict(found)).encode()
    now = scan.context.now()
    try:
        await scan.context.run(lambda: scan.cache.keep_search(key, data, now=now))
    except StoreError as error:
        _LOG.warning("%s", error)


async def _against(
    scan: _Scan,
    files: Sequence[duplicates.Named],
    found: DuplicateSearch | None,
    other: Path,
) -> DuplicateSearch | None:
    """Return the search with the pairs of one picture here and one in another folder."""
    there = _Scan(scan.context, other, scan.cache, scan.missing, until=scan.until)
    listing = await scan.context.run(lambda: walk(other))
    wanted = [image for image in listing.images if not image.is_link]
    others = await _with_digests(there, wanted, await _look(there, wanted))
    name = other.name
    looks = await scan.context.run(lambda: list(duplicates.across(files, others, other=name)))
    equal = await _equal_across(scan, files, there, others)
    same = {(pair.first, pair.second) for pair in equal}
    pairs = (*equal, *(pair for pair in looks if (pair.first, pair.second) not in same))
    return evolve(found or DuplicateSearch(), pairs=(*(found.pairs if found else ()), *pairs))


async def _equal_across(
    scan: _Scan,
    files: Sequence[duplicates.Named],
    there: _Scan,
    others: Sequence[duplicates.Named],
) -> tuple[DuplicatePair, ...]:
    lengths = {file.seen.identity.size_bytes for file in files} & {
        file.seen.identity.size_bytes for file in others
    }
    left = [file for file in files if file.seen.identity.size_bytes in lengths - {0}]
    right = [file for file in others if file.seen.identity.size_bytes in lengths - {0}]
    digests = []
    for one, some in ((scan, left), (there, right)):
        tasks = [duplicates.File(folder=str(one.folder), path=file.path) for file in some]
        async with aclosing(scan.context.stream(duplicates.sha256_of, tasks)) as results:
            digests.append({file.path: await anext(results) for file in some})
    here: dict[str, str] = {}
    for path, digest in digests[0].items():
        if digest is not None:
            here.setdefault(digest, path)
    return tuple(
        DuplicatePair(first=here[digest], second=path, level="exact_file", other=there.folder.name)
        for path, digest in digests[1].items()
        if digest is not None and digest in here
    )


def _images(
    listing: Listing, files: Sequence[duplicates.Named], max_files: int
) -> tuple[ImageFile, ...]:
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
