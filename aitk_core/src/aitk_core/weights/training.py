"""What a trainer wrote into the header of its weights, read tolerantly: untrusted text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST: Final = 200
_TAGS: Final = 20
_DOCUMENT: Final = 5_000_000
"""Characters of a value that is parsed; kohya's tag counts of large datasets have some 100 kB."""


@frozen(kw_only=True)
class TrainingFacts:
    """None where the header does not say."""

    step: int | None = None
    epoch: int | None = None
    trained_as: str | None = None
    """Name that the trainer gave it."""
    base_model: str | None = None
    trigger_words: tuple[str, ...] = ()
    """Named as such, not guessed from captions."""
    frequent_tags: tuple[str, ...] = ()
    """Of the captions, the most frequent first, where the trainer counted them."""
    software: str | None = None


def training_facts(metadata: Mapping[str, Any]) -> TrainingFacts:
    """Return what the metadata of a header says of the training.

    Keys: `training_info`, `software` of the AI Toolkit (backend/API.md section 12.4); `ss_*` of
    sd-scripts (docs/train_network_README-ja.md, library/train_util.py of kohya-ss/sd-scripts);
    `modelspec.*` of the ModelSpec (github.com/Stability-AI/ModelSpec).
    """
    info = _object(metadata.get("training_info"))
    software = _object(metadata.get("software"))
    trigger = _text(metadata.get("modelspec.trigger_phrase")) or _text(metadata.get("trigger_word"))
    return TrainingFacts(
        step=_whole(info.get("step"), metadata.get("ss_steps")),
        epoch=_whole(info.get("epoch"), metadata.get("ss_epoch")),
        trained_as=_text(metadata.get("ss_output_name")) or _text(metadata.get("name")),
        base_model=_text(metadata.get("ss_sd_model_name"))
        or _text(metadata.get("modelspec.architecture"))
        or _text(metadata.get("ss_base_model_version")),
        trigger_words=() if trigger is None else (trigger,),
        frequent_tags=_tags(metadata.get("ss_tag_frequency")),
        software=_text(software.get("name")),
    )


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, str) or len(value) > _DOCUMENT:
        return {}
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value.strip() or value.strip() == "None":
        return None
    return value.strip()[:_LONGEST]


def _whole(*values: Any) -> int | None:
    for value in values:
        text = str(value) if type(value) in (int, str) else ""
        if text.isascii() and text.isdigit() and len(text) <= len("999999999999"):
            return int(text)
    return None


def _tags(value: Any) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for folder in _object(value).values():
        if isinstance(folder, dict):
            for tag, count in folder.items():
                if type(count) is int and (clean := _text(tag)):
                    counts[clean] = counts.get(clean, 0) + count
    return tuple(sorted(counts, key=lambda tag: (-counts[tag], tag))[:_TAGS])
