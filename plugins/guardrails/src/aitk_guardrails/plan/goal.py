"""What a goal in free text is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aitk_core.configkeys.model_names import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_guardrails.plan.records import GoalProfile

_WORD: Final = re.compile(r"[^\W_]+")
_KEYWORDS: Final[Mapping[GoalProfile, frozenset[str]]] = {
    "style": frozenset({"style", "aesthetic", "look", "painting"}),
    "character": frozenset({"character", "person", "face", "portrait", "avatar"}),
    "object": frozenset({"object", "product", "item", "logo"}),
}
"""SCORING.md section 10; the first that has a word wins."""
_FLUX: Final = frozenset({"flux", "flex"})


def goal_profile(goal: str) -> GoalProfile:
    """Return what a goal is about, by whole words and their plurals; `general` without any."""
    words = {form for word in _WORD.findall(goal.casefold()) for form in (word, _singular(word))}
    return next((name for name, keys in _KEYWORDS.items() if keys & words), "general")


def names_flux(text: str) -> bool:
    """Return whether a model's name or a goal has the word flux or flex."""
    return bool(_FLUX & set(words_of(text)))


def _singular(word: str) -> str:
    return word.removesuffix("s")
