"""The checks of captions: bounds with sources and measured errors, the one place that has them.

Severity. `critical`: the run stops. `warning`: what is trained is not what was meant, and
`MATERIAL_SHARE` of the pictures or more are affected; below it, and wherever the caption may be
meant so, `info`.

| code | severity |
|---|---|
| CAPTION_NOT_UTF8 | critical |
| CAPTION_MISSING, CAPTION_EMPTY | warning where both together reach the share and the prompt is then empty; info with a trigger word or default caption, below the share, and where no picture has a caption and the job is not known |
| CAPTION_WRONG_CASE, CAPTION_REFUSAL, TRIGGER_HIDDEN, TRIGGER_PLACEHOLDER_UNSET, CAPTION_FILE_LARGE | warning from one on: never meant |
| CAPTION_STEM_SHARED | warning; info where all that share one are duplicates |
| CAPTION_MOJIBAKE, TRIGGER_DOUBLED, CAPTION_TOO_LONG with a known encoder | warning from the share on, else info |
| CAPTION_CONTROL_CHARS | the same; warning from one on where it is UTF-16 |
| all others | info |
"""  # noqa: E501 - a row of a table is one line

from __future__ import annotations

from typing import Final

from aitk_core.statistics.description import FalseAlarmRate, MethodInfo, Parameter
from aitk_datasets.measured import rate_of

MATERIAL_SHARE: Final = 0.10
"""Of the pictures. A caption coverage under 90 % is what the contract's alert names (SCORING.md
section 6); 5 % of the steps without a prompt is what the user interface's default
`caption_dropout_rate` does on purpose (API.md 14.2). Validation, alerts and reports are to take it
from here."""
LEAST_CAPTIONS: Final = 10
"""Ours: for statements on what most captions do; PRACTICE D01 calls fewer pictures few."""
PHRASE_SHARE: Final = 0.5
"""Ours: of the captions that hold one phrase or tag, from which on it may act like a trigger."""
MIXED_SHARE: Final = 0.2
"""Ours: of the captions in the rarer style. The classifier errs in up to 18 % (the upper end of
its interval), and a set of one style must not be called mixed."""
LEAST_WORDS: Final = 4.0
"""In the mean per caption: SCORING.md 1.4."""
LEAST_DIVERSITY: Final = 0.2
"""SCORING.md 1.4. It is taken of windows here, since the ratio of a whole set falls with its size:
any set of some hundred good captions would be called poor."""


def _method(
    what: str, name: str, rate: FalseAlarmRate | None = None, **bounds: float
) -> MethodInfo:
    measured = rate_of(f"{name}_v1", unit="per caption", what="captions without such a fault")
    return MethodInfo(
        id=name,
        version=1,
        what=what,
        minimum_n=1,
        minimum_unit="values",
        parameters={
            key: Parameter(value=value, source="ours: aitk_datasets.captions.methods says why")
            for key, value in bounds.items()
        },
        false_alarm_rate=rate or measured,
    )


FILES: Final = _method(
    "Which caption does the trainer find beside each picture, and can it read it?",
    "caption_files",
    material_share=MATERIAL_SHARE,
)
TRIGGER: Final = _method(
    "How do captions meet the trigger word, by the trainer's own rules?",
    "caption_trigger",
    material_share=MATERIAL_SHARE,
)
TOKENS: Final = _method(
    "Does the text encoder take the whole caption?",
    "caption_tokens",
    FalseAlarmRate(
        rate=0.0,
        unit="per caption called too long",
        source="datasets.md A8: 0 of 4,562 texts, since it is a lower bound; below 0.07 %",
    ),
    material_share=MATERIAL_SHARE,
)
STYLE: Final = _method(
    "Are captions tags or sentences, and are they of one kind?",
    "caption_style",
    FalseAlarmRate(
        rate=3 / 45,
        unit="per caption called wrongly",
        source="ours: 45 captions kept back when the rule was chosen (2 to 18 %)",
    ),
    mixed_share=MIXED_SHARE,
    least_captions=LEAST_CAPTIONS,
)
CONTENT: Final = _method(
    "Which captions say the same, and which phrase or tag do most of them hold?",
    "caption_content",
    phrase_share=PHRASE_SHARE,
    least_captions=LEAST_CAPTIONS,
)
REFUSAL: Final = _method(
    "Did a captioner refuse, or speak of the image as an image?",
    "caption_refusal",
    FalseAlarmRate(
        rate=0.0,
        unit="per caption",
        source="ours: 0 of the 85 labelled captions and of 12 look-alikes; below 3.1 %",
    ),
)
METHODS: Final = {method.id: method for method in (FILES, TRIGGER, TOKENS, STYLE, CONTENT, REFUSAL)}
