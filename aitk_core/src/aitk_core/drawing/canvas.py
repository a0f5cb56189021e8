"""A picture in pixels: the one module that knows matplotlib.

Artists stand on the figure itself, placed in pixels, with every property given: axes would take
colours, fonts and margins from a settings file of whoever runs the server.
"""

from __future__ import annotations

import io
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np
from attrs import frozen

from aitk_core.drawing.words import drawable, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from matplotlib.artist import Artist
    from matplotlib.font_manager import FontProperties
    from numpy.typing import NDArray

Anchor = Literal["left", "center", "right"]
Marker = Literal["circle", "cross", "diamond", "down", "right", "square", "up"]

DRAWING: Final = threading.Lock()
"""Hold it while drawing: matplotlib is not thread-safe (its FAQ, "Work with threads")."""
_DPI: Final = 100
_POINTS_PER_PIXEL: Final = 72 / _DPI
_LONGEST: Final = 400
"""Characters of a line at most: more than the widest picture has room for."""
_MARKERS: Final[dict[Marker, str]] = {
    "circle": "o",
    "cross": "x",
    "diamond": "D",
    "down": "v",
    "right": ">",
    "square": "s",
    "up": "^",
}


@frozen(kw_only=True)
class Box:
    """A rectangle in pixels from the upper left corner of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Return its width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Return its height in pixels."""
        return self.bottom - self.top


class Canvas:
    """A picture. Places are pixels, x to the right and y downward from the upper left corner."""

    def __init__(
        self, *, width: int, height: int, background: str, redact: Callable[[str], str]
    ) -> None:
        """Start with an empty picture.

        Args:
            width: In pixels.
            height: In pixels.
            background: `#rrggbb`.
            redact: Takes secrets out of text; every text that is drawn goes through it.
        """
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self._redact = redact
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=background)
        self._figure = figure
        # Its methods carry no types.
        self._agg = cast("Any", FigureCanvasAgg(figure))
        self._renderer = self._agg.get_renderer()

    def text(
        self, x: float, y: float, words: str, *, size: int, color: str, bold: bool = False,
        anchor: Anchor = "left",
    ) -> None:  # fmt: skip
        """Write one line.

        Args:
            x: Its left end, centre or right end, as `anchor` says.
            y: Its base line.
            words: Taken literally and as one line, without secrets; characters without a glyph
                are replaced.
            size: Of the font, in pixels.
            color: `#rrggbb`.
            bold: Whether to write in bold.
            anchor: `left`, `center` or `right`.
        """
        from matplotlib.text import Text

        self._add(
            Text(
                x,
                self.height - y,
                self._drawn(words, bold=bold),
                color=color,
                fontproperties=_font(size, bold=bold),
                horizontalalignment=anchor,
                verticalalignment="baseline",
                usetex=False,
                parse_math=False,
            )
        )

    def width_of(self, words: str, *, size: int, bold: bool = False) -> float:
        """Return how many pixels wide a line is."""
        plain = self._drawn(words, bold=bold)
        font = _font(size, bold=bold)
        return float(self._renderer.get_text_width_height_descent(plain, font, ismath=False)[0])

    def _drawn(self, words: str, *, bold: bool) -> str:
        """Return what is drawn for a text, whoever wrote it and whatever was done to it before."""
        return drawable(self._redact(one_line(words, _LONGEST)), _glyphs(bold=bold))

    def fitted(self, words: str, width: float, *, size: int, bold: bool = False) -> str:
        """Return the text, cut with an ellipsis where it is wider than `width` pixels."""
        if self.width_of(words, size=size, bold=bold) <= width:
            return words
        kept = words
        while kept and self.width_of(f"{kept}…", size=size, bold=bold) > width:
            kept = kept[:-1].rstrip()
        return f"{kept}…" if kept else ""

    def line(
        self, xs: NDArray[np.float64], ys: NDArray[np.float64], *, color: str, width: float,
        dashed: bool = False, alpha: float = 1.0, clip: Box | None = None,
    ) -> None:  # fmt: skip
        """Join points; a NaN interrupts the line."""
        from matplotlib.lines import Line2D

        artist = Line2D(
            xs,
            self.height - ys,
            color=color,
            linewidth=width * _POINTS_PER_PIXEL,
            linestyle=(0, (4, 3)) if dashed else "solid",
            alpha=alpha,
            antialiased=True,
            solid_joinstyle="round",
            solid_capstyle="butt",
            dash_capstyle="butt",
            marker="",
        )
        self._add(artist, clip)

    def marks(
        self, xs: NDArray[np.float64], ys: NDArray[np.float64], *, marker: Marker, color: str,
        size: float, edge: str | None = None, clip: Box | None = None,
    ) -> None:  # fmt: skip
        """Set marks `size` pixels wide; `edge` sets them off from what lies below."""
        from matplotlib.lines import Line2D

        is_cross = marker == "cross"
        artist = Line2D(
            xs,
            self.height - ys,
            linestyle="none",
            marker=_MARKERS[marker],
            markersize=size * _POINTS_PER_PIXEL,
            markerfacecolor=color,
            markeredgecolor=color if is_cross or edge is None else edge,
            markeredgewidth=1.4 if is_cross else 0.8,
            antialiased=True,
        )
        self._add(artist, clip)

    def area(
        self, xs: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], *,
        color: str, alpha: float, clip: Box | None = None,
    ) -> None:  # fmt: skip
        """Fill the area between two lines over the same places."""
        from matplotlib.patches import Polygon

        there = np.column_stack([xs, self.height - low])
        back = np.column_stack([xs, self.height - high])[::-1]
        artist = Polygon(
            np.vstack([there, back]), closed=True, facecolor=color, alpha=alpha, linewidth=0
        )
        self._add(artist, clip)

    def png(self) -> bytes:
        """Return the picture; the same picture gives the same bytes."""
        from PIL import Image

        self._agg.draw()
        pixels = np.asarray(self._agg.buffer_rgba())[:, :, :3]
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", optimize=True)
        return file.getvalue()

    def _add(self, artist: Artist, clip: Box | None = None) -> None:
        from matplotlib.transforms import Bbox, IdentityTransform

        artist.set_transform(IdentityTransform())
        if clip is not None:
            top, bottom = self.height - clip.top, self.height - clip.bottom
            artist.set_clip_box(Bbox.from_extents(clip.left, bottom, clip.right, top))
        self._figure.add_artist(artist)


def _file(*, bold: bool) -> Path:
    """Return the font that comes with matplotlib: the same picture on every machine."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return Path(mpl.get_data_path(), "fonts", "ttf", name)


@lru_cache(maxsize=32)
def _font(size: int, *, bold: bool) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=_file(bold=bold), size=size * _POINTS_PER_PIXEL)


@lru_cache(maxsize=2)
def _glyphs(*, bold: bool) -> Container[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(_file(bold=bold))).get_charmap())
