"""Captions of every kind that a folder may hold (datasets.md sections A8 and E6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.testing.planted.codec import jpeg, png
from aitk_core.testing.planted.truth import OddPath, PlantedCaption
from aitk_core.testing.planted.words import TRIGGER, long_text, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import Generator

    from aitk_core.testing.planted.site import Site

_SAME_TEXT: Final = 3
"""Pictures that share a text, in each group."""
_LONG: Final = 68 * 1024


def plant_captions(site: Site) -> None:
    """Plant one of each kind of caption, each beside a picture of its own."""
    for number in site.numbers():
        for kind, (groups, encoding, mark, make) in _TEXTS.items():
            image = _picture(site, f"{kind}_{number}")
            text = make(site.rng(f"caption of {image}"))
            data = mark + text.encode(encoding)
            site.caption(image, data, kind, *groups, text=text, encoding=encoding)
        _plant_absent(site, number)
        _plant_shared(site, number)
        _plant_strays(site, number)


def _picture(site: Site, stem: str, ext: str = "jpg") -> str:
    path = f"train/text_{stem}.{ext}"
    picture = site.base(path)
    data = png(picture) if ext == "png" else jpeg(picture)
    return site.picture(path, data, "captioned", size=picture.size, is_captioned=False)


def _plant_absent(site: Site, number: int) -> None:
    site.caption(_picture(site, f"missing_{number}"), None, "missing")
    image = _picture(site, f"wrong_case_{number}")
    text = sentence(site.rng(f"caption of {image}"))
    site.caption(image, text.encode(), "wrong_case", text=text, ext=".TXT")


def _plant_shared(site: Site, number: int) -> None:
    text = sentence(site.rng(f"same text {number}"))
    for copy in range(1, _SAME_TEXT + 1):
        image = _picture(site, f"same_text_{number}_{copy}")
        site.caption(image, text.encode(), "same_text", text=text)

    images = [_picture(site, f"stem_shared_{number}", ext) for ext in ("jpg", "png")]
    text = sentence(site.rng(f"caption of {images[0]}"))
    path = f"train/text_stem_shared_{number}.txt"
    site.write(path, text.encode())
    site.captions.append(
        PlantedCaption(path=path, labels=("stem_shared",), images=tuple(images), text=text)
    )

    images = [_picture(site, f"swapped_{number}_{letter}") for letter in "ab"]
    for image, shown in zip(images, reversed(images), strict=True):
        text = sentence(site.rng(f"caption of {shown}"))
        site.caption(image, text.encode(), "swapped", text=text)


def _plant_strays(site: Site, number: int) -> None:
    path = f"train/orphan_{number}.txt"
    text = sentence(site.rng(path))
    site.write(path, text.encode())
    site.captions.append(PlantedCaption(path=path, labels=("orphan",), text=text))
    for name, text in (
        (f"notes_{number}.md", f"# Notes {number}\nPictures from two sessions.\n"),
        (f"text_missing_{number}.caption", "a caption under an extension that nobody configured"),
        (f"list_{number}.json", "[]"),
    ):
        site.write(f"train/{name}", text.encode())
        site.odd_paths.append(OddPath(path=f"train/{name}", kind="stray"))


def _accented(rng: Generator) -> str:
    return f"{sentence(rng)}, caf\u00e9 na\u00efve"


def _two_lines(rng: Generator, end: str) -> str:
    return sentence(rng) + end + sentence(rng, "it") + end


def _tag_line(rng: Generator, odd: str) -> str:
    """Return tags with an odd part among them."""
    words = sentence(rng, "it").replace(",", "").replace(":", "").replace(";", "").split()
    return ", ".join([TRIGGER, f"{words[0]} {words[1]}", "red scarf", odd, words[-1]])


_TEXTS: Final[Mapping[str, tuple[tuple[str, ...], str, bytes, Callable[[Generator], str]]]] = {
    "empty": ((), "utf-8", b"", lambda _rng: ""),
    "blank": ((), "utf-8", b"\xef\xbb\xbf", lambda _rng: " \u200b\t\n \r\n"),
    "latin1": (("not_utf8",), "latin-1", b"", _accented),
    "cp1252": (("not_utf8",), "cp1252", b"", lambda rng: f"{sentence(rng)}, the cat\u2019s bowl"),
    "utf16": (("not_utf8",), "utf-16-le", b"\xff\xfe", _accented),
    "utf16_no_mark": (("control_chars",), "utf-16-le", b"", sentence),
    "bom": ((), "utf-8", b"\xef\xbb\xbf", sentence),
    "nul": (("control_chars",), "utf-8", b"", lambda rng: f"{sentence(rng)}\0 cut here"),
    "multiline": ((), "utf-8", b"", lambda rng: _two_lines(rng, "\n")),
    "crlf": (("multiline",), "utf-8", b"", lambda rng: _two_lines(rng, "\r\n")),
    "mojibake": ((), "utf-8", b"", lambda rng: _accented(rng).encode().decode("cp1252")),
    "over_77": ((), "utf-8", b"", lambda rng: long_text(rng, 100)),
    "over_512": (("over_77",), "utf-8", b"", lambda rng: long_text(rng, 560)),
    "too_long": (
        ("over_77", "over_512"),
        "utf-8",
        b"",
        lambda rng: (long_text(rng, 600) + ". ") * (1 + _LONG // 3000),
    ),
    "trigger_absent": ((), "utf-8", b"", lambda rng: sentence(rng, "a man")),
    "trigger_placeholder": ((), "utf-8", b"", lambda rng: sentence(rng, "[trigger]")),
    "trigger_twice": ((), "utf-8", b"", lambda rng: f"{sentence(rng)}, {TRIGGER}"),
    "refusal": (
        ("trigger_absent",),
        "utf-8",
        b"",
        lambda rng: f"I'm sorry, but I can't describe {sentence(rng, 'it')}.",
    ),
    "boilerplate": ((), "utf-8", b"", lambda rng: f"The image shows {sentence(rng)}."),
    "repeated_tags": ((), "utf-8", b"", lambda rng: _tag_line(rng, "Red scarf ")),
    "empty_tags": ((), "utf-8", b"", lambda rng: _tag_line(rng, " ")),
}
"""Groups, encoding, byte order mark and text of each kind; a kind is its own first label."""
