"""How many tokens a text encoder sees, without its vocabulary (datasets.md A8).

CLIP splits text into pieces (contractions, runs of letters, single digits, other runs) and each
piece into tokens. A piece is at least one token, so the pieces are a lower bound; its vocabulary
holds every byte, so the bytes are an upper one. Between them lies an estimate, the pieces times
1.2, which is meant for text in Latin letters only.

Measured in A8 against CLIP's own vocabulary on 4,562 texts within the limit and 1,561 over it
(planted captions, English prose, random tag lists; no real captions): `over` was wrong 0 times
and found 1,204; of the texts over the limit 13 were called `fits` (0.8 %); of those within it
215 were called `near` (4.7 %). Measured again here, on 6,000 texts joined from the labelled
captions of the tests, most of them close to the limit: of 2,596 over it 2,370 were `over`, 225
`near` and 1 `fits`; of 3,404 within it none was `over` and 712 were `near`. Both bounds held on
20,000 texts of random characters of many scripts.

T5 and language models have vocabularies of their own. For them a word between blanks counts as
one token at least, which is a lower bound as far as known: unverified.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final, Literal

from attrs import frozen

CLIP_LIMIT: Final = 77
"""Tokens that CLIP's text encoders take, with start and end (PRACTICE D14)."""
LONGEST_LIMIT: Final = 512
"""Ours: where the limit of a T5 or language model is not known, the longest that is usual."""
_ENDS: Final = 2
_FACTOR: Final = 1.2

Encoder = Literal["clip", "t5", "llm"]
Fit = Literal["over", "near", "fits", "unknown"]
"""`over`: proved; `fits`: likely (99 % of A8's texts); `near`: between the two; `unknown`: there
is no estimate for this script or encoder."""

# In the order of CLIP's own pattern. Numerals that are no decimal digit join the letters, which
# can only lower the count.
_PIECES: Final = re.compile(r"'(?:s|t|re|ve|m|ll|d)|[^\W\d_]+|\d|(?:[^\w\s]|_)+")
_REMOVED: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffd\u200b]")
_QUOTES: Final = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_LAST_LATIN: Final = 0x024F


@frozen(kw_only=True)
class TokenBounds:
    """Of CLIP's tokens of a text, start and end included."""

    lower: int
    """Proved."""
    likely: int | None
    """Estimate that is rarely exceeded; None for text that is not in Latin letters."""
    upper: int
    """Proved."""


def clip_bounds(text: str) -> TokenBounds:
    """Return between which numbers CLIP's token count lies.

    Tokenizers clean text before they split it, some more than others. What any of them may
    remove or join is removed here, so that the lower bound stays one.
    """
    cleaned = html.unescape(html.unescape(_REMOVED.sub("", text)))
    cleaned = unicodedata.normalize("NFC", cleaned.translate(_QUOTES).lower())
    pieces: list[str] = _PIECES.findall(cleaned)
    foreign = [piece for piece in pieces if not _is_latin(piece)]
    whole = unicodedata.normalize("NFC", text.lower())
    return TokenBounds(
        lower=len(pieces) + _ENDS,
        likely=None if foreign else round(len(pieces) * _FACTOR) + _ENDS,
        upper=len("".join(whole.split()).encode("utf-8", "replace")) + _ENDS,
    )


def word_bound(text: str) -> int:
    """Return the words between blanks, the fewest tokens of any encoder: unverified for some."""
    return len(_REMOVED.sub("", text).split())


def fit(text: str, encoder: Encoder, limit: int | None = None) -> Fit:
    """Tell whether a text encoder takes the whole text.

    Args:
        text: As it is trained.
        encoder: Of the model.
        limit: Tokens; None for the usual ones, 77 of CLIP and the longest of the others, 512.
    """
    if encoder != "clip":
        return "over" if word_bound(text) > (limit or LONGEST_LIMIT) else "unknown"
    most = limit or CLIP_LIMIT
    bounds = clip_bounds(text)
    if bounds.lower > most:
        return "over"
    if bounds.upper <= most:
        return "fits"
    if bounds.likely is None:
        return "unknown"
    return "fits" if bounds.likely <= most else "near"


def _is_latin(piece: str) -> bool:
    return piece.isascii() or all(
        ord(letter) <= _LAST_LATIN or not letter.isalpha() for letter in piece
    )
