"""Plain borders of a picture: letterbox bars and frames.

Two questions. `plain_edges` is the trimming rule of datasets.md section E2, which takes sky and
table tops as well: right for comparing two pictures, wrong for telling a person that there is a
border. `find_borders` asks for one colour and a straight end besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
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


def plain_edges(thumbnail: Thumbnail) -> tuple[int, int, int, int]:
    """Return how many columns and rows at each edge are nearly plain: left, top, right, bottom.

    Args:
        thumbnail: (H, W) uint8, both sides at least 4.
    """
    columns, rows = thumbnail.std(axis=0) <= _PLAIN, thumbnail.std(axis=1) <= _PLAIN
    return _run(columns), _run(rows), _run(columns[::-1]), _run(rows[::-1])


def find_borders(thumbnail: Thumbnail) -> Borders:
    """Return which share of the sides is a plain border; 0 where there is none.

    Args:
        thumbnail: (128, 128) uint8; a border is told to a hundredth of the side.
    """
    across = thumbnail.T
    return (
        _border(across),
        _border(thumbnail),
        _border(across[::-1]),
        _border(thumbnail[::-1]),
    )


def _run(plain: npt.NDArray[np.bool_]) -> int:
    """Return how many of the first quarter are plain before the first that is not."""
    first = plain[: len(plain) // _MOST]
    return len(first) if first.all() else int(first.argmin())


def _border(rows: Thumbnail) -> float:
    """Return the share of the rows that the border at the first of them takes."""
    quarter = len(rows) // _MOST
    first = rows[: quarter + 2].astype(np.float32)
    mean = first.mean(axis=1)
    level = float(mean[0])
    plain = (first.std(axis=1) <= _PLAIN) & (np.abs(mean - level) <= _DRIFT)
    count = int(plain[:quarter].argmin()) if not plain[:quarter].all() else quarter
    if not count:
        return 0.0
    # The row at the end may be a mixture of both sides; the next one is not.
    behind = np.abs(first[count + 1] - level) > _STEP
    return count / len(rows) if float(behind.mean()) >= _STRAIGHT else 0.0
