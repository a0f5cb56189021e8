"""What captions say: twice the same, phrases that stand in most, refusals of a captioner."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_datasets.captions.style import style_of, tags_of
from aitk_datasets.captions.trained import without_trigger
from aitk_datasets.captions.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PHRASE_WORDS: Final = 3
"""Fewest words of a phrase: pairs such as `in the` stand in most captions of any set."""
_MOST_WORDS: Final = 400
"""Words of one caption that are searched for phrases; more than any encoder takes of most."""
_MOST_CAPTIONS: Final = 5000
"""Captions that are searched for phrases, evenly spread; bounds the memory."""

# Where someone is quoted, the words are the picture's.
_QUOTED: Final = re.compile(
    r"\"[^\"]{0,300}\"|\u201c[^\u201d]{0,300}\u201d|\u00ab[^\u00bb]{0,300}\u00bb"
)
_REFUSAL: Final = re.compile(
    r"\bas an ai\b|\bi(?:'m| am) (?:sorry|unable|not able|an ai)\b"
    r"|\b(?:i|we) (?:can't|cannot|can not|won't|am not able to|could not|couldn't) "
    r"(?:\w+ly )?(?:assist|help|describe|identify|provide|process|view|see|generate|create|comply"
    r"|fulfill?|caption|analy[sz]e|discuss|continue|determine|access|open|read|recogni[sz]e)\b"
    r"|\bunable to (?:assist|process|comply|identify|describe|caption)\b"
    r"|\bno image (?:was |has been )?(?:provided|uploaded|attached)\b"
)
_BOILERPLATE: Final = re.compile(
    r"^\W*(?:sure|certainly|of course|here(?:'s| is))\b.{0,60}?\b(?:caption|description)\b"
    r"|\b(?:the|this) (?:image|picture|photo|photograph|illustration) "
    r"(?:shows|depicts|features|captures|displays|portrays|presents|is of|appears to)\b"
    r"|\bin (?:the|this) (?:image|picture|photo), "
)


@frozen(kw_only=True)
class Phrase:
    """What stands in many captions."""

    text: str
    captions: int
    """That hold it."""
    searched: int
    """Captions that were looked at."""
    is_tag: bool


def is_refusal(text: str) -> bool:
    """Tell whether a captioner refused; what stands in quotes does not count."""
    return _REFUSAL.search(_QUOTED.sub(" ", _plain(text))) is not None


def is_boilerplate(text: str) -> bool:
    """Tell whether a captioner speaks of the image as an image, or of its answer."""
    return _BOILERPLATE.search(_QUOTED.sub(" ", _plain(text))) is not None


def has_repeated_tags(text: str) -> bool:
    """Tell whether a tag list holds a tag twice; False of other captions."""
    tags = [tag.lower() for tag in tags_of(text) if tag]
    return len(set(tags)) < len(tags) and style_of(text) == "tags"


def has_empty_tags(text: str) -> bool:
    """Tell whether there is nothing between two commas; a last comma does not count.

    Of any caption that says something: the trainer keeps the commas, whatever they stand between.
    """
    parts = [part.strip() for part in text.strip().rstrip(",").split(",")]
    return any(parts) and not all(parts)


def same_captions(texts: Mapping[str, str], trigger: str | None) -> list[tuple[str, ...]]:
    """Return groups of captions that say the same, the largest first.

    Free text is the same after lower case, with blanks joined and the trigger word removed; tag
    lists where they have the same tags in any order (datasets.md A8). Captions of the
    trigger word alone are the same.

    Args:
        texts: By the path of the caption.
        trigger: None where there is none.
    """
    groups: dict[str | frozenset[str], list[str]] = {}
    for path, text in texts.items():
        bare = without_trigger(text, trigger).lower()
        is_tags = len(tags_of(bare)) > 1 and style_of(bare) == "tags"
        key = frozenset(filter(None, tags_of(bare))) if is_tags else bare
        groups.setdefault(key, []).append(path)
    same = [tuple(group) for group in groups.values() if len(group) > 1]
    return sorted(same, key=lambda group: (-len(group), group))


def most_common_phrase(texts: Sequence[str], trigger: str | None) -> Phrase | None:
    """Return the tag, or phrase of three words and more, that stands in the most captions.

    The trigger word is not part of it. Among phrases of one count it is the longest.

    Args:
        texts: Of different captions.
        trigger: None where there is none.
    """
    step = -(-len(texts) // _MOST_CAPTIONS) or 1
    searched = [_split(without_trigger(text, trigger).lower()) for text in texts[::step]]
    tags, phrases = Counter[str](), Counter[tuple[str, ...]]()
    for own_tags, runs in searched:
        tags.update(own_tags)
        phrases.update(_grams(runs))
    best = max(tags.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    common = max(phrases.values(), default=0)
    if max(best[1], common) < 2:  # noqa: PLR2004 - what stands in one caption is not common
        return None
    if best[1] >= common:
        return Phrase(text=best[0], captions=best[1], searched=len(searched), is_tag=True)
    start = min(phrase for phrase, many in phrases.items() if many == common)
    longest = _grown(start, [runs[0] for _, runs in searched if runs])
    return Phrase(text=longest, captions=common, searched=len(searched), is_tag=False)


def holds(text: str, phrase: Phrase, trigger: str | None) -> bool:
    """Tell whether a caption holds a phrase as `most_common_phrase` counts it."""
    own_tags, runs = _split(without_trigger(text, trigger).lower())
    if phrase.is_tag:
        return phrase.text in own_tags
    return any(f" {phrase.text} " in f" {' '.join(run)} " for run in runs)


def _split(text: str) -> tuple[set[str], list[list[str]]]:
    """Return the tags of a tag list, or the words of other text."""
    if style_of(text) == "tags":
        # A phrase within one tag is that tag; across tags it is chance.
        return {part for part in tags_of(text) if part}, []
    return set(), [words(text)[:_MOST_WORDS]]


def _grams(runs: Iterable[Sequence[str]]) -> set[tuple[str, ...]]:
    return {
        tuple(run[at : at + PHRASE_WORDS])
        for run in runs
        for at in range(len(run) - PHRASE_WORDS + 1)
    }


def _grown(start: tuple[str, ...], runs: Iterable[Sequence[str]]) -> str:
    """Return a phrase with the words around it that stand in every caption that holds it."""
    phrase = f" {' '.join(start)} "
    holders = [joined for run in runs if phrase in (joined := f" {' '.join(run)} ")]
    first = holders[0]
    left = first.index(phrase)
    right = left + len(phrase)
    while right < len(first):
        further = first.index(" ", right) + 1
        if not all(first[left:further] in other for other in holders):
            break
        right = further
    while left > 0:
        further = first.rindex(" ", 0, left)
        if not all(first[further:right] in other for other in holders):
            break
        left = further
    return first[left:right].strip()


def _plain(text: str) -> str:
    return text.lower().replace("\u2019", "'")
