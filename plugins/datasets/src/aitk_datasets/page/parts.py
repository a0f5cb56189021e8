"""Pieces of the page: escaped text, pictures within a budget, tiles."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from attrs import define

from aitk_core.wording import shown
from aitk_datasets.pictures.thumbs import Thumb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_datasets.sheets.records import Example

TEXT_CHARS: Final = 1000
_NAME_CHARS: Final = 120
_WORDS_CHARS: Final = 120
_PATH_CHARS: Final = 1024
_SHOWN_PATH_CHARS: Final = 60
_SMALL: Final = 200
"""Pixels of the longer side of an example; groups of duplicates are shown as they are."""
_QUALITY: Final = 72


@define
class Pieces:
    """Makes pieces of HTML; pictures are left out once the budget is used up."""

    redact: Callable[[str], str]
    thumbs: Mapping[str, Thumb]
    left_bytes: int
    """What pictures may still take, as base64."""

    def text(self, text: str, limit: int = TEXT_CHARS) -> str:
        """Return untrusted text as HTML: without secrets, on one line, cut, escaped."""
        # Before it is cut, and again: an escaped character may be all that hid one.
        return html.escape(self.redact(shown(self.redact(text), limit)))

    def name(self, text: str, limit: int = _NAME_CHARS) -> str:
        """Return what others wrote, kept from turning the direction of the text around it."""
        return f"<bdi>{self.text(text, limit)}</bdi>"

    def path(self, path: str) -> str:
        """Return a file's name, its middle cut out where it is long.

        Names are told apart by their ends as often as by their beginnings.
        """
        whole = self.redact(shown(self.redact(path), _PATH_CHARS))
        if len(whole) > _SHOWN_PATH_CHARS:
            half = _SHOWN_PATH_CHARS // 2
            whole = f"{whole[:half]}\N{HORIZONTAL ELLIPSIS}{whole[-half:]}"
        return f"<bdi>{html.escape(whole)}</bdi>"

    def uri(self, data: bytes, mime_type: str) -> str | None:
        """Return a data URI, or None where there is no room for it."""
        encoded = base64.b64encode(data).decode("ascii")
        if len(encoded) > self.left_bytes:
            return None
        self.left_bytes -= len(encoded)
        return f"data:{mime_type};base64,{encoded}"

    def tiles(self, examples: Sequence[Example], *, is_large: bool) -> str:
        """Return pictures with their words as a list."""
        items = "".join(self._tile(example, is_large=is_large) for example in examples)
        return f'<ul class="tiles">{items}</ul>'

    def _tile(self, example: Example, *, is_large: bool) -> str:
        kind = ' class="keep"' if example.mark == "keep" else ""
        mark = f'<span class="mark">{self.text(example.mark, 40)}</span>' if example.mark else ""
        words = f"<small>{self.name(example.words, _WORDS_CHARS)}</small>" if example.words else ""
        return (
            f'<li{kind}><figure><div class="frame">{mark}{self._picture(example, is_large)}</div>'
            f"<figcaption>{self.path(example.path)}{words}</figcaption></figure></li>"
        )

    def _picture(self, example: Example, is_large: bool) -> str:  # noqa: FBT001 - private
        if not example.is_readable:
            return "<span>in another folder, not opened</span>"
        thumb = self.thumbs.get(example.path)
        if thumb is not None and not thumb.data:
            return f"<span>{self.text(thumb.why, 80)}</span>"
        uri = None
        if thumb is not None:
            uri = self.uri(thumb.data if is_large else _smaller(thumb), "image/jpeg")
        if thumb is None or uri is None:
            return "<span>left out: the page is full</span>"
        size = f'width="{thumb.width}" height="{thumb.height}"'
        return f'<img src="{uri}" alt="Picture {self.text(example.path, _NAME_CHARS)}" {size}>'


def _smaller(thumb: Thumb) -> bytes:
    from PIL import Image

    if max(thumb.width, thumb.height) <= _SMALL:
        return thumb.data
    with Image.open(io.BytesIO(thumb.data)) as picture:
        picture.thumbnail((_SMALL, _SMALL), Image.Resampling.LANCZOS)
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()
