"""What is wrong with the text of captions: trigger word, length, kind, repetition, refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.records.findings import Remedy
from aitk_core.wording import counted, shown
from aitk_datasets.captions.content import (
    has_empty_tags,
    has_repeated_tags,
    holds,
    is_boilerplate,
    is_refusal,
    most_common_phrase,
)
from aitk_datasets.captions.methods import (
    CONTENT,
    LEAST_CAPTIONS,
    MATERIAL_SHARE,
    MIXED_SHARE,
    PHRASE_SHARE,
    REFUSAL,
    STYLE,
    TOKENS,
    TRIGGER,
)
from aitk_datasets.captions.tokens import CLIP_LIMIT, LONGEST_LIMIT, fit
from aitk_datasets.captions.trained import has_placeholder, trigger_use
from aitk_datasets.said import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.records.findings import Finding, Severity
    from aitk_core.statistics.description import MethodInfo
    from aitk_datasets.captions.survey import Survey
    from aitk_datasets.captions.tokens import Fit


def trigger(survey: Survey) -> Iterator[Finding]:
    """Report captions without the trigger word, with it twice, or with it inside a word only."""
    word = survey.trigger
    if word is None or (survey.use is not None and survey.use.is_regularisation):
        return
    uses = {path: trigger_use(text, word) for path, text in survey.texts.items()}
    name = repr(shown(word, 40))
    absent = survey.of_captions(path for path, use in uses.items() if use.state == "absent")
    yield from _on(
        survey,
        absent,
        "TRIGGER_ABSENT",
        "info",
        f"do not hold the trigger word {name}; the trainer puts it in front by itself",
        TRIGGER,
        Remedy(action="nothing, or write it where it belongs in the sentence"),
        "whether the place of the trigger word matters for this text encoder",
    )
    hidden = survey.of_captions(path for path, use in uses.items() if use.state == "inside")
    yield from _on(
        survey,
        hidden,
        "TRIGGER_HIDDEN",
        "warning",
        f"hold the trigger word {name} inside another word only; the trainer takes that for the "
        "trigger word and adds none, so these pictures train without it",
        TRIGGER,
        Remedy(action="put the trigger word, or [trigger], into these captions as its own word"),
        "whether the longer word was meant as a form of the trigger word",
    )
    doubled = survey.of_captions(
        path for path, use in uses.items() if use.is_doubled or use.state == "other_case"
    )
    cased = sum(use.state == "other_case" for use in uses.values())
    yield from _on(
        survey,
        doubled,
        "TRIGGER_DOUBLED",
        _graded(survey, doubled),
        f"train with the trigger word {name} twice: in a row, or ({cased} captions) written in "
        "another case, where the trainer puts the exact form in front as well",
        TRIGGER,
        Remedy(action="keep one, written exactly as in the job"),
        "whether twice does harm",
    )


def placeholder(survey: Survey) -> Iterator[Finding]:
    """Report placeholders of a trigger word that the job does not have."""
    if survey.use is None or survey.trigger is not None:
        return
    yield from _on(
        survey,
        survey.with_text(has_placeholder),
        "TRIGGER_PLACEHOLDER_UNSET",
        "warning",
        "hold [trigger] or [name], but the job has no trigger word: the trainer removes the "
        "placeholder and a hole is trained",
        TRIGGER,
        Remedy(action="set the trigger word of the job", path="config.process.0.trigger_word"),
        "whether [name] was meant as the name of the job",
    )


def length(survey: Survey) -> Iterator[Finding]:
    """Report captions of which the text encoder does not take the end."""
    use = survey.use
    encoder = use.text_encoder if use is not None else None
    limit = use.text_limit if use is not None else None
    fits: dict[str, Fit] = {
        path: fit(prompt, encoder or "clip", limit) for path, prompt in survey.prompts.items()
    }
    most = limit or (LONGEST_LIMIT if encoder in ("t5", "llm") else CLIP_LIMIT)
    over = survey.of_captions(path for path, answer in fits.items() if answer == "over")
    remedy = Remedy(action="put what matters first, or shorten them")
    if encoder is None:
        end = f"which matters with a CLIP text encoder (SD 1.5, SDXL) only, where {most} is the end"
        unknown = "which text encoder the model has"
    else:
        end = "the rest is cut off and never trained"
        unknown = "where exactly each is cut: that takes the encoder's vocabulary"
    yield from _on(
        survey,
        over,
        "CAPTION_TOO_LONG",
        "info" if encoder is None else _graded(survey, over),
        f"have more than {most} tokens, {end}",
        TOKENS,
        remedy,
        unknown,
    )
    if encoder == "clip":
        yield from _on(
            survey,
            survey.of_captions(path for path, answer in fits.items() if answer == "near"),
            "CAPTION_NEAR_LIMIT",
            "info",
            f"are near the limit of {most} tokens; the end of some may be cut off",
            TOKENS,
            remedy,
            "which of them are over it: 62 % were in A8, 24 % of texts joined to be near it",
        )


def refusal(survey: Survey) -> Iterator[Finding]:
    """Report captions in which a captioner refused or spoke of the image."""
    refused = survey.with_text(is_refusal)
    yield from _on(
        survey,
        refused,
        "CAPTION_REFUSAL",
        "warning",
        "are a captioner's refusal, which is trained as the picture's description",
        REFUSAL,
        Remedy(action="write these captions again"),
        "refusals in other languages than English",
    )
    others = [path for path in survey.with_text(is_boilerplate) if path not in set(refused)]
    yield from _on(
        survey,
        others,
        "CAPTION_BOILERPLATE",
        "info",
        "speak of the image as an image ('the image shows'), words that every prompt would then "
        "need and that take tokens",
        REFUSAL,
        Remedy(action="remove the opening words"),
        "whether they do harm; boilerplate in other languages than English",
    )


def tags(survey: Survey) -> Iterator[Finding]:
    """Report tag lists with a tag twice or with nothing between commas."""
    yield from _on(
        survey,
        survey.with_text(has_repeated_tags),
        "TAGS_REPEATED",
        "info",
        "hold a tag twice, which gives it more weight and takes tokens",
        CONTENT,
        Remedy(action="keep each tag once"),
        "whether the weight was meant",
    )
    yield from _on(
        survey,
        survey.with_text(has_empty_tags),
        "TAGS_EMPTY",
        "info",
        "hold nothing between two commas; the commas are trained",
        CONTENT,
        Remedy(action="remove the empty tags"),
        "whether it does harm",
    )


def style(survey: Survey) -> Iterator[Finding]:
    """Report a mix of tag lists and sentences."""
    counts = {kind: list(survey.styles.values()).count(kind) for kind in ("tags", "sentence")}
    rarer = "tags" if counts["tags"] < counts["sentence"] else "sentence"
    whole = sum(counts.values())
    if whole < LEAST_CAPTIONS or counts[rarer] < MIXED_SHARE * whole:
        return
    pictures = survey.of_captions(path for path, kind in survey.styles.items() if kind == rarer)
    names = {"tags": "lists of tags", "sentence": "sentences"}
    yield survey.say.finding(
        "CAPTION_STYLE_MIXED",
        "info",
        f"{counts['tags']} captions are {names['tags']} and {counts['sentence']} are "
        f"{names['sentence']}; prompts of the rarer kind, the {names[rarer]}, are learnt from "
        f"{survey.say.cost(len(pictures))}",
        method=STYLE,
        pictures=pictures,
        category="nlp",
        remedies=(
            Remedy(
                action="write all captions the way prompts will be: sentences for T5 and language "
                "models, tags for base models trained on tags (PRACTICE D13)"
            ),
        ),
        unknown=("whether both kinds of prompt are wanted", "captions that mix both are either"),
    )


def duplicate(survey: Survey) -> Iterator[Finding]:
    """Report captions that say the same: a share, not a verdict."""
    groups = survey.same
    if not groups:
        return
    pictures = survey.of_captions(path for group in groups for path in group)
    is_one = len(groups[0]) == len(survey.texts)
    what = (
        f"all {len(survey.texts)} captions say the same, which is a way to train"
        if is_one
        else f"{len(pictures)} pictures have a caption that others have too, in "
        f"{counted(len(groups), 'group')}, the largest of {len(groups[0])}"
    )
    yield survey.say.finding(
        "CAPTION_DUPLICATE",
        "info",
        f"{what}; what differs between these pictures is learnt by the prompt as a whole: "
        f"{survey.say.cost(len(pictures))}",
        method=CONTENT,
        pictures=pictures,
        category="nlp",
        remedies=(
            Remedy(action="say what differs, where prompts shall be able to change it (D13)"),
        ),
        unknown=("whether the pictures differ in what prompts shall change",),
    )


def phrase(survey: Survey) -> Iterator[Finding]:
    """Report a phrase or tag, beyond the trigger word, that most captions hold."""
    texts = list(survey.texts.values())
    groups = survey.same
    if len(texts) < LEAST_CAPTIONS or (groups and len(groups[0]) == len(texts)):
        return
    found = most_common_phrase(texts, survey.trigger)
    if found is None or found.captions < PHRASE_SHARE * found.searched:
        return
    pictures = survey.with_text(lambda text: holds(text, found, survey.trigger))
    share = found.captions / found.searched
    yield survey.say.finding(
        "CAPTION_PHRASE_DOMINATES",
        "info",
        f"the {'tag' if found.is_tag else 'phrase'} {shown(found.text, 80)!r} stands in "
        f"{found.captions} of {found.searched} captions ({percent(share)}); it may act like a "
        "second trigger word, which prompts then need as well",
        method=CONTENT,
        pictures=pictures,
        category="nlp",
        remedies=(
            Remedy(action="keep it and write it into prompts, or say it in different words"),
        ),
        unknown=(
            "whether it is meant as part of the trigger",
            "how much prompts without it lose",
        ),
    )


def _on(
    survey: Survey,
    pictures: list[str],
    code: str,
    severity: Severity,
    what: str,
    method: MethodInfo,
    remedy: Remedy,
    unknown: str,
    **more: Any,
) -> Iterator[Finding]:
    if pictures:
        yield survey.say.finding(
            code,
            severity,
            f"the captions of {counted(len(pictures), 'picture')} {what}: "
            f"{survey.say.cost(len(pictures))}",
            method=method,
            pictures=pictures,
            category="nlp",
            remedies=(remedy,),
            unknown=(unknown,),
            **more,
        )


def _graded(survey: Survey, pictures: list[str]) -> Severity:
    return "warning" if survey.say.share(len(pictures)) >= MATERIAL_SHARE else "info"


RULES = (
    trigger,
    placeholder,
    refusal,
    length,
    duplicate,
    phrase,
    style,
    tags,
)
"""Each yields its findings on a survey of at least one picture."""
