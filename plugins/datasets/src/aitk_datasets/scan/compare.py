"""Comparing pictures that hashes say may be copies; runs in worker processes.

A picture that is in many pairs of one piece is decoded once for all of them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.pictures.colour import read_colours
from aitk_core.pictures.sameness import mismatch_of
from aitk_datasets.scan.opened import BROKEN, opened_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.pictures.sameness import Colours
    from aitk_datasets.scan.seen import Identity

METHOD: Final = 1
"""Rises whenever the same two pictures give another mismatch: what is kept is then void."""

_PAIRS: Final = 32
"""Pairs for one trip to a worker: about half a second of work. Ours."""


@frozen(kw_only=True)
class Pair:
    """Two files to compare."""

    first: str
    second: str
    mirrored: bool
    key: bytes
    """What the mismatch is kept under."""


@frozen(kw_only=True)
class PieceOfPairs:
    """Pairs that one worker compares in one go."""

    folder: str
    other: str
    """The folder of the second of each pair."""
    pairs: tuple[Pair, ...]


def key_of(first: Identity, second: Identity, *, mirrored: bool) -> bytes:
    """Return what the mismatch of two files is kept under, whatever their names."""
    return hashlib.sha256(repr((METHOD, tuple(first), tuple(second), mirrored)).encode()).digest()[
        :16
    ]


def pieces_of(folder: str, other: str, pairs: Sequence[Pair]) -> list[PieceOfPairs]:
    """Return the pairs in pieces, those of one picture together."""
    return [
        PieceOfPairs(folder=folder, other=other, pairs=tuple(pairs[begin : begin + _PAIRS]))
        for begin in range(0, len(pairs), _PAIRS)
    ]


def compare_piece(piece: PieceOfPairs) -> tuple[float | None, ...]:
    """Return the mismatch of each pair, None where one of the two cannot be read."""
    read: dict[tuple[str, str], Colours | None] = {}

    def colours(folder: str, path: str) -> Colours | None:
        if (folder, path) not in read:
            read[folder, path] = _colours(folder, path)
        return read[folder, path]

    found: list[float | None] = []
    for pair in piece.pairs:
        first, second = colours(piece.folder, pair.first), colours(piece.other, pair.second)
        if first is None or second is None:
            found.append(None)
            continue
        found.append(mismatch_of(first, second[:, ::-1] if pair.mirrored else second))
    return tuple(found)


def lost_pairs(piece: PieceOfPairs) -> tuple[float | None, ...]:
    """Return what is known of pairs at which a worker process died."""
    return (None,) * len(piece.pairs)


def _colours(folder: str, path: str) -> Colours | None:
    try:
        with opened_picture(folder, path) as image:
            return read_colours(image)
    except BROKEN:
        return None
