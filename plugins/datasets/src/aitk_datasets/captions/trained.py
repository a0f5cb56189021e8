"""What the trainer makes of a caption, and how it meets the trigger word.

As in the trainer's `toolkit/dataloader_mixins.py` (`load_caption`, `get_caption`) and
`toolkit/prompt_utils.py` (`inject_trigger_into_prompt`): placeholders become the trigger word;
where that does not occur, it is put in front. The test for it looks for the exact letters
anywhere, in the middle of a word too.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from attrs import frozen

from aitk_datasets.captions.words import UNSPACED

if TYPE_CHECKING:
    from aitk_core.evidence.dataset import DatasetUse

PLACEHOLDERS: Final = ("[trigger]", "[name]")

TriggerState = Literal["present", "inside", "other_case", "absent"]
"""`present`: as a word of its own, or by a placeholder; `inside`: within another word only, which
the trainer takes for present; `other_case`: with other capitals, `absent`: not at all, in both of
which the trainer puts it in front."""

# Of scripts without blanks any character may be a neighbour.
_NEIGHBOUR: Final = f"[^\\W{UNSPACED}]"


@frozen(kw_only=True)
class TriggerUse:
    """How one caption uses the trigger word."""

    state: TriggerState
    is_doubled: bool
    """Whether it stands twice in a row, placeholders counted."""


def trigger_of(use: DatasetUse | None) -> str | None:
    """Return the trigger word that is put in, None where there is none or it is blank."""
    if use is None or use.trigger_word is None or not use.trigger_word.strip():
        return None
    return use.trigger_word


def trained_text(text: str | None, use: DatasetUse | None) -> str:
    """Return the prompt that the trainer makes of a caption, before any dropout.

    Args:
        text: The caption's text, None where there is no file.
        use: How the job reads the folder; None for the trainer's defaults, without a trigger.
    """
    raw = text or ""
    if not raw.strip() and use is not None and use.default_caption is not None:
        raw = use.default_caption
    prompt = ", ".join(raw.split(","))
    trigger = trigger_of(use)
    prompt = _filled(prompt, trigger or "")
    if trigger and use is not None and not use.is_regularisation and trigger not in prompt:
        prompt = f"{trigger} {prompt}"
    return prompt


def has_placeholder(text: str) -> bool:
    """Tell whether a caption holds a placeholder of the trigger word."""
    return any(placeholder in text for placeholder in PLACEHOLDERS)


def trigger_use(text: str, trigger: str) -> TriggerUse:
    """Return how a caption uses the trigger word; case counts as the trainer counts it.

    Args:
        text: Of the caption.
        trigger: Not blank.
    """
    filled = _filled(text, trigger)
    state: TriggerState = "absent"
    found = [match.group() for match in _whole(trigger).finditer(filled)]
    if trigger.strip() in found:
        state = "present"
    elif trigger in filled:
        state = "inside"
    elif found:
        state = "other_case"
    return TriggerUse(state=state, is_doubled=_in_a_row(trigger).search(filled) is not None)


def without_trigger(text: str, trigger: str | None) -> str:
    """Return a caption without its placeholders and the trigger word, blanks joined."""
    bare = _filled(text, " ")
    if trigger is not None:
        bare = _whole(trigger).sub(" ", bare)
    return " ".join(bare.split()).strip(" ,")


def _filled(text: str, trigger: str) -> str:
    for placeholder in PLACEHOLDERS:
        text = text.replace(placeholder, trigger)
    return text


def _word(trigger: str) -> str:
    return f"(?<!{_NEIGHBOUR}){re.escape(trigger)}(?!{_NEIGHBOUR})"


@lru_cache(maxsize=32)
def _whole(trigger: str) -> re.Pattern[str]:
    return re.compile(_word(trigger.strip()), re.IGNORECASE)


@lru_cache(maxsize=32)
def _in_a_row(trigger: str) -> re.Pattern[str]:
    word = _word(trigger.strip())
    return re.compile(f"{word}[\\s,]+{word}", re.IGNORECASE)
