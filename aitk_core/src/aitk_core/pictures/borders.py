"""Plain borders of a picture: letterbox bars and frames.

Two questions. `plain_edges` is the trimming rule of datasets.md section E2, which takes sky and
table tops as well: right for comparing two pictures, wrong for telling a person that there is a
border. `find_borders` asks for one colour and a straight end besides, all along the picture: a
thing on a plain ground ends before its ground does. A box without a shadow, in the middle of a
white ground, is a framed picture to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from aitk_core.pictures.hashes import Thumbnail

Borders = tuple[float, float, float, float]
"""Shares of the width or height: left, top, right, bottom."""

_PLAIN: Final = 8.0
"""Largest standard deviation of a plain row or column, in levels (section E2)."""
_MOST: Final = 4
"""At most a quarter of a side is looked at from each edge (section E2)."""
_DRIFT: Final = 4.0
"""Levels that the rows of a border may differ from its outermost one; a sky drifts more. Ours."""
_STEP: Final = 12.0
"""Levels by which a pixel behind the border's end differs from the border. Ours."""
_STRAIGHT: Final = 0.5
"""Share of the pixels behind the end that must differ so: a subject on a plain ground touches its
first row in few places. Ours."""
_BLACK: Final = 24.0
"""Level up to which a border is black, TV black (16) and JPEG's noise included. A film is often as
black near its corners, and things are hardly ever shown on a black ground. Ours."""
_UNEVEN: Final = 2
"""Pixels of the thumbnail by which the facing sides of a frame may differ: one for each is lost in
rounding. A shadow makes the side it falls on narrower by more. Ours."""
_CORNER: Final = 16
"""Behind any other border, unless there is a frame, pixels differ within this part of its length
at both of its ends: few things reach so near both ends of a plain ground. Ours."""


def plain_edges(thumbnail: Thumbnail) -> tuple[int, int, int, int]:
    """Return how many columns and rows at each edge are nearly plain: left, top, right, bottom.

    Args:
        thumbnail: (H, W) uint8, both sides at least 4.
    """
    columns, rows = thumbnail.std(axis=0) <= _PLAIN, thumbnail.std(axis=1) <= _PLAIN
    return _run(columns), _run(rows), _run(columns[::-1]), _run(rows[::-1])


class _Bar(NamedTuple):
    """A border at one edge, in pixels of the thumbnail."""

    width: int
    level: float
    behind: npt.NDArray[np.bool_]
    """Along it, which pixels behind its end differ from it."""


def find_borders(thumbnail: Thumbnail) -> Borders:
    """Return which share of the sides is a plain border; 0 where there is none.

    Two borders that face each other are of one level, or both are none.

    Args:
        thumbnail: (128, 128) uint8; a border is told to a hundredth of the side.
    """
    across = thumbnail.T
    bars = [_bar(rows) for rows in (across, thumbnail, across[::-1], thumbnail[::-1])]
    for one, other in ((0, 2), (1, 3)):
        first, second = bars[one], bars[other]
        if first and second and abs(first.level - second.level) > _DRIFT:
            bars[one] = bars[other] = None
    # What ends at another border may end short of the whole side once that one is dropped.
    while not _is_frame(bars) and any(
        ends := [_ends_short(bars, edge) for edge in range(len(bars))]
    ):
        bars = [None if is_short else bar for bar, is_short in zip(bars, ends, strict=True)]
    left, top, right, bottom = (bar.width / len(thumbnail) if bar else 0.0 for bar in bars)
    return left, top, right, bottom


def _run(plain: npt.NDArray[np.bool_]) -> int:
    """Return how many of the first quarter are plain before the first that is not."""
    first = plain[: len(plain) // _MOST]
    return len(first) if first.all() else int(first.argmin())


def _bar(rows: Thumbnail) -> _Bar | None:
    """Return the border at the first of the rows."""
    # Most pictures end here.
    if rows[0].std(dtype=np.float32) > _PLAIN:
        return None
    quarter = len(rows) // _MOST
    first = rows[: quarter + 2].astype(np.float32)
    mean = first.mean(axis=1)
    level = float(mean[0])
    plain = (first.std(axis=1) <= _PLAIN) & (np.abs(mean - level) <= _DRIFT)
    count = int(plain[:quarter].argmin()) if not plain[:quarter].all() else quarter
    if not count:
        return None
    # The row at the end may be a mixture of both sides; the next one is not.
    behind = np.abs(first[count + 1] - level) > _STEP
    return _Bar(count, level, behind) if float(behind.mean()) >= _STRAIGHT else None


def _is_frame(bars: Sequence[_Bar | None]) -> bool:
    """Tell whether there are four borders, those that face each other of one width."""
    left, top, right, bottom = bars
    if not (left and top and right and bottom):
        return False
    return max(abs(left.width - right.width), abs(top.width - bottom.width)) <= _UNEVEN


def _ends_short(bars: Sequence[_Bar | None], edge: int) -> bool:
    """Tell whether the picture behind a border ends before the borders beside it begin.

    Args:
        bars: Left, top, right, bottom.
        edge: Index of the border.
    """
    bar = bars[edge]
    if bar is None or bar.level <= _BLACK:
        return False
    # Left and right run from top to bottom, top and bottom from left to right.
    before, after = (bars[1], bars[3]) if edge % 2 == 0 else (bars[0], bars[2])
    start = before.width if before else 0
    stop = len(bar.behind) - (after.width if after else 0)
    part = bar.behind[start:stop]
    corner = max(1, len(part) // _CORNER)
    return not (part[:corner].any() and part[-corner:].any())
