"""Captions that are wrong in each way that is warned of, and captions that are meant so."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from attrs import evolve

from aitk_core.evidence.dataset import (
    DatasetEvidence,
    DatasetUse,
    DuplicatePair,
    DuplicateSearch,
    ImageFile,
)
from aitk_core.proving.cases import ProofCase
from aitk_datasets.captions.reading import caption_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitk_core.evidence.dataset import CaptionFile

_SENTENCES: Final = (
    "A woman in a green coat waits at a tram stop.",
    "Two boats lie on the sand while the tide is out.",
    "An old clock tower stands above the roofs of a village.",
    "The kitchen table is covered with flour and dough.",
    "A boy throws a ball to his dog near the river.",
    "Fog hangs between the pines on a steep slope.",
    "A cyclist leans into a bend on a mountain road.",
    "Red lanterns glow above a narrow, crowded street.",
    "Someone has left a blue umbrella on the bench.",
    "A fisherman mends his net in front of a shed.",
    "The cat watches snow fall from behind the window.",
    "Workers carry a long mirror across the square.",
)
_TAGS: Final = tuple(
    f"{subject}, {place}, {light}, {extra}"
    for subject, place, light, extra in zip(
        ("1girl", "1boy", "black cat", "fox", "knight", "robot") * 2,
        ("forest", "beach", "city street", "library", "castle", "market") * 2,
        ("night", "sunset", "overcast", "neon light", "candle", "noon") * 2,
        (
            "smile",
            "rain",
            "hat",
            "sword",
            "book",
            "umbrella",
            "scarf",
            "snow",
            "boots",
            "moon",
            "lamp",
            "flowers",
        ),
        strict=True,
    )
)
_JAPANESE: Final = (
    "赤いドレスを着た女性が公園のベンチに座っている。",
    "夜の街を歩く男性、背景にはネオンが光っている。",
    "窓辺で眠る黒い猫と、机の上の古い本。",
    "雪の積もった山道を登る二人の登山者。",
    "港に停泊する小さな漁船と静かな海。",
    "桜の木の下で笑う子供たちの写真。",
    "雨の日に傘をさして立つ老人。",
    "台所でパンをこねる若い料理人。",
    "古い時計塔の上を飛ぶ鳥の群れ。",
    "砂浜に残された青い自転車。",
)
_LONG: Final = " ".join(_SENTENCES[:8])
_KNOWN: Final = DatasetUse()
_WITH_TRIGGER: Final = DatasetUse(trigger_word="ohwx")


def folder(
    captions: Sequence[str | bytes | None],
    *,
    use: DatasetUse | None = _KNOWN,
    names: Sequence[str] | None = None,
) -> DatasetEvidence:
    """Return a dataset with one picture for each caption; None is no file.

    Args:
        captions: Text, written as UTF-8, or the bytes of a file.
        use: How the job reads it.
        names: Of the pictures; those of one stem share the caption of the first.
    """
    paths = names or [f"{number:03d}.png" for number in range(len(captions))]
    found: dict[str, CaptionFile] = {}
    files: dict[str, CaptionFile] = {}
    for path, text in zip(paths, captions, strict=True):
        if text is None:
            continue
        file = posixpath.splitext(path)[0] + ".txt"
        data = text.encode() if isinstance(text, str) else text
        found[path] = files.setdefault(file, caption_of(file, data))
    return DatasetEvidence(
        name="proof",
        images=tuple(
            ImageFile(
                path=path, size_bytes=9, mtime_ns=1, format="PNG", mode="RGB", width=64, height=64
            )
            for path in paths
        ),
        captions=found,
        use=use,
        found_images=len(paths),
    )


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of captions is to be shown."""
    yield from _files()
    yield from _texts()
    yield from _meant_so()


def _files() -> Iterator[ProofCase]:
    yield _case("3 of 12 captions are missing", folder([None] * 3 + [*_SENTENCES[3:]]), "MISSING")
    yield _case("2 of 12 captions are blank", folder([" \n", "", *_SENTENCES[2:]]), "EMPTY")
    yield _case(
        "one caption in cp1252", folder(["caf\xe9 \x92".encode("latin-1"), *_SENTENCES]), "NOT_UTF8"
    )
    yield _case(
        "one caption in UTF-16 with its mark",
        folder([_SENTENCES[0].encode("utf-16"), *_SENTENCES[1:]]),
        "NOT_UTF8",
    )
    yield _case(
        "one caption in UTF-16 without a mark",
        folder([_SENTENCES[0].encode("utf-16-le"), *_SENTENCES[1:]]),
        "CONTROL_CHARS",
    )
    yield _case(
        "captions that were read in the wrong encoding",
        folder(["Un café près d'une forêt".encode().decode("cp1252")] * 2 + [*_SENTENCES]),
        "MOJIBAKE",
    )
    yield _case(
        "a file of 100 kB as a caption", folder(["word " * 20_000, *_SENTENCES]), "FILE_LARGE"
    )
    shared = folder([_SENTENCES[0]] * 2 + [_SENTENCES[1]], names=["a.jpg", "a.png", "b.jpg"])
    yield _case("two pictures of one stem", shared, "STEM_SHARED")
    search = DuplicateSearch(
        pairs=(DuplicatePair(first="a.jpg", second="a.png", level="exact_pixels"),), compared=3
    )
    yield _case("two pictures of one stem that are the same", evolve(shared, duplicates=search))
    yield _case(
        "captions end in .TXT",
        evolve(folder([None, *_SENTENCES]), wrong_case=("000.TXT",)),
        "WRONG_CASE",
    )
    yield _case("a caption without picture", evolve(folder(_SENTENCES), orphans=("old.txt",)))


def _texts() -> Iterator[ProofCase]:
    yield _case(
        "one refusal", folder(["I'm sorry, but I can't help with that.", *_SENTENCES]), "REFUSAL"
    )
    yield ProofCase(
        name="the trigger word is part of another word",
        evidence=folder(
            ["A catalogue lies open.", *_SENTENCES], use=DatasetUse(trigger_word="cat")
        ),
        must_find=("TRIGGER_HIDDEN",),
    )
    yield ProofCase(
        name="a placeholder and no trigger word",
        evidence=folder([f"[trigger] {text}" for text in _SENTENCES]),
        must_find=("TRIGGER_PLACEHOLDER_UNSET",),
    )
    yield ProofCase(
        name="the trigger word in another case",
        evidence=folder([f"A photo of Ohwx. {text}" for text in _SENTENCES], use=_WITH_TRIGGER),
        must_find=("TRIGGER_DOUBLED",),
    )
    clip = DatasetUse(text_encoder="clip", text_limit=77)
    yield _case("captions over CLIP's limit", folder([_LONG] * 12, use=clip), "TOO_LONG")
    t5 = DatasetUse(text_encoder="t5", text_limit=512)
    yield _case("the same captions for T5", folder([_LONG] * 12, use=t5))


def _meant_so() -> Iterator[ProofCase]:
    yield _case("sentences", folder(_SENTENCES))
    yield _case("tags", folder(_TAGS))
    yield _case("Japanese sentences", folder(_JAPANESE))
    yield _case(
        "captions with accents", folder(["Une fenêtre à São Tomé", "«Ça va?»", *_SENTENCES])
    )
    yield _case("one caption for all", folder(["a drawing in the ohwx style"] * 20))
    yield _case("no captions, with a trigger word", folder([None] * 20, use=_WITH_TRIGGER))
    yield _case("no captions, the job not known", folder([None] * 20, use=None))
    yield _case(
        "no captions, with a default caption",
        folder([None] * 20, use=DatasetUse(default_caption="a photo of a room")),
    )
    yield _case("captions without the trigger word", folder(_SENTENCES, use=_WITH_TRIGGER))
    yield _case(
        "captions with a placeholder",
        folder([f"[trigger]. {text}" for text in _SENTENCES], use=_WITH_TRIGGER),
    )
    yield _case(
        "regularisation pictures without the trigger word",
        folder(_TAGS, use=DatasetUse(trigger_word="cat", is_regularisation=True)),
    )
    yield _case("1 of 60 captions missing", folder([None, *_SENTENCES * 5][:60]))
    yield _case(
        "an apology on a sign",
        folder(["A sign that says \"I'm sorry, I can't help.\"", *_SENTENCES]),
    )
    broken = folder([None, *_SENTENCES])
    images = (evolve(broken.images[0], problem="truncated"), *broken.images[1:])
    yield _case("no caption beside a broken picture", evolve(broken, images=images))


def _case(name: str, evidence: DatasetEvidence, code: str = "") -> ProofCase:
    return ProofCase(name=name, evidence=evidence, must_find=(f"CAPTION_{code}",) if code else ())
