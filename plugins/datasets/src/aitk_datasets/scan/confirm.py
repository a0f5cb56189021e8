"""Pairs that hashes gave, judged by their pictures: each comparison is made once and kept."""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from aitk_core.errors import StoreError
from aitk_core.pictures.groups import group
from aitk_datasets.scan.compare import Pair, compare_piece, key_of, lost_pairs, pieces_of
from aitk_datasets.scan.duplicates import confirmed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_core.evidence.dataset import DuplicatePair
    from aitk_datasets.scan.duplicates import Named
    from aitk_datasets.scan.under_way import Scan

_LOG: Final = logging.getLogger(__name__)

_ANSWER_S: Final = 5.0
"""Ours: of the call's time, kept for analysis and the answer."""
_STOPPED: Final = (
    "the time for comparing them was over: {count} pairs stay possible until the next call"
)


async def confirmed_pairs(
    scan: Scan,
    pairs: Sequence[DuplicatePair],
    files: Sequence[Named],
    *,
    there: Scan | None = None,
    others: Sequence[Named] = (),
) -> tuple[tuple[DuplicatePair, ...], int]:
    """Return the pairs, near where their pictures show the same, and how many were not compared.

    Args:
        scan: Of the folder of the first of each pair.
        pairs: As hashes gave them.
        files: Of that folder.
        there: The scan of the folder of the second, where that is another.
        others: Its files.
    """
    here = _first_of_equals(files)
    beyond = here if there is None else _first_of_equals(others)
    asked = [
        _asked(here[pair.first], beyond[pair.second], mirrored=pair.mirrored) for pair in pairs
    ]
    found = await _known(scan, sorted({each.key for each in asked}))
    distance = {
        each.key: (pair.differences or 0) + (pair.cosines or 0)
        for each, pair in zip(asked, pairs, strict=True)
    }
    new = [
        each
        for each in {each.key: each for each in asked}.values()
        if each.key not in found and (there is not None or each.first != each.second)
    ]
    folders = (str(scan.folder), str((there or scan).folder))
    pieces = pieces_of(*folders, _in_order(new, distance, is_one_folder=there is None))
    done = 0
    unreadable: set[bytes] = set()
    async with aclosing(scan.context.stream(compare_piece, pieces, lost=lost_pairs)) as results:
        for piece in pieces:
            keys = [each.key for each in piece.pairs]
            mismatches = dict(zip(keys, await anext(results), strict=True))
            made = {key: value for key, value in mismatches.items() if value is not None}
            unreadable |= mismatches.keys() - made.keys()
            found |= made
            await _keep(scan, made)
            done += len(piece.pairs)
            await scan.context.progress(done, len(new), f"compared {done} of {len(new)} pairs")
            if done < len(new) and scan.is_late(_ANSWER_S):
                scan.missing["duplicates"] = _STOPPED.format(count=len(new) - done)
                break
    judged = tuple(
        confirmed(pair, found.get(each.key)) for each, pair in zip(asked, pairs, strict=True)
    )
    open_keys = {each.key for each in new} - found.keys() - unreadable
    left = sum(each.key in open_keys for each in asked)
    return judged, left


def _first_of_equals(files: Sequence[Named]) -> dict[str, Named]:
    """Return for each path the first file of the same bytes: one comparison serves all."""
    first: dict[tuple[int, str], Named] = {}
    return {
        file.path: file
        if file.sha256 is None
        else first.setdefault((file.seen.identity.size_bytes, file.sha256), file)
        for file in files
    }


def _asked(first: Named, second: Named, *, mirrored: bool) -> Pair:
    key = key_of(first.seen.identity, second.seen.identity, mirrored=mirrored)
    return Pair(first=first.path, second=second.path, mirrored=mirrored, key=key)


def _in_order(
    pairs: Sequence[Pair], distance: Mapping[bytes, int], *, is_one_folder: bool
) -> list[Pair]:
    """Return the likeliest first, and those that share pictures together."""
    number: dict[tuple[bool, str], int] = {}
    joined = [
        (
            number.setdefault((False, pair.first), len(number)),
            number.setdefault((not is_one_folder, pair.second), len(number)),
        )
        for pair in pairs
    ]
    of = {member: place for place, members in enumerate(group(joined)) for member in members}
    places = [of.get(first, -1) for first, _second in joined]
    nearest: dict[int, int] = {}
    for pair, place in zip(pairs, places, strict=True):
        nearest[place] = min(distance[pair.key], nearest.get(place, distance[pair.key]))
    ordered = sorted(
        zip(places, pairs, strict=True),
        key=lambda each: (nearest[each[0]], each[0], each[1].first, each[1].second),
    )
    return [pair for _place, pair in ordered]


async def _known(scan: Scan, keys: Sequence[bytes]) -> dict[bytes, float]:
    now = scan.context.now()
    try:
        return await scan.context.run(lambda: scan.cache.mismatches(keys, now=now))
    except StoreError as error:
        _LOG.warning("%s", error)
        return {}


async def _keep(scan: Scan, found: Mapping[bytes, float]) -> None:
    now = scan.context.now()
    try:
        await scan.context.run(lambda: scan.cache.keep_mismatches(found, now=now))
    except StoreError as error:
        _LOG.warning("%s", error)
