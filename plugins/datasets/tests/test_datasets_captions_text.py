"""Words, styles, tokens, triggers and phrases of captions."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.evidence.dataset import DatasetUse
from aitk_core.wording import shown
from aitk_datasets.captions.content import (
    has_empty_tags,
    has_repeated_tags,
    holds,
    is_boilerplate,
    is_refusal,
    most_common_phrase,
    same_captions,
)
from aitk_datasets.captions.style import style_of
from aitk_datasets.captions.tokens import clip_bounds, fit
from aitk_datasets.captions.trained import trained_text, trigger_use, without_trigger
from aitk_datasets.captions.words import (
    ascii_ratio,
    diversity,
    terms,
    top,
    windowed_diversity,
    words,
)

LABELLED: Final = [
    line.split("\t")
    for line in (Path(__file__).parent / "data" / "caption_styles.tsv")
    .read_text("utf-8")
    .splitlines()
]
TRIGGERS = st.text("abCD\u00e9\u732b ", min_size=1).filter(str.strip)


# Words


def test_pitfall_32_scripts_without_blanks_have_words() -> None:
    text = "赤いドレスを着た女性"
    assert words(text) == ["赤い", "いド", "ドレ", "レス", "スを", "を着", "着た", "た女", "女性"]
    assert terms("猫") == ["猫"]
    assert terms("แมวดำ") == ["แม", "มว", "วด", "ดำ"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A cat's close-up, 85mm", ["a", "cat's", "close-up", "85mm"]),
        ("Größe naïve", ["größe", "naïve"]),
        ("long_hair", ["long", "hair"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("여자 머리", ["여자", "머리"]),
        ("ohwxの写真", ["ohwx", "の写", "写真"]),
        ("\uff32\uff45\uff44 \u2014 red", ["red", "red"]),
        (" ,.!", []),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=200))
def test_words_are_lower_case_and_never_empty(text: str) -> None:
    assert all(word and not word[0].isspace() for word in words(text))
    assert set(terms(text)) <= set(words(text))


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60), st.integers(1, 20))
def test_windowed_diversity_is_the_mean_over_all_windows(found: list[str], window: int) -> None:
    value = windowed_diversity(found, window)
    if not found:
        assert value is None
        return
    parts = [found[at : at + window] for at in range(max(1, len(found) - window + 1))]
    assert value == pytest.approx(sum(len(set(part)) / len(part) for part in parts) / len(parts))


def test_diversity_of_windows_does_not_fall_with_the_size_of_the_set() -> None:
    one = [f"word{number}" for number in range(200)]
    assert diversity(one * 10) == pytest.approx(0.1)
    assert windowed_diversity(one * 10) == 1.0


def test_what_is_missing_is_none() -> None:
    assert diversity([]) is None
    assert ascii_ratio([""]) is None
    assert ascii_ratio(["aé"]) == 0.5
    assert top(["b", "a", "b", "c"], 2) == [{"term": "b", "count": 2}, {"term": "a", "count": 1}]


# Style


def test_style_keeps_its_measured_error() -> None:
    right = {
        part: sum(style_of(text) == label for kind, label, text in LABELLED if kind == part)
        for part in ("chosen", "held")
    }
    counts = {part: sum(kind == part for kind, *_ in LABELLED) for part in right}
    assert counts == {"chosen": 40, "held": 45}
    assert right == {"chosen": 40, "held": 42}


@pytest.mark.parametrize(
    "text",
    [
        "ohwx, pumpkin, small, ivory, from above, in moonlight, a desert road",
        "1girl, solo, bench, park, at dusk, from behind, in profile, long hair",
    ],
)
def test_many_short_tags_are_tags_whatever_little_words_they_have(text: str) -> None:
    assert style_of(text) == "tags"


@pytest.mark.parametrize(
    "text",
    [
        "In the park, at dawn, on a bench, with a dog, he sits",
        "on a table, in a vase, there are tulips, and it is dark",
        "He ran, in the rain, up a hill, to the gate, and home.",
    ],
)
def test_sentences_of_many_short_clauses_are_sentences(text: str) -> None:
    assert style_of(text) == "sentence"


@given(st.text(max_size=200))
def test_every_text_has_a_style(text: str) -> None:
    assert style_of(text) in ("empty", "words", "tags", "sentence")


# Tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        # Counted with CLIP's own vocabulary, start and end included.
        ("a photo of ohwx man", 7),
        ("1girl, solo, long hair, blue eyes, smile, outdoors", 16),
        ("A close-up of a rusty key. It lies on a wooden table, lit from the left.", 23),
        ("it's a dog's life in 2024", 13),
        ("Größe naïve café", 11),
        ("赤いドレスを着た女性が公園のベンチに座っている。", 45),
    ],
)
def test_the_true_number_of_tokens_lies_within_the_bounds(text: str, tokens: int) -> None:
    bounds = clip_bounds(text)
    assert bounds.lower <= tokens <= bounds.upper


@given(st.text(max_size=300))
def test_bounds_are_in_order(text: str) -> None:
    bounds = clip_bounds(text)
    assert 2 <= bounds.lower <= bounds.upper + text.count("&")
    assert bounds.likely is None or bounds.likely >= bounds.lower


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("dog " * 75, "near"),
        ("dog " * 76, "over"),
        ("dog " * 62, "fits"),
        ("dog " * 63, "near"),
        ("猫" * 25, "fits"),
        ("猫" * 26, "unknown"),
        ("猫 " * 76, "over"),
        ("", "fits"),
    ],
)
def test_three_answers_and_no_answer_for_scripts_without_an_estimate(
    text: str, answer: str
) -> None:
    assert fit(text, "clip") == answer


def test_other_encoders_have_a_lower_bound_only() -> None:
    assert fit("dog " * 256, "t5", 256) == "unknown"
    assert fit("dog " * 257, "t5", 256) == "over"
    assert fit("dog " * 512, "llm") == "unknown"
    assert fit("dog " * 513, "llm") == "over"


# Trigger word


@given(st.text(max_size=60), TRIGGERS)
def test_a_trigger_that_is_there_is_not_put_in_again(text: str, trigger: str) -> None:
    use = DatasetUse(trigger_word=trigger)
    prompt = trained_text(text, use)
    assert trigger in prompt
    untouched = trained_text(text, evolve(use, is_regularisation=True))
    assert prompt in (untouched, f"{trigger} {untouched}")
    assert (prompt == untouched) == (trigger in untouched)


@pytest.mark.parametrize(
    ("text", "use", "prompt"),
    [
        (None, None, ""),
        (None, DatasetUse(trigger_word="ohwx"), "ohwx "),
        (" \n", DatasetUse(default_caption="a room"), "a room"),
        ("a,b, c", DatasetUse(), "a, b,  c"),
        ("[trigger] man", DatasetUse(trigger_word="ohwx"), "ohwx man"),
        ("[trigger] man", DatasetUse(), " man"),
        ("a catalogue", DatasetUse(trigger_word="cat"), "a catalogue"),
        ("Ohwx man", DatasetUse(trigger_word="ohwx"), "ohwx Ohwx man"),
        ("a man", DatasetUse(trigger_word="ohwx", is_regularisation=True), "a man"),
    ],
)
def test_the_prompt_is_the_trainers(text: str | None, use: DatasetUse | None, prompt: str) -> None:
    assert trained_text(text, use) == prompt


@pytest.mark.parametrize(
    ("text", "trigger", "state", "is_doubled"),
    [
        ("a photo of ohwx", "ohwx", "present", False),
        ("a photo of ohwx, ohwx man", "ohwx", "present", True),
        ("[trigger] ohwx man", "ohwx", "present", True),
        ("ohwx sits; ohwx smiles", "ohwx", "present", False),
        ("ohwx's hand", "ohwx", "present", False),
        ("a catalogue", "cat", "inside", False),
        ("cat_ears", "cat", "inside", False),
        ("a Cat", "cat", "other_case", False),
        ("a dog", "cat", "absent", False),
        ("ohwxの写真", "ohwx", "present", False),
        ("黒い猫が眠る", "猫", "present", False),
        ("a (c++) b", "c++", "present", False),
        ("an ohwx man walks", "ohwx man", "present", False),
    ],
)
def test_how_a_caption_meets_the_trigger(
    text: str, trigger: str, state: str, *, is_doubled: bool
) -> None:
    use = trigger_use(text, trigger)
    assert (use.state, use.is_doubled) == (state, is_doubled)


@given(st.text(max_size=60), TRIGGERS)
def test_without_the_trigger_it_is_not_there(text: str, trigger: str) -> None:
    bare = without_trigger(text, trigger)
    assert not (set(bare[:1] + bare[-1:]) & set(" ,"))


# Content


def test_captions_that_say_the_same() -> None:
    texts = {
        "a": "ohwx, red hair, smile",
        "b": "smile, RED hair",
        "c": "A dog  runs over the hill.",
        "d": "a dog runs over the hill.",
        "e": "a dog runs over a hill.",
        "f": "ohwx",
        "g": "[trigger]",
    }
    assert same_captions(texts, "ohwx") == [("a", "b"), ("c", "d"), ("f", "g")]


def test_the_most_common_phrase_grows_as_long_as_all_hold_it() -> None:
    texts = [f"ohwx {word} under the light of a full moon tonight {word}" for word in "abcd"]
    found = most_common_phrase([*texts, "something else entirely different"], "ohwx")
    assert found is not None
    assert found.text == "under the light of a full moon tonight"
    assert (found.captions, found.searched, found.is_tag) == (4, 5, False)
    assert [holds(text, found, "ohwx") for text in (texts[0], "under the light")] == [True, False]


def test_the_most_common_tag_is_never_the_trigger() -> None:
    found = most_common_phrase(["ohwx, hat, dog", "ohwx, hat, cat", "ohwx, sun, sea"], "ohwx")
    assert found is not None
    assert (found.text, found.captions, found.is_tag) == ("hat", 2, True)


@pytest.mark.parametrize("texts", [[], ["one two three four"], ["a b", "c d"], ["", ""]])
def test_there_may_be_no_common_phrase(texts: list[str]) -> None:
    assert most_common_phrase(texts, None) is None


@given(st.lists(st.text("ab c,.", max_size=30), max_size=8))
def test_a_common_phrase_is_held_by_as_many_as_it_says(texts: list[str]) -> None:
    found = most_common_phrase(texts, None)
    if found is not None:
        assert sum(holds(text, found, None) for text in texts) == found.captions >= 2


def test_tags_twice_and_tags_that_are_empty() -> None:
    assert has_repeated_tags("hat, dog, Hat ")
    assert not has_repeated_tags("hat, dog, cat")
    assert not has_repeated_tags("A cat sees a cat, and then it sees a dog.")
    assert has_empty_tags("hat, , dog")
    assert has_empty_tags(",hat, dog")
    assert not has_empty_tags("hat, dog,")
    assert not has_empty_tags("hat,\ndog")
    # Whatever the rest is like: the trainer keeps these commas as well.
    assert has_empty_tags("behind a, in the, , fog")
    assert has_empty_tags("A woman in a red dress,, who sits on a bench in the park.")
    assert not has_empty_tags(",")


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, I cannot identify people in images.",
        "As an AI language model, I do not see pictures.",
        "I am unable to process this request.",
        "We cannot describe this content.",
        "No image was provided. Please upload one.",
        "Unfortunately I cannot directly view it.",
    ],
)
def test_refusals_are_found(text: str) -> None:
    assert is_refusal(text)


LOOK_ALIKES = [
    "a poster with the words \"I'm sorry, I can't help you\"",
    "a sign that reads \u201cI cannot assist\u201d above a shop",
    "a robot that looks as an ailing machine would",
    "a man who is sorry for his dog",
    "a woman unable to lift a heavy box",
    "a knight who cannot open the gate",
    "two people help each other over a fence",
    "an AI chip on a circuit board",
    "a photographer can identify birds by their call",
    "no image on the wall, only a nail",
    "a child cannot see over the counter",
    "a portrait of a nurse, sorry face, helping hand",
]


@pytest.mark.parametrize("text", [*LOOK_ALIKES, *(text for *_, text in LABELLED)])
def test_what_is_no_refusal_is_left_alone(text: str) -> None:
    assert not is_refusal(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The image shows a cat.", True),
        ("This image depicts a harbour at night.", True),
        ("In this picture, two men talk.", True),
        ("Sure! Here is a caption for your photo: a cat", True),
        ("Here's a detailed description of the scene", True),
        ("A picture of the show", False),
        ("a caption under a drawing", False),
        ("an image processing lab", False),
    ],
)
def test_boilerplate(text: str, *, expected: bool) -> None:
    assert is_boilerplate(text) is expected


@given(st.text(st.characters(exclude_categories=[]), max_size=300), st.integers(1, 50))
def test_shown_text_is_one_printable_line(text: str, limit: int) -> None:
    line = shown(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
