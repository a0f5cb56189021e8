"""Planted captions are what they are labelled, by rules written from datasets.md section A8."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from aitk_core.testing.planted import plant

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.testing.planted import PlantedCaption, Truth

BOM = "\ufeff"
INVISIBLE = " \t\r\n\f\v\ufeff\u200b"
REFUSALS = ("i'm sorry", "i can't", "as an ai")
OPENINGS = ("the image shows", "this image depicts")


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return plant(
        tmp_path_factory.mktemp("planted"),
        seed=9,
        bases=150,
        families=frozenset({"captions"}),
        sides=(192, 224),
    )


@pytest.fixture(scope="module")
def styled(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return plant(
        tmp_path_factory.mktemp("styled"),
        seed=9,
        bases=48,
        families=frozenset({"style"}),
        sides=(192, 224),
    )


def written(truth: Truth) -> dict[PlantedCaption, bytes]:
    return {
        caption: truth.at(caption.path).read_bytes()
        for caption in truth.captions()
        if caption.text is not None
    }


def strict(data: bytes) -> str | None:
    """What the trainer reads; None where it stops."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def pieces(text: str) -> int:
    """Never more than CLIP's tokens: contractions, letter runs, single digits, other runs."""
    return len(re.findall(r"'(?:s|t|re|ve|m|ll|d)|[^\W\d_]+|\d|[^\s\w]+", text.lower()))


def tokens(text: str, word: str) -> int:
    return len(re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", text.casefold()))


def parts(text: str) -> list[str]:
    return [part.strip().lower() for part in text.split(",")]


def is_mojibake(text: str) -> bool:
    try:
        mended = text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return False
    return len(mended) < len(text)


RULES: dict[str, Callable[[bytes, str], bool]] = {
    "not_utf8": lambda data, _: strict(data) is None,
    "empty": lambda data, _: not data,
    "bom": lambda data, text: data.startswith(b"\xef\xbb\xbf") and bool(text.strip(INVISIBLE)),
    "control_chars": lambda data, _: (
        re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", data) is not None and strict(data) is not None
    ),
    "multiline": lambda _, text: sum(bool(line.strip()) for line in text.splitlines()) > 1,
    "crlf": lambda data, text: b"\r\n" in data and bool(text.strip(INVISIBLE)),
    "mojibake": lambda _, text: is_mojibake(text),
    "over_77": lambda _, text: pieces(text) + 2 > 77,
    "over_512": lambda _, text: pieces(text) + 2 > 512,
    "too_long": lambda data, _: len(data) > 65_536,
    "trigger_twice": lambda _, text: tokens(text, "ohwx") == 2 and len(text.split()) < 40,
    "refusal": lambda _, text: any(phrase in text.lower() for phrase in REFUSALS),
    "boilerplate": lambda _, text: any(phrase in text.lower() for phrase in OPENINGS),
}
"""Label and the rule for it; each must hold for the captions of its label and for no other."""


@pytest.mark.parametrize("label", sorted(RULES))
def test_a_rule_finds_the_captions_of_its_label_and_no_other(truth: Truth, label: str) -> None:
    found = {
        caption.path
        for caption, data in written(truth).items()
        if RULES[label](data, caption.text or "")
    }
    assert found == {caption.path for caption in truth.captions(label)}
    assert len(found) >= 2


def test_the_text_told_is_what_the_bytes_mean(truth: Truth) -> None:
    for caption, data in written(truth).items():
        assert data.decode(caption.encoding).removeprefix(BOM) == caption.text, caption.path


def test_marks_are_told_by_their_labels(truth: Truth) -> None:
    for caption in truth.captions("utf16"):
        assert truth.at(caption.path).read_bytes().startswith(b"\xff\xfe")
    for caption in truth.captions("utf16_no_mark"):
        data = truth.at(caption.path).read_bytes()
        assert data[1::2].count(0) == len(data) // 2
    for caption in truth.captions("cp1252"):
        assert b"\x92" in truth.at(caption.path).read_bytes()
    for caption in truth.captions("latin1"):
        assert not re.search(rb"[\x80-\x9f]", truth.at(caption.path).read_bytes())


def test_blank_captions_hold_bytes_and_nothing_to_see(truth: Truth) -> None:
    for caption in truth.captions("blank"):
        data = truth.at(caption.path).read_bytes()
        assert data
        assert not data.decode().strip(INVISIBLE)


def test_triggers_are_there_or_not_as_told(truth: Truth) -> None:
    without = {*truth.captions("trigger_absent"), *truth.captions("trigger_placeholder")}
    without |= {*truth.captions("empty"), *truth.captions("blank")}
    for caption in written(truth):
        assert (tokens(caption.text or "", truth.trigger) == 0) == (caption in without), caption
    for caption in truth.captions("trigger_placeholder"):
        assert "[trigger]" in (caption.text or "")


def test_tag_lists_repeat_or_miss_a_tag_as_told(truth: Truth) -> None:
    for caption in truth.captions("repeated_tags"):
        assert max(Counter(parts(caption.text or "")).values()) == 2
    for caption in truth.captions("empty_tags"):
        assert "" in parts(caption.text or "")
    for caption in truth.captions("good"):
        named = parts(caption.text or "")
        assert "" not in named
        assert len(set(named)) == len(named)


def test_only_same_texts_are_the_same(truth: Truth) -> None:
    texts = Counter(" ".join((caption.text or "").split()).lower() for caption in written(truth))
    for nothing in ("", "\u200b"):
        del texts[nothing]
    repeated = {text for text, count in texts.items() if count > 1}
    same = truth.captions("same_text")
    assert repeated == {(caption.text or "").lower() for caption in same}
    assert {texts[text] for text in repeated} == {3}


def test_swapped_captions_are_those_of_each_other(truth: Truth) -> None:
    one, other = truth.captions("swapped")[:2]
    assert one.text != other.text
    assert {one.images[0][:-5], other.images[0][:-5]} == {"train/text_swapped_1_"}


def test_shared_stems_have_two_pictures_and_one_text(truth: Truth) -> None:
    for caption in truth.captions("stem_shared"):
        assert len(caption.images) == 2
        assert all(truth.at(image).exists() for image in caption.images)


def test_sound_captions_share_no_run_of_three_words_beyond_a_fifth(truth: Truth) -> None:
    """A phrase that dominated them would be a defect."""
    good = truth.captions("good")
    runs: Counter[tuple[str, ...]] = Counter()
    for caption in good:
        named = re.findall(r"\w+", caption.text or "")
        runs.update(set(zip(named, named[1:], named[2:], strict=False)))
    assert max(runs.values()) < len(good) / 5


def test_the_style_family_mixes_styles_under_one_phrase(styled: Truth) -> None:
    captions = styled.captions(within="train/")
    assert len(captions) == 48
    assert len(styled.captions("tags")) == 16
    assert styled.phrase is not None
    holding = {caption for caption in captions if styled.phrase in (caption.text or "")}
    assert holding == set(styled.captions("dominating_phrase"))
    assert len(holding) == 36
    for caption in styled.captions("tags"):
        assert len(parts(caption.text or "")) >= 6
