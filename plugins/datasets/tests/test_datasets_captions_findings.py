"""The analyzer of captions: what it finds, what it leaves alone, and what it says it costs."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core.convert import unstructure
from aitk_core.evidence.dataset import DatasetEvidence, DatasetUse
from aitk_core.registry import load_registry
from aitk_core.services.proving import prove_analyzers
from aitk_core.statistics.rates import binomial_interval
from aitk_datasets.analyzers.captions import analyze
from aitk_datasets.captions import methods
from aitk_datasets.captions.reading import read_caption
from aitk_datasets.proofs.captions import cases, folder
from aitk_datasets.said import percent, share_interval

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.records.findings import Finding

PLUGIN: Final = tuple(entry_points(group="aitk.plugins", name="datasets"))
SENTENCES: Final = [
    f"A {colour} {thing} near the {place}."
    for colour, thing, place in zip(
        ("red", "blue", "green", "old", "new", "small", "large", "wet", "dry", "dark"),
        ("boat", "car", "cat", "clock", "door", "egg", "fox", "gate", "hat", "key"),
        ("sea", "road", "wall", "town", "tree", "nest", "den", "farm", "shop", "lock"),
        strict=True,
    )
]
ANY_CAPTION = st.none() | st.binary(max_size=40) | st.text(max_size=40).map(str.encode)
USES = st.none() | st.builds(
    DatasetUse,
    steps=st.none() | st.integers(0, 5000),
    trigger_word=st.none() | st.sampled_from(["", " ", "a", "ohwx", "[trigger]", "(c++)"]),
    default_caption=st.none() | st.sampled_from(["", "a room"]),
    text_encoder=st.sampled_from(["clip", "t5", "llm", None]),
    text_limit=st.none() | st.integers(1, 512),
    is_regularisation=st.booleans(),
)


def examples_of(finding: Finding) -> list[str]:
    return [path for ref in finding.evidence for path in ref.files]


def found(evidence: DatasetEvidence) -> dict[str, Finding]:
    return {finding.code: finding for finding in analyze(evidence).findings}


def one(evidence: DatasetEvidence, code: str) -> Finding:
    return found(evidence)[code]


def facts(evidence: DatasetEvidence) -> dict[str, Any]:
    return dict(analyze(evidence).facts)


# Proofs


def test_the_analyzer_finds_what_it_must_and_nothing_else() -> None:
    (analyzer,) = (
        owned for name, owned in load_registry(PLUGIN).analyzers.items() if name == "captions"
    )
    proof = asyncio.run(prove_analyzers([analyzer], timeout_s=30.0, noise_runs=0))
    (card,) = proof.cards
    assert card.failures == []
    assert card.found == len(card.to_find) > 0


def test_every_code_that_may_be_a_warning_has_a_case() -> None:
    assert methods.__doc__ is not None
    table, _, others = methods.__doc__.partition("| all others")
    assert others
    named = set(re.findall(r"\b(?:CAPTION|TRIGGER)_[A-Z0-9_]+\b", table))
    assert {"CAPTION_NOT_UTF8", "TRIGGER_HIDDEN"} <= named
    assert named == {code for case in cases() for code in case.must_find}


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys, aitk_datasets.plugin as p; list(p.aitk_analyzers());"
        "print([m for m in ('numpy', 'PIL', 'aitk_datasets.analyzers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Laws


@given(st.lists(ANY_CAPTION, min_size=1, max_size=12), USES, st.integers(0, 5))
def test_any_captions_give_an_answer_that_can_be_sent(
    captions: list[bytes | None], use: DatasetUse | None, more: int
) -> None:
    evidence = folder(captions, use=use)
    evidence = evolve(evidence, found_images=len(captions) + more)
    analysis = analyze(evidence)
    json.dumps(unstructure(analysis), allow_nan=False)
    for finding in analysis.findings:
        assert len(finding.evidence) <= 10
        assert finding.message.isprintable()
        assert finding.unknown
        assert finding.remedies
        assert all(path.isprintable() for path in examples_of(finding))
    told = analysis.facts
    assert len(captions) == sum(
        told[f"caption_{what}_count"] for what in ("non_empty", "missing", "empty")
    )


@given(st.lists(ANY_CAPTION, min_size=1, max_size=8))
def test_the_order_of_pictures_does_not_matter(captions: list[bytes | None]) -> None:
    names = [f"{number}.png" for number in range(len(captions))]
    forth = found(folder(captions, names=names))
    back = found(folder(captions[::-1], names=names[::-1]))
    assert forth.keys() == back.keys()
    assert {code: each.estimate for code, each in forth.items()} == {
        code: each.estimate for code, each in back.items()
    }


# What it costs


def test_missing_captions_are_told_in_steps() -> None:
    evidence = folder([*[None] * 12, *(f"{text} {n}" for n in range(12) for text in SENTENCES[:9])])
    evidence = evolve(evidence, use=DatasetUse(steps=3000))
    finding = one(evidence, "CAPTION_MISSING")
    assert "12 of 120 = 10 % of this folder's steps, about 300 of 3000" in finding.message
    assert (finding.severity, finding.n) == ("warning", 120)
    assert finding.estimate is not None
    assert (finding.estimate.value, finding.estimate.low) == (0.1, None)
    assert examples_of(finding) == [f"{n:03d}.png" for n in range(10)]


def test_pitfall_18_one_bound_for_coverage() -> None:
    enough = folder([*[None] * 9, *[f"{text} {n}" for n in range(10) for text in SENTENCES][:91]])
    assert one(enough, "CAPTION_MISSING").severity == "info"
    missing_and_empty = folder([*[None] * 5, *[""] * 5, *SENTENCES * 9])
    assert one(missing_and_empty, "CAPTION_MISSING").severity == "warning"
    assert one(missing_and_empty, "CAPTION_EMPTY").severity == "warning"


def test_pitfall_127_a_limited_scan_has_an_interval_and_says_so() -> None:
    evidence = evolve(folder([None, None, *SENTENCES[:8]]), found_images=1000)
    finding = one(evidence, "CAPTION_MISSING")
    assert finding.estimate is not None
    low, high = binomial_interval(2, 10)
    assert (finding.estimate.low, finding.estimate.high) == (round(low, 4), round(high, 4))
    assert "990 pictures not looked at" in finding.unknown


# The exact interval takes a tenth of a second.
@settings(max_examples=15)
@given(st.integers(501, 700), st.data())
def test_the_interval_of_many_is_close_to_the_exact_one(whole: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, whole))
    low, high = share_interval(count, whole)
    exact = binomial_interval(count, whole)
    assert 0 <= low <= count / whole <= high <= 1
    assert max(abs(low - exact[0]), abs(high - exact[1])) < 0.01


def test_shares_in_words() -> None:
    assert [percent(share) for share in (0, 0.0001, 0.004, 0.1, 0.125, 0.996, 1)] == [
        "0 %",
        "under 0.1 %",
        "0.4 %",
        "10 %",
        "12.5 %",
        "99.6 %",
        "100 %",
    ]


# Files


def test_without_pictures_nothing_is_assessed() -> None:
    analysis = analyze(DatasetEvidence(name="empty"))
    assert (analysis.assessed, analysis.findings) == (False, ())
    assert analysis.reason == "the dataset has no pictures"
    assert analysis.facts == {}


def test_pitfall_57_a_linked_caption_is_unread_and_not_missing() -> None:
    evidence = evolve(folder([None, *SENTENCES]), missing={"000.txt": "a link"})
    assert set(found(evidence)) == {"CAPTION_NOT_READ"}
    assert facts(evidence)["caption_missing_count"] == 0
    assert facts(evidence)["caption_not_read_count"] == 1
    alone = analyze(evolve(folder([None]), missing={"000.txt": "a link"}))
    assert (alone.assessed, alone.reason) == (False, "no caption could be read")


def test_pitfall_96_a_picture_that_does_not_load_needs_no_caption() -> None:
    evidence = folder([None, *SENTENCES])
    broken = evolve(evidence.images[0], problem="truncated")
    evidence = evolve(evidence, images=(broken, *evidence.images[1:]))
    assert found(evidence) == {}
    assert facts(evidence)["caption_coverage_pct"] == 100.0


def test_pitfall_97_the_configured_extension_counts() -> None:
    use = DatasetUse(caption_ext="caption")
    evidence = evolve(folder([None, *SENTENCES], use=use), missing={"000.caption": "no access"})
    assert set(found(evidence)) == {"CAPTION_NOT_READ"}


def test_pitfall_102_generated_captions_are_no_coverage() -> None:
    evidence = folder(SENTENCES)
    captions = {
        path: evolve(caption, is_generated=path < "005")
        for path, caption in evidence.captions.items()
    }
    evidence = evolve(evidence, captions=captions)
    assert one(evidence, "CAPTION_GENERATED").severity == "info"
    told = facts(evidence)
    assert (told["caption_non_empty_count"], told["caption_generated_count"]) == (10, 5)
    assert told["caption_coverage_pct"] == 50.0


def test_a_bom_and_a_second_line_are_notes() -> None:
    evidence = folder([b"\xef\xbb\xbfA cat sleeps here.", b"A dog\nruns here", *SENTENCES])
    codes = found(evidence)
    assert {code: each.severity for code, each in codes.items()} == {
        "CAPTION_BOM": "info",
        "CAPTION_MULTILINE": "info",
    }


def test_stop_of_the_run_is_critical_from_one_on() -> None:
    evidence = folder([b"caf\xe9", *SENTENCES * 10])
    finding = one(evidence, "CAPTION_NOT_UTF8")
    assert finding.severity == "critical"
    assert "the trainer stops" in finding.message
    assert "cp1252" in finding.message


def test_an_old_encoding_of_another_script_is_not_called_western() -> None:
    evidence = folder(["Женщина в красном платье".encode("koi8-r"), b"caf\xe9", *SENTENCES])
    message = one(evidence, "CAPTION_NOT_UTF8").message
    assert "1 of them rather in an old encoding of another script" in message


def test_files_on_disk_give_the_same_findings(tmp_path: Path) -> None:
    planted: dict[str, bytes | str] = {
        "latin.txt": "größe naïve".encode("latin-1"),
        "wide.txt": "a wide caption".encode("utf-16"),
        "nul.txt": "a narrow caption".encode("utf-16-le"),
        "bom.txt": "\ufeffA cat sleeps here.",
        "blank.txt": " \r\n",
        "lines.txt": "A dog runs.\r\nA dog sits.",
        "garbled.txt": "Un café près d'une forêt".encode().decode("cp1252"),
        "refused.txt": "I'm sorry, but I can't describe this.",
        "placeholder.txt": "[trigger] stands near a wall.",
        "tags.txt": "moon, night, , moon",
    }
    captions = {}
    for name, content in planted.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        captions[name.replace(".txt", ".png")] = read_caption(tmp_path / name, name)
    evidence = folder([None] * len(captions), names=list(captions), use=DatasetUse(steps=100))
    assert set(found(evolve(evidence, captions=captions))) == {
        "CAPTION_NOT_UTF8",
        "CAPTION_EMPTY",
        "CAPTION_BOM",
        "CAPTION_CONTROL_CHARS",
        "CAPTION_MOJIBAKE",
        "CAPTION_MULTILINE",
        "CAPTION_REFUSAL",
        "TRIGGER_PLACEHOLDER_UNSET",
        "TAGS_REPEATED",
        "TAGS_EMPTY",
    }


def test_captions_in_utf16_do_not_hide_those_with_other_control_characters() -> None:
    wide, torn = "a boat".encode("utf-16-le"), b"a cat\0 and more"
    finding = one(folder([torn, wide, *SENTENCES]), "CAPTION_CONTROL_CHARS")
    assert examples_of(finding) == ["001.png", "000.png"]
    assert finding.estimate is not None
    assert finding.estimate.value == round(2 / 12, 4)


def test_a_path_is_data() -> None:
    evidence = folder([None, *SENTENCES], names=["a\n\u202e\udcff.png", *"bcdefghijk"])
    (ref,) = one(evidence, "CAPTION_MISSING").evidence
    assert ref.files == ("a \\u202e\\udcff.png",)


# Text


def test_a_missing_trigger_is_a_note_since_the_trainer_adds_it() -> None:
    evidence = folder(SENTENCES, use=DatasetUse(trigger_word="ohwx"))
    finding = one(evidence, "TRIGGER_ABSENT")
    assert finding.severity == "info"
    assert "puts it in front by itself" in finding.message


def test_length_depends_on_the_encoder() -> None:
    text = [f"{text} " * 12 for text in SENTENCES]

    def severity(use: DatasetUse) -> str | None:
        finding = found(folder(text, use=use)).get("CAPTION_TOO_LONG")
        return None if finding is None else finding.severity

    assert severity(DatasetUse(text_encoder="clip")) == "warning"
    assert severity(DatasetUse()) == "info"
    assert severity(DatasetUse(text_encoder="t5")) is None
    assert severity(DatasetUse(text_encoder="t5", text_limit=60)) == "warning"
    near = [f"{'a small cat ' * 21} {n}" for n in range(10)]
    codes = found(folder(near, use=DatasetUse(text_encoder="clip")))
    assert "CAPTION_NEAR_LIMIT" in codes
    assert "CAPTION_TOO_LONG" not in codes


def test_two_kinds_of_captions_are_a_note_from_one_in_five_on() -> None:
    tags = ["cat, hat", "dog, sun, sea", "fox, tree"]
    assert one(folder([*SENTENCES, *tags]), "CAPTION_STYLE_MIXED").severity == "info"
    assert "CAPTION_STYLE_MIXED" not in found(folder([*SENTENCES, *tags[:2]]))


def test_a_phrase_in_most_captions_is_a_note_and_not_the_trigger() -> None:
    texts = [f"ohwx, film grain, {word}" for word in ("cat", "dog", "fox", "hat", "sun", "sea")]
    texts += [f"ohwx, {word}, moon" for word in ("key", "door", "road", "wall", "den")]
    finding = one(folder(texts, use=DatasetUse(trigger_word="ohwx")), "CAPTION_PHRASE_DOMINATES")
    assert "the tag 'film grain' stands in 6 of 11 captions (54.5 %)" in finding.message
    assert examples_of(finding) == [f"{n:03d}.png" for n in range(6)]


def test_one_caption_for_all_is_a_way_to_train() -> None:
    evidence = folder(["a drawing in the ohwx style"] * 20)
    assert {code: each.severity for code, each in found(evidence).items()} == {
        "CAPTION_DUPLICATE": "info"
    }
    assert "which is a way to train" in one(evidence, "CAPTION_DUPLICATE").message
    assert facts(evidence)["style_flags"] == []
    assert facts(evidence)["unique_caption_ratio"] == 0.05


def test_a_caption_shared_by_two_pictures_is_counted_once() -> None:
    evidence = folder(
        ["A cat sleeps here.", "A cat sleeps here.", "A dog barks."], names=["a.jpg", "a.png", "b"]
    )
    assert set(found(evidence)) == {"CAPTION_STEM_SHARED"}
    assert facts(evidence)["caption_words"]["count"] == 2


# Facts


def test_facts_are_the_contracts_fields() -> None:
    told = facts(folder(["A red cat, a red hat.", "A red dog.", "", None]))
    assert told["caption_non_empty_count"] == 2
    assert told["caption_missing_count"] == 1
    assert told["caption_empty_count"] == 1
    assert told["caption_coverage_pct"] == 50.0
    assert told["unique_caption_ratio"] == 1.0
    assert told["caption_words"] == {
        "count": 2,
        "min": 3,
        "max": 6,
        "mean": 4.5,
        "median": 4.5,
        "last": 3,
    }
    assert told["top_caption_terms"][0] == {"term": "red", "count": 3}
    assert (told["caption_token_count"], told["caption_vocabulary_size"]) == (6, 4)
    assert told["caption_token_diversity"] == 0.6667
    assert told["caption_ascii_ratio"] == 1.0
    assert told["caption_examples"] == ["A red cat, a red hat.", "A red dog."]
    assert told["caption_styles"] == {"sentence": 2}
    assert told["style_flags"] == []


def test_what_no_caption_tells_is_none() -> None:
    told = facts(folder([None, None]))
    assert told["caption_coverage_pct"] == 0.0
    for name in (
        "unique_caption_ratio",
        "caption_token_count",
        "caption_vocabulary_size",
        "caption_token_diversity",
        "caption_ascii_ratio",
        "style_flags",
    ):
        assert told[name] is None, name


def test_pitfall_32_japanese_captions_are_neither_empty_nor_short() -> None:
    texts = ["赤いドレスを着た女性が公園にいる。", "夜の街を歩く男性と古い時計塔。", "港の小さな船"]
    evidence = folder(texts)
    told = facts(evidence)
    assert told["caption_token_count"] > 20
    assert told["caption_token_diversity"] > 0.8
    assert told["style_flags"] == []
    assert found(evidence) == {}


def test_flags_do_not_come_with_the_size_of_the_set() -> None:
    many = facts(folder([f"{text} {n}" for n in range(50) for text in SENTENCES]))
    assert many["caption_token_diversity"] < 0.2
    assert "caption_vocabulary_low_diversity" not in many["style_flags"]
    poor = facts(folder([f"red boat blue boat red car {n}" for n in range(50)]))
    assert poor["style_flags"] == ["caption_vocabulary_low_diversity"]
    short = facts(folder(["cat", "dog", "fox"]))
    assert short["style_flags"] == ["captions_too_short"]
