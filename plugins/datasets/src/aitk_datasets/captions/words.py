"""Words of captions in any script, and how varied they are.

Scripts without blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are read as
overlapping pairs of characters: no dictionary, equal text gives equal words, and a term of two
characters is found wherever it stands.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WINDOW: Final = 100
"""Terms of a window whose variety is measured. Ours; Covington and McFall, Journal of
Quantitative Linguistics 17 (2010) 94, call it the moving-average type-token ratio."""

UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Ranges of scripts without blanks, for a character class of a pattern."""

_ASCII_WORDS: Final = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
_UNSPACED_LETTER: Final = re.compile(f"[{UNSPACED}]")
_WIDTHS: Final = re.compile("[\uff01-\uffef]+")
"""Full-width and half-width forms, which are the same words."""
_INSIDE: Final = "'\u2019-\u200c\u200d"
"""Between two letters these join them."""
_FUNCTION_WORDS: Final = frozenset(
    """
    a about above after all also an and any are as at be been before behind being below beneath
    beside between both but by can could did do does down during each for from had has have he her
    hers him his how i if in inside into is it its itself just like may me more most my near next
    no nor not of off on one or other our out over own own she should so some such than that the
    their them then there these they this those through to too toward towards under until up upon
    very was we were what when where which while who whom whose will with within without would you
    your
    au aux avec ce ces cette dans des du elle en est et il la le les leur ou par pas pour qui que
    sa se ses sont sur un une
    als am an auf aus bei das dem der des die ein eine einem einen einer es für im ist mit
    nach oder sich sie sind über um und unter vom von vor wie zu zum zur
    al con de del dos e el ella em es esta este la las lo los na no o os para por que se sin su
    sus um uma un una y
    alla che da dal della delle di gli i il nel nella per sono sul sulla uno
    """.split()  # noqa: SIM905 - a list of 200 strings is harder to read
)
"""Words of English, French, German, Spanish, Portuguese and Italian that carry little meaning."""


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case and in order; none of an empty text."""
    if text.isascii():
        return _ASCII_WORDS.findall(text.lower())
    found: list[str] = []
    composed = unicodedata.normalize("NFC", text)
    narrow = _WIDTHS.sub(lambda wide: unicodedata.normalize("NFKC", wide.group()), composed)
    for kind, group in groupby(narrow.lower(), _kind):
        run = "".join(group)
        if kind == "spaced":
            found += filter(None, (word.strip(_INSIDE) for word in run.split()))
        elif kind == "unspaced":
            found += _pairs(run)
    return found


def terms(text: str) -> list[str]:
    """Return the words that carry meaning: no function words, numbers or single Latin letters."""
    return [
        word
        for word in words(text)
        if word not in _FUNCTION_WORDS
        and not word.isdecimal()
        and (len(word) > 1 or _UNSPACED_LETTER.match(word))
    ]


def length_in_words(text: str) -> float:
    """Return how long a text is in words; two characters without blanks count as one."""
    return sum(0.5 if _UNSPACED_LETTER.match(word) else 1.0 for word in words(text))


def function_share(text: str) -> float | None:
    """Return the share of function words among the words of a text, None where it has none."""
    found = words(text)
    return sum(word in _FUNCTION_WORDS for word in found) / len(found) if found else None


def top(found: Iterable[str], limit: int) -> list[dict[str, str | int]]:
    """Return the most frequent terms with their counts; ties in the order of the alphabet."""
    counted = sorted(Counter(found).items(), key=lambda item: (-item[1], item[0]))
    return [{"term": term, "count": count} for term, count in counted[:limit]]


def diversity(found: Sequence[str]) -> float | None:
    """Return the share of distinct ones, 0 to 1, None for none.

    It falls with the length of the text, so it tells nothing between datasets of unlike size.
    """
    return len(set(found)) / len(found) if found else None


def windowed_diversity(found: Sequence[str], window: int = WINDOW) -> float | None:
    """Return the mean share of distinct ones over windows, which does not fall with length.

    A sequence shorter than the window is one window; None for none.
    """
    if len(found) <= window:
        return diversity(found)
    inside = Counter(found[:window])
    total = len(inside)
    for leaving, coming in zip(found, found[window:], strict=False):
        inside[leaving] -= 1
        if not inside[leaving]:
            del inside[leaving]
        inside[coming] += 1
        total += len(inside)
    return total / (len(found) - window + 1) / window


def ascii_ratio(texts: Iterable[str]) -> float | None:
    """Return the share of ASCII characters, None where there are no characters."""
    whole = plain = 0
    for text in texts:
        whole += len(text)
        plain += len(text) if text.isascii() else sum(letter < "\x80" for letter in text)
    return plain / whole if whole else None


def _pairs(run: str) -> list[str]:
    letters: list[str] = []
    for letter in run:
        # Vowel signs and tone marks belong to the letter before them.
        if letters and unicodedata.category(letter)[0] == "M":
            letters[-1] += letter
        else:
            letters.append(letter)
    if len(letters) == 1:
        return letters
    return [first + second for first, second in pairwise(letters)]


@lru_cache(maxsize=8192)
def _kind(letter: str) -> str:
    if _UNSPACED_LETTER.match(letter):
        return "unspaced" if unicodedata.category(letter)[0] in "LMN" else "other"
    is_word = unicodedata.category(letter)[0] in "LMN" or letter in _INSIDE
    return "spaced" if is_word else "other"
