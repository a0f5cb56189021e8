"""Captions as bytes: any bytes give a record, text comes back, and guesses follow A8's order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.evidence.dataset import CaptionFile
from aitk_datasets.captions.reading import (
    LIMIT_BYTES,
    caption_of,
    decode,
    mended,
    read_caption,
)

if TYPE_CHECKING:
    from pathlib import Path

CP1252 = "".join(
    letter for byte in range(1, 256) if (letter := bytes([byte]).decode("cp1252", errors="ignore"))
)
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def problems(data: bytes) -> tuple[str, ...]:
    return caption_of("a.txt", data).problems


@given(st.binary(max_size=300))
def test_any_bytes_give_a_record(data: bytes) -> None:
    caption = caption_of("a.txt", data)
    assert caption.size_bytes == len(data)
    assert ("not_utf8" in caption.problems) == (not _is_utf8(data))
    assert caption.text.encode("utf-8").decode() == caption.text


@given(st.binary(max_size=300))
def test_what_is_called_exact_encodes_to_the_same_bytes(data: bytes) -> None:
    decoded = decode(data)
    if decoded.is_exact:
        assert decoded.encoded() == data


@given(st.text(LETTERS, max_size=300))
def test_utf8_without_nul_comes_back(text: str) -> None:
    data = text.encode()
    decoded = decode(data)
    assert decoded.is_utf8
    assert decoded.is_exact
    assert decoded.text == text.removeprefix("\ufeff")


@given(st.text(CP1252, min_size=1, max_size=300))
def test_cp1252_comes_back_wherever_it_is_no_utf8(text: str) -> None:
    data = text.encode("cp1252")
    decoded = decode(data)
    assert decoded.is_exact
    assert decoded.encoded() == data
    if not _is_utf8(data) and not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        assert (decoded.encoding, decoded.text) == ("cp1252", text)


@given(
    st.text(LETTERS, max_size=300),
    st.sampled_from([(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]),
)
def test_utf16_with_its_mark_comes_back(text: str, form: tuple[bytes, str]) -> None:
    mark, codec = form
    data = mark + text.encode(codec)
    decoded = decode(data)
    assert (decoded.encoding, decoded.codec, decoded.text) == ("utf-16", codec, text)
    assert decoded.is_exact
    assert decoded.encoded() == data
    assert not decoded.is_utf8


@given(st.text(st.characters(max_codepoint=0x7F, exclude_characters="\0"), min_size=1))
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_of_ascii_without_mark_is_told_from_utf8_with_nuls(codec: str, text: str) -> None:
    caption = caption_of("a.txt", text.encode(codec))
    assert (caption.encoding, caption.text) == ("utf-16", text)
    # The trainer does not stop at it: NULs are valid UTF-8, and are trained.
    assert "not_utf8" not in caption.problems
    assert "control_chars" in caption.problems


def test_pitfall_33_latin1_and_utf16_captions_are_read_as_what_they_are() -> None:
    latin = caption_of("a.txt", "größe naïve".encode("latin-1"))
    assert (latin.text, latin.encoding, latin.problems) == ("größe naïve", "cp1252", ("not_utf8",))
    wide = caption_of("b.txt", "größe naïve".encode("utf-16"))
    assert (wide.text, wide.encoding, wide.problems) == ("größe naïve", "utf-16", ("not_utf8",))


def test_byte_92_is_a_quote_and_not_a_control_character() -> None:
    assert decode(b"the dog\x92s ball").text == "the dog\u2019s ball"


def test_latin1_is_last_since_it_decodes_anything() -> None:
    decoded = decode(b"\x81\xe9")
    assert (decoded.encoding, decoded.text) == ("latin-1", "\x81\xe9")


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Женщина в красном платье стоит возле окна", "cp1251"),
        ("кошка, окно, солнечный свет", "koi8-r"),
        ("赤いドレスを着た女性が座っている。", "shift_jis"),
        ("一个穿红裙子的女人坐在公园的长椅上。", "gbk"),
        ("창가에 앉아 책을 읽는 여자", "euc_kr"),
    ],
)
def test_a_guess_at_another_script_is_called_doubtful(text: str, codec: str) -> None:
    decoded = decode(text.encode(codec))
    assert decoded.is_doubtful
    assert decoded.is_exact


@pytest.mark.parametrize("text", ["Größe naïve", "À Évian, l'été dernier, à côté du théâtre."])
def test_a_guess_at_a_western_text_is_not_doubtful(text: str) -> None:
    assert not decode(text.encode("cp1252")).is_doubtful


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ()),
        (b"a cat\n", ()),
        (b"a cat\r\n\r\n", ()),
        (b"a\tcat", ()),
        (b"\xef\xbb\xbfa cat", ("bom",)),
        (b"a\x07cat", ("control_chars",)),
        (b"a cat \x00 here", ("control_chars",)),
        (b"a cat\na dog", ("multiline",)),
        (b"a cat\rand a dog", ("multiline",)),
        (b"a cat\r\n\r\na dog", ("multiline",)),
        # Not line ends: the file has one line (PITFALLS 30).
        ("a cat\u2028a dog\u0085".encode(), ()),
        ("Un café".encode().decode("cp1252").encode(), ("mojibake",)),
        (b"\xef\xbb\xbfcaf\xe9", ("not_utf8", "bom")),
        (b"\xff", ("not_utf8",)),
    ],
)
def test_problems_of_bytes(data: bytes, expected: tuple[str, ...]) -> None:
    assert problems(data) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Un café près d'une forêt",
        "Größe",
        "it\u2019s",
        "Женщина возле окна",
        "猫、窓",
        "naïve — “so”",
    ],
)
@pytest.mark.parametrize("codec", ["cp1252", "latin-1"])
def test_mojibake_is_mended(text: str, codec: str) -> None:
    try:
        damaged = text.encode().decode(codec)
    except UnicodeDecodeError:
        damaged = text.encode().decode("latin-1")
    assert mended(damaged) == text


@pytest.mark.parametrize(
    "text",
    ["São Paulo", "SÃO JOÃO", "ÂNGELA", "«Ça va?» — oui", "Ätna, Öl", "10 µm ± 2 °C", "猫", "a"],
)
def test_sound_text_is_not_mended(text: str) -> None:
    assert mended(text) is None


def test_a_long_file_is_cut_without_breaking_a_character() -> None:
    data = ("a" + "é" * LIMIT_BYTES).encode()
    caption = caption_of("a.txt", data)
    assert caption.problems == ("too_long",)
    assert caption.size_bytes == len(data)
    assert caption.text == "a" + "é" * (LIMIT_BYTES // 2 - 1)


def test_the_file_is_read_once_and_only_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"x" * (3 * LIMIT_BYTES))
    caption = read_caption(file, "sub/a.txt", is_generated=True)
    assert (caption.path, caption.size_bytes) == ("sub/a.txt", 3 * LIMIT_BYTES)
    assert (len(caption.text), caption.is_generated) == (LIMIT_BYTES, True)
    file.write_text("a cat", encoding="utf-8")
    assert read_caption(file, "a.txt") == CaptionFile(path="a.txt", size_bytes=5, text="a cat")


def test_pitfall_57_a_linked_caption_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret", encoding="utf-8")
    link = tmp_path / "a.txt"
    link.symlink_to(secret)
    with pytest.raises(OSError, match=r"a\.txt"):
        read_caption(link, "a.txt")


def test_what_is_no_plain_file_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    (tmp_path / "b.txt").mkdir()
    for name in ("a.txt", "b.txt"):
        with pytest.raises(OSError, match=name.replace(".", r"\.")):
            read_caption(tmp_path / name, name)
    with pytest.raises(FileNotFoundError):
        read_caption(tmp_path / "c.txt", "c.txt")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
