"""Numbers on captions for reports: the contract's caption fields, and what they leave out."""

from __future__ import annotations

from collections import Counter
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, Final

from aitk_core.wording import shown
from aitk_datasets.captions.methods import LEAST_DIVERSITY, LEAST_WORDS
from aitk_datasets.captions.words import (
    ascii_ratio,
    diversity,
    terms,
    top,
    windowed_diversity,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_datasets.captions.survey import Survey

_DATASET_TERMS: Final = 20
_NLP_TERMS: Final = 25
_EXAMPLES: Final = 10
_EXAMPLE_CHARS: Final = 200
_TERM_CHARS: Final = 60


def facts_of(survey: Survey) -> dict[str, Any]:
    """Return the caption fields of `dataset_analysis` and `nlp_analysis` (TOOLS.md), and more.

    Of the pictures that train and whose caption could be read. What cannot be told of no caption
    is None. Captions that this server made from file names are counted, but not as coverage
    (PITFALLS 102). Texts of captions are cleaned and cut.
    """
    whole = len(survey.pictures)
    captions = survey.evidence.captions
    made = sum(captions[path].is_generated for path in survey.of_captions(survey.texts))
    filled = whole - len(survey.without) - len(survey.empty)
    texts = list(survey.texts.values())
    found = [term for text in texts for term in terms(text)]
    lengths = [len(words(text)) for text in texts]
    own = len(texts) - sum(len(group) - 1 for group in survey.same)
    windowed = windowed_diversity(found)
    return {
        "caption_non_empty_count": filled,
        "caption_missing_count": len(survey.without),
        "caption_empty_count": len(survey.empty),
        "caption_generated_count": made,
        "caption_not_read_count": len(survey.unread),
        "caption_coverage_pct": round(100 * (filled - made) / whole, 2) if whole else None,
        "unique_caption_ratio": round(own / len(texts), 4) if texts else None,
        "caption_words": _summary(lengths),
        "caption_chars": _summary([len(text) for text in texts]),
        "top_caption_terms": _shown(top(found, _DATASET_TERMS)),
        "caption_examples": [shown(text, _EXAMPLE_CHARS) for text in texts[:_EXAMPLES]],
        "caption_top_terms": _shown(top(found, _NLP_TERMS)),
        "caption_token_count": len(found) if texts else None,
        "caption_vocabulary_size": len(set(found)) if texts else None,
        "caption_token_diversity": _rounded(diversity(found)),
        "caption_token_diversity_windowed": _rounded(windowed),
        "caption_ascii_ratio": _rounded(ascii_ratio(texts)),
        "caption_styles": dict(sorted(Counter(survey.styles.values()).items())),
        "style_flags": _flags(windowed, lengths, own) if texts else None,
    }


def _flags(windowed: float | None, lengths: Sequence[int], distinct: int) -> list[str]:
    """Return the contract's flags; none where all captions say the same, which is a way to train.

    Low diversity is judged on windows, so that it does not come with the size of the set.
    """
    flags: list[str] = []
    if distinct == 1 and len(lengths) > 1:
        return flags
    if windowed is not None and windowed < LEAST_DIVERSITY:
        flags.append("caption_vocabulary_low_diversity")
    if fmean(lengths) < LEAST_WORDS:
        flags.append("captions_too_short")
    return flags


def _summary(values: Sequence[int]) -> dict[str, int | float | None]:
    if not values:
        return {"count": 0, "min": None, "max": None, "mean": None, "median": None, "last": None}
    return {
        "count": len(values),
        "min": min(values),
        "max": max(values),
        "mean": round(fmean(values), 6),
        "median": round(median(values), 6),
        "last": values[-1],
    }


def _shown(found: list[dict[str, str | int]]) -> list[dict[str, str | int]]:
    return [{**each, "term": shown(str(each["term"]), _TERM_CHARS)} for each in found]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
