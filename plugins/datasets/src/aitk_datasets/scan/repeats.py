"""The search of copies within a folder and between two, each cached."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs import evolve

from aitk_core.errors import StoreError
from aitk_core.evidence.dataset import DuplicatePair, DuplicateSearch
from aitk_datasets.scan import duplicates
from aitk_datasets.scan.confirm import confirmed_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_datasets.scan.under_way import Scan

_LOG: Final = logging.getLogger(__name__)


async def with_digests(scan: Scan, files: Sequence[duplicates.Named]) -> list[duplicates.Named]:
    """Return the files with the digest of the bytes where lengths are equal."""
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


async def repeats_within(scan: Scan, files: Sequence[duplicates.Named]) -> DuplicateSearch:
    """Return the pairs within a folder, as they were kept if nothing changed."""
    key = _search_key(files)
    cached = await _cached_search(scan, key)
    if cached is not None:
        return cached
    await scan.context.progress(0, None, f"comparing {len(files)} pictures")
    search = await scan.context.run(duplicates.by_looks, files)
    judged, unconfirmed = await confirmed_pairs(scan, search.pairs, files)
    search = evolve(search, pairs=judged, unconfirmed=unconfirmed)
    maybe = duplicates.maybe_same_pixels(search.pairs)
    paths = sorted({path for pair in maybe for path in (pair.first, pair.second)})
    tasks = [duplicates.File(folder=str(scan.folder), path=path) for path in paths]
    digests: dict[str, str | None] = {}
    async with aclosing(scan.context.stream(duplicates.pixels_of, tasks)) as results:
        for path in paths:
            digests[path] = await anext(results)
    pairs = duplicates.merged(duplicates.by_bytes(files), search, digests)
    found = evolve(search, pairs=pairs[: duplicates.KEPT_PAIRS])
    if "images" not in scan.missing and not found.unconfirmed:
        await _keep_search(scan, key, found)
    return found


def _search_key(files: Sequence[duplicates.Named]) -> bytes:
    digest = hashlib.sha256(repr(duplicates.METHOD).encode())
    for file in files:
        digest.update(repr((file.path, tuple(file.seen.identity), file.sha256)).encode())
    return digest.digest()


async def _cached_search(scan: Scan, key: bytes) -> DuplicateSearch | None:
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


async def _keep_search(scan: Scan, key: bytes, found: DuplicateSearch) -> None:
    data = json.dumps(attrs.asdict(found)).encode()
    now = scan.context.now()
    try:
        await scan.context.run(lambda: scan.cache.keep_search(key, data, now=now))
    except StoreError as error:
        _LOG.warning("%s", error)


async def repeats_across(
    scan: Scan,
    files: Sequence[duplicates.Named],
    there: Scan,
    others: Sequence[duplicates.Named],
) -> tuple[DuplicatePair, ...]:
    """Return the pairs of one picture here and one in another folder."""
    name = there.folder.name
    looks = await scan.context.run(lambda: list(duplicates.across(files, others, other=name)))
    judged, _left = await confirmed_pairs(scan, looks, files, there=there, others=others)
    equal = await _equal_across(scan, files, there, others)
    same = {(pair.first, pair.second) for pair in equal}
    return (*equal, *(pair for pair in judged if (pair.first, pair.second) not in same))


async def _equal_across(
    scan: Scan,
    files: Sequence[duplicates.Named],
    there: Scan,
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
