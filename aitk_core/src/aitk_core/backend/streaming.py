"""Reads the answer of the log route in bounded memory, however long it is.

The body is one JSON object with the log in it as one string. Only the newest part of that
string is kept, decoded; the rest of the object, which is small, goes to the JSON reader.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import deque
from typing import Any, Final

import attrs

from aitk_core.backend.wire import clean_text, decode_json

PIECE_BYTES: Final = 64 * 1024
"""Decoded at once, so that memory and the event loop's pauses do not follow the chunks."""

_FRAME_LIMIT: Final = 64 * 1024
"""Characters of the object around the log; recorded ones have about 30. Our own."""

# As much of a JSON string's inside as is complete: no quote, no cut escape. Possessive, so
# that a long string costs no memory for backtracking.
_INSIDE: Final = re.compile(r'[^"\\]*+(?:\\(?:[^u]|u[0-9a-fA-F]{4})[^"\\]*+)*+')
_CUT_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
# The rest of a character that was cut (RFC 3629 section 3).
_CONTINUATION: Final = re.compile(rb"\A[\x80-\xbf]+")
_LINE_END: Final = re.compile(rb"\r\n?|\n")


@attrs.frozen(kw_only=True)
class StreamedLog:
    """What came of the body."""

    text: str
    """The newest part of the log, clean."""
    kept_bytes: int
    """Of the text as UTF-8."""
    truncated: bool
    frame: dict[str, Any]
    """The other members of the object."""


class LogReader:
    """Takes a body in pieces; `finish` returns the newest part of its `log`."""

    def __init__(self, max_bytes: int) -> None:
        """Start before the first byte.

        Args:
            max_bytes: Of UTF-8 text kept, at least 1.
        """
        if max_bytes < 1:
            fault = f"max_bytes must be at least 1, not {max_bytes!r}"
            raise ValueError(fault)
        self._max_bytes = max_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._frame: list[str] = []
        self._frame_length = 0
        self._depth = 0
        self._inside: bool = False
        self._is_log = False
        self._token: list[str] = []
        self._previous = ""
        self._surrogate = ""
        self._pieces: deque[bytearray] = deque()
        self._kept = 0
        self._total = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere.

        Raises:
            ValueError: It is no JSON object with a log in it.
        """
        for start in range(0, len(data), PIECE_BYTES):
            self._take(self._utf8.decode(data[start : start + PIECE_BYTES]))

    def finish(self) -> StreamedLog:
        """Return what was read.

        Raises:
            ValueError: The body is cut off, or is no JSON object with a log in it.
        """
        self._take(self._utf8.decode(b"", final=True))
        if self._inside or self._held:
            fault = "the body ends inside a text"
            raise ValueError(fault)
        frame = decode_json("".join(self._frame))
        if not isinstance(frame, dict) or not isinstance(frame.pop("log", None), str):
            fault = "log is not a text"
            raise ValueError(fault)  # noqa: TRY004 - a fault of the answer, not of a caller
        self._store(clean_text(self._surrogate))
        kept = b"".join(self._pieces)
        self._pieces.clear()
        truncated = self._total > self._max_bytes
        if truncated:
            kept = _newest_lines(kept, self._max_bytes)
        return StreamedLog(
            text=kept.decode(), kept_bytes=len(kept), truncated=truncated, frame=frame
        )

    def _take(self, text: str) -> None:
        text = self._held + text
        self._held = ""
        at = 0
        while at < len(text):
            at = self._in_string(text, at) if self._inside else self._between(text, at)

    def _between(self, text: str, at: int) -> int:
        """Take what stands outside strings up to the next quote; return where to go on."""
        quote = text.find('"', at)
        gap = text[at:] if quote < 0 else text[at:quote]
        self._keep_frame(gap)
        self._depth += gap.count("{") + gap.count("[") - gap.count("}") - gap.count("]")
        self._previous += gap.strip()
        if quote < 0:
            return len(text)
        self._keep_frame('"')
        self._inside = True
        self._is_log = self._depth == 1 and self._previous.endswith(":") and self._names_log()
        if self._is_log:  # the last of equal names wins, as in every JSON reader
            self._pieces.clear()
            self._kept = self._total = 0
            self._surrogate = ""
        self._token = []
        return quote + 1

    def _names_log(self) -> bool:
        name = "".join(self._token)
        return len(name) <= len(r"\u006c") * 3 and decode_json(f'"{name}"') == "log"

    def _in_string(self, text: str, at: int) -> int:
        """Take the inside of a string as far as it goes; return where to go on."""
        found = _INSIDE.match(text, at)
        end = found.end() if found else at
        if self._is_log:
            self._keep_log(text[at:end])
        else:
            self._token.append(text[at:end])
            self._keep_frame(text[at:end])
        if end == len(text):
            return end
        if text[end] == '"':
            self._keep_frame('"')
            self._inside = False
            self._previous = ""
            return end + 1
        if _CUT_ESCAPE.fullmatch(text, end) is None:
            fault = "an escape that JSON does not have"
            raise ValueError(fault)
        self._held = text[end:]
        return len(text)

    def _keep_frame(self, text: str) -> None:
        self._frame_length += len(text)
        if self._frame_length > _FRAME_LIMIT:
            fault = "too much beside the log"
            raise ValueError(fault)
        self._frame.append(text)

    def _keep_log(self, escaped: str) -> None:
        try:
            text: str = self._surrogate + json.loads(f'"{escaped}"')
        except ValueError:
            fault = "the log is not a JSON text"
            raise ValueError(fault) from None
        # The low half of a pair may be in the next piece.
        self._surrogate = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        self._store(clean_text(text[:-1] if self._surrogate else text))

    def _store(self, text: str) -> None:
        piece = text.encode()
        if self._pieces and len(self._pieces[-1]) + len(piece) <= PIECE_BYTES:
            self._pieces[-1] += piece  # small chunks must not cost an object each
        else:
            self._pieces.append(bytearray(piece))
        self._kept += len(piece)
        self._total += len(piece)
        # One byte more than asked for stays, to see whether the cut is at a line's end.
        while self._kept - len(self._pieces[0]) > self._max_bytes:
            self._kept -= len(self._pieces.popleft())


def _newest_lines(data: bytes, max_bytes: int) -> bytes:
    """Return at most that many bytes of the end, from the beginning of a line.

    Where the last line alone is longer, its end is returned, from a whole character.
    """
    cut = len(data) - max_bytes
    line_end = _LINE_END.search(data, cut - 1)
    # A "\r\n" that begins before the cut is found by its second half.
    if line_end is not None and line_end.end() < len(data):
        return data[line_end.end() :]
    if data[cut - 1 : cut + 1] == b"\r\n":
        cut += 1  # half a line's end is none
    return _CONTINUATION.sub(b"", data[cut:], count=1)
