"""Which pictures are the same: by bytes, by pixels, by hashes and what they show."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np
from attrs import evolve, frozen

from aitk_core.evidence.dataset import DuplicatePair, DuplicateSearch
from aitk_core.pictures.hashes import BYTES, MIRRORED, UPRIGHT
from aitk_core.pictures.levels import is_candidate
from aitk_core.pictures.sameness import SAME
from aitk_core.pictures.search import find_pairs, find_pairs_between
from aitk_datasets.scan.opened import BROKEN, opened_file, opened_picture
from aitk_datasets.scan.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from aitk_core.pictures.search import Found

METHOD: Final = 2
"""Rises whenever the same pictures give other pairs: what is cached is then void."""
KEPT_PAIRS: Final = 20_000
"""Ours: more tell a person nothing, and weigh 4 MB."""
_ORIENTATIONS: Final = (UPRIGHT, MIRRORED)
_SAME_PIXELS: Final = (0, 2)
"""Bits of dd128 and p64 within which pixels are compared (datasets.md A5, levels)."""


@frozen(kw_only=True)
class Named:
    """A file that was looked at, under the name that it has in a folder."""

    path: str
    seen: Seen
    sha256: str | None = None
    """Of the bytes, where another file has the same length."""


@frozen(kw_only=True)
class File:
    """A file whose bytes or pixels are to be compared."""

    folder: str
    path: str


def same_length(files: Iterable[Named]) -> list[Named]:
    """Return the files that share their length with another; only those can have equal bytes."""
    lengths: dict[int, list[Named]] = defaultdict(list)
    for file in files:
        if file.seen.identity.size_bytes:
            lengths[file.seen.identity.size_bytes].append(file)
    return [file for group in lengths.values() if len(group) > 1 for file in group]


def sha256_of(file: File) -> str | None:
    """Return the digest of a file's bytes, None where it cannot be read. No link is followed."""
    try:
        with opened_file(file.folder, file.path) as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return None


def pixels_of(file: File) -> str | None:
    """Return the digest of a picture's size and RGB pixels, upright; None where it has none."""
    from PIL import ImageOps

    try:
        with opened_picture(file.folder, file.path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            digest = hashlib.sha256(repr(upright.size).encode())
            digest.update(upright.tobytes())
    except BROKEN:
        return None
    return digest.hexdigest()


def by_bytes(files: Iterable[Named], *, other: str | None = None) -> Iterator[DuplicatePair]:
    """Yield a pair of the first and each further file of equal bytes."""
    equal: dict[tuple[int, str], list[Named]] = defaultdict(list)
    for file in files:
        if file.sha256 is not None:
            equal[file.seen.identity.size_bytes, file.sha256].append(file)
    for group in equal.values():
        for again in group[1:]:
            yield DuplicatePair(
                first=group[0].path, second=again.path, level="exact_file", other=other
            )


def by_looks(
    files: Sequence[Named], *, check: Callable[[float], None] | None = None
) -> DuplicateSearch:
    """Return the pairs within a folder that may show the same, all of them possible.

    Args:
        files: In order of their paths.
        check: Gets the share done between blocks; what it raises ends the search.
    """
    hashed = _hashed(files)
    if len(hashed) < 2:  # noqa: PLR2004 - a pair
        return DuplicateSearch(compared=len(hashed), left_out=_left_out(files))
    found = find_pairs(
        _hashes(hashed), orientations=_ORIENTATIONS, check=check, max_pairs=KEPT_PAIRS
    )
    return DuplicateSearch(
        pairs=tuple(_pairs(found, hashed, hashed)),
        compared=len(hashed),
        left_out=_left_out(files),
        complete_to=found.complete_to,
        method=found.method,
        truncated=found.truncated,
    )


def across(
    files: Sequence[Named],
    others: Sequence[Named],
    *,
    other: str,
    check: Callable[[float], None] | None = None,
) -> Iterator[DuplicatePair]:
    """Yield the pairs of one picture here and one of another folder that may show the same."""
    left, right = _hashed(files), _hashed(others)
    if not left or not right:
        return
    found = find_pairs_between(
        _hashes(left),
        _hashes(right),
        orientations=_ORIENTATIONS,
        check=check,
        max_pairs=KEPT_PAIRS,
    )
    yield from _pairs(found, left, right, other=other)


def maybe_same_pixels(pairs: Iterable[DuplicatePair]) -> list[DuplicatePair]:
    """Return the near pairs whose pixels may be equal."""
    differences, cosines = _SAME_PIXELS
    return [
        pair
        for pair in pairs
        if pair.level == "near"
        and not pair.mirrored
        and (pair.differences or 0) <= differences
        and (pair.cosines or 0) <= cosines
    ]


def _hashed(files: Iterable[Named]) -> list[Named]:
    return [file for file in files if file.seen.prints]


def _left_out(files: Iterable[Named]) -> int:
    return sum(1 for file in files if file.seen.file.looks is not None and not file.seen.prints)


def _hashes(files: Sequence[Named]) -> npt.NDArray[np.uint8]:
    data = b"".join(file.seen.prints for file in files)
    return np.frombuffer(data, dtype=np.uint8).reshape(len(files), len(_ORIENTATIONS), BYTES)


def _pairs(
    found: Found, left: Sequence[Named], right: Sequence[Named], *, other: str | None = None
) -> Iterator[DuplicatePair]:
    chosen = np.flatnonzero(is_candidate(found.differences, found.cosines))
    columns: Iterable[tuple[int, ...]] = zip(
        found.first[chosen].tolist(),
        found.second[chosen].tolist(),
        found.orientation[chosen].tolist(),
        found.differences[chosen].tolist(),
        found.cosines[chosen].tolist(),
        strict=True,
    )
    for a, b, orientation, differences, cosines in columns:
        yield DuplicatePair(
            first=left[a].path,
            second=right[b].path,
            level="possible",
            mirrored=orientation == MIRRORED,
            differences=differences,
            cosines=cosines,
            other=other,
        )


def confirmed(pair: DuplicatePair, mismatch: float | None) -> DuplicatePair:
    """Return the pair as near where a comparison showed it, else as it was."""
    if mismatch is None:
        return pair
    kept = None if math.isinf(mismatch) else round(mismatch, 3)
    return evolve(pair, level="near" if mismatch <= SAME else "possible", mismatch=kept)


def merged(
    exact: Iterable[DuplicatePair],
    search: DuplicateSearch,
    digests: Mapping[str, str | None],
) -> tuple[DuplicatePair, ...]:
    """Return one pair for each two pictures, the surest.

    Args:
        exact: By bytes.
        search: By looks.
        digests: Of the pixels, by path, of pictures that may be equal.
    """
    exact = tuple(exact)
    bytes_of: dict[str, str] = {}
    for pair in exact:
        bytes_of[pair.second] = bytes_of[pair.first] = pair.first
    kept = list(exact)
    for pair in search.pairs:
        first, second = bytes_of.get(pair.first), bytes_of.get(pair.second)
        if first is not None and first == second:
            continue
        digest = digests.get(pair.first)
        is_same = digest is not None and digest == digests.get(pair.second)
        kept.append(evolve(pair, level="exact_pixels") if is_same else pair)
    return tuple(kept)
