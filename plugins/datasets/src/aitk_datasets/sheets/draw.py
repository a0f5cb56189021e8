"""Draws a sheet: tiles in a grid, or a row of tiles for each group of duplicates."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import frozen
from PIL import Image, ImageDraw

from aitk_core.drawing.lettering import Lettering
from aitk_core.drawing.sheets import THEMES, Colours, Sheet, encode, fitted
from aitk_core.wording import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitk_core.drawing.sheets import SheetTheme
    from aitk_datasets.pictures.thumbs import Thumb
    from aitk_datasets.sheets.records import Example, Row, Subject

WIDTH: Final = 1200
"""Pixels: six tiles that a person recognises, and no more than a model is shown at full size."""
COLUMNS: Final = 6
_MARGIN: Final = 24
_GAP: Final = 16
_SIDE: Final = (WIDTH - 2 * _MARGIN - (COLUMNS - 1) * _GAP) // COLUMNS
_TALL: Final = 150
_PAD: Final = 6
_EDGE: Final = 4
"""Width of the frame around the one to keep."""
_ALT_CHARS: Final = 2000
_NAME_CHARS: Final = 300
_KEEP: Final = "keep"
_WORDS: Final = 2
"""Columns beside a group that its words take."""
_FEWEST: Final = 3
"""Columns of the narrowest sheet: room for the title."""
_MOST_LINES: Final = 6


@frozen(kw_only=True)
class _Look:
    """Letters and colours of one sheet."""

    colours: Colours
    redact: Callable[[str], str]
    title: Lettering
    text: Lettering
    small: Lettering


def draw_sheet(
    subject: Subject,
    thumbs: Mapping[str, Thumb],
    *,
    name: str,
    theme: SheetTheme = "light",
    redact: Callable[[str], str],
) -> Sheet:
    """Draw what a finding is about; the same input gives the same bytes.

    Blocking work of some tenths of a second.

    Args:
        subject: With at most some dozens of pictures.
        thumbs: By path; a picture without one is drawn as a grey tile.
        name: Of the dataset.
        theme: For a light or a dark page.
        redact: Takes secrets out of text; every text that is drawn goes through it.
    """
    look = _Look(
        colours=THEMES[theme],
        redact=redact,
        title=Lettering(24, redact),
        text=Lettering(16, redact),
        small=Lettering(14, redact),
    )
    head = _MARGIN + look.title.height + look.text.height + _GAP
    heights = [_row_height(row, look) for row in subject.rows]
    tiles = _tiles_height(len(subject.examples), COLUMNS, look)
    columns = min(COLUMNS, max(_FEWEST, len(subject.examples))) if not subject.rows else COLUMNS
    width = 2 * _MARGIN + _across(columns)
    page = Image.new("RGB", (width, head + sum(heights) + tiles + _MARGIN), look.colours.ground)
    pen = ImageDraw.Draw(page)
    room = width - 2 * _MARGIN
    look.title.write(pen, (_MARGIN, _MARGIN), subject.title, look.colours.ink, room)
    below = _MARGIN + look.title.height
    about = f"{_count(subject)} \N{MIDDLE DOT} {shown(redact(name), _NAME_CHARS)}"
    look.text.write(pen, (_MARGIN, below), about, look.colours.faint, room)
    _tiles(page, subject.examples, thumbs, look, (_MARGIN, head), COLUMNS)
    down = head
    for row, height in zip(subject.rows, heights, strict=True):
        _draw_row(page, row, thumbs, look, down)
        down += height
    data, mime_type, page = encode(page)
    return Sheet(
        data=data,
        mime_type=mime_type,
        alt=_alt(subject, name, redact),
        width=page.width,
        height=page.height,
    )


def _across(columns: int) -> int:
    return columns * _SIDE + (columns - 1) * _GAP


def _count(subject: Subject) -> str:
    word = "group" if subject.rows else "picture"
    here = len(subject.rows or subject.examples)
    total = here + subject.more
    plural = "" if total == 1 else "s"
    return f"{total:,} {word}{plural}" if not subject.more else f"{here} of {total:,} {word}s"


def _tile_height(look: _Look) -> int:
    return _TALL + _PAD + look.text.height + look.small.height


def _tiles_height(count: int, columns: int, look: _Look) -> int:
    return -(-count // columns) * (_tile_height(look) + _GAP)


def _row_height(row: Row, look: _Look) -> int:
    return _GAP + _tiles_height(len(row.examples), COLUMNS - _WORDS, look)


def _draw_row(
    page: Image.Image, row: Row, thumbs: Mapping[str, Thumb], look: _Look, down: int
) -> None:
    """Draw the words of a group at the left, its pictures at the right."""
    pen, colours = ImageDraw.Draw(page), look.colours
    pen.line((_MARGIN, down, page.width - _MARGIN, down), fill=colours.edge)
    down += _GAP
    room = _across(_WORDS) - _GAP
    left = _MARGIN + _across(_WORDS) + _GAP
    _tiles(page, row.examples, thumbs, look, (left, down), COLUMNS - _WORDS)
    more = f"{row.more:,} more not shown" if row.more else ""
    look.title.write(pen, (_MARGIN, down), row.level.capitalize(), colours.ink, room)
    down += look.title.height
    for words, colour in (
        (row.heading, colours.ink),
        (row.note, colours.faint),
        (more, colours.ink),
    ):
        # On several lines, a secret would no longer be known as one.
        whole = shown(look.redact(shown(look.redact(words), _NAME_CHARS)), _NAME_CHARS)
        for line in _lines(whole, look.text, room):
            look.text.write(pen, (_MARGIN, down), line, colour, room)
            down += look.text.height


def _lines(words: str, letters: Lettering, room: int) -> list[str]:
    """Return words on as many lines as they need; a word that is too long is cut when written."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and letters.width_of(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines[:_MOST_LINES]


def _tiles(
    page: Image.Image,
    examples: Sequence[Example],
    thumbs: Mapping[str, Thumb],
    look: _Look,
    corner: tuple[int, int],
    columns: int,
) -> None:
    tile = _tile_height(look)
    for place, example in enumerate(examples):
        row, across = divmod(place, columns)
        at = (corner[0] + across * (_SIDE + _GAP), corner[1] + row * (tile + _GAP))
        thumb = thumbs.get(example.path) if example.is_readable else None
        _draw_tile(page, example, thumb, look, at)


def _draw_tile(
    page: Image.Image, example: Example, thumb: Thumb | None, look: _Look, at: tuple[int, int]
) -> None:
    pen, colours = ImageDraw.Draw(page), look.colours
    left, top = at
    box = (left, top, left + _SIDE - 1, top + _TALL - 1)
    pen.rectangle(box, fill=colours.cell)
    if thumb is not None and thumb.data:
        with Image.open(io.BytesIO(thumb.data)) as opened:
            # A tiny picture stays tiny: that is what is to be seen of it.
            picture = fitted(opened, min(_SIDE, opened.width), min(_TALL, opened.height))
        corner = (left + (_SIDE - picture.width) // 2, top + (_TALL - picture.height) // 2)
        page.paste(picture, corner)
    else:
        why = "in another folder" if not example.is_readable else "not read"
        _centred(pen, thumb.why if thumb is not None else why, look, box)
    if example.mark == _KEEP:
        for inset in range(_EDGE):
            frame = (left - inset, top - inset, box[2] + inset, box[3] + inset)
            pen.rectangle(frame, outline=colours.ink)
    else:
        pen.rectangle(box, outline=colours.edge)
    if example.mark:
        _badge(pen, example.mark, look, at)
    below = top + _TALL + _PAD
    look.text.write(pen, (left, below), example.path, colours.ink, _SIDE, cut="middle")
    below += look.text.height
    look.small.write(pen, (left, below), example.words, colours.faint, _SIDE)


def _centred(
    pen: ImageDraw.ImageDraw, words: str, look: _Look, box: tuple[int, int, int, int]
) -> None:
    """Write a few words of ours into the middle of a tile."""
    lines = _lines(words, look.small, _SIDE - 2 * _GAP)
    down = (box[1] + box[3] - len(lines) * look.small.height) // 2
    for line in lines:
        across = round((box[0] + box[2] - look.small.width_of(line)) / 2)
        look.small.write(pen, (across, down), line, look.colours.faint, _SIDE)
        down += look.small.height


def _badge(pen: ImageDraw.ImageDraw, mark: str, look: _Look, at: tuple[int, int]) -> None:
    words = mark.upper()
    left, top = at
    right = left + round(look.small.width_of(words)) + 3 * _PAD
    bottom = top + look.small.height + _PAD
    pen.rectangle((left, top, right, bottom), fill=look.colours.ink)
    look.small.write(pen, (left + _PAD + 2, top + 4), words, look.colours.ground, _SIDE)


def _alt(subject: Subject, name: str, redact: Callable[[str], str]) -> str:
    said = [f"Sheet of {shown(redact(name), 80)}: {subject.title}, {_count(subject)}"]
    if subject.rows:
        for row in subject.rows:
            tiles = ", ".join(_told(example, redact) for example in row.examples)
            said.append(f"{row.level}, {redact(row.heading)} ({redact(row.note)}): {tiles}")
    else:
        said += [_told(example, redact) for example in subject.examples]
    return shown(redact(". ".join(said) + "."), _ALT_CHARS)


def _told(example: Example, redact: Callable[[str], str]) -> str:
    words = [shown(redact(example.path), 60), example.mark, shown(redact(example.words), 80)]
    return " ".join(word for word in words if word)
