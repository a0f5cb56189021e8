"""Small pictures, what sheets say of each finding, and the figures behind the charts."""

from __future__ import annotations

import asyncio
import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from aitk_core.drawing.sheets import MAX_BYTES
from aitk_core.evidence.dataset import (
    CaptionFile,
    DatasetEvidence,
    DatasetUse,
    DuplicatePair,
    DuplicateSearch,
    ImageFile,
    Looks,
)
from aitk_core.records.findings import Estimate, EvidenceRef, Finding
from aitk_core.services.parallel import ParallelPool
from aitk_datasets.charts.draw import NAMES, dataset_charts
from aitk_datasets.charts.figures import (
    aspect_panels,
    bucket_panels,
    caption_panels,
    resolution_panels,
)
from aitk_datasets.charts.records import Bars, Histogram
from aitk_datasets.pictures import thumbs as thumbs_module
from aitk_datasets.pictures.thumbs import SIDE, Task, Thumb, lost_thumb, read_thumbs, thumb_of
from aitk_datasets.sheets.draw import draw_sheet
from aitk_datasets.sheets.examples import Chooser
from aitk_datasets.sheets.groups import ALL, rows_of
from aitk_datasets.sheets.records import Example, Subject
from support.piecework import dies_at_a_killer
from support.samplepictures import encoded, picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOKS = Looks(p5=20.0, p95=220.0, clipped=0.0, spread=40.0, laplacian=500.0, tile_laplacian=900.0)


def image(path: str, width: int | None = 600, height: int | None = 400, **more: Any) -> ImageFile:
    fields: dict[str, Any] = {"size_bytes": 1000, "mtime_ns": 1, "format": "JPEG", "looks": LOOKS}
    return ImageFile(path=path, width=width, height=height, **(fields | more))


def evidence(*images: ImageFile, **more: Any) -> DatasetEvidence:
    return DatasetEvidence(name="cats", images=images, found_images=len(images), **more)


def finding(code: str, *files: str, n: int = 10, share: float | None = None) -> Finding:
    return Finding(
        code=code,
        category="dataset",
        severity="warning",
        message="m",
        method="m_v1",
        n=n,
        estimate=None if share is None else Estimate(value=share, unit="share of the pictures"),
        evidence=(EvidenceRef(source="dataset", files=files),),
    )


def same(text: str) -> str:
    return text


def write(folder: Path, name: str, data: bytes) -> Task:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return Task(folder=str(folder), path=name)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_made_small_and_upright(tmp_path: Path, form: str) -> None:
    wide = Image.new("RGB", (1200, 600), "red")
    wide.paste("blue", (0, 0, 600, 600))
    exif = wide.getexif()
    exif[0x0112] = 6
    thumb = thumb_of(write(tmp_path, f"a.{form.lower()}", encoded(wide, form, exif=exif)))
    assert (thumb.width, thumb.height, thumb.why) == (SIDE // 2, SIDE, "")
    made = Image.open(io.BytesIO(thumb.data))
    assert (made.format, made.mode, made.size) == ("JPEG", "RGB", (SIDE // 2, SIDE))
    upper, lower = made.getpixel((80, 40)), made.getpixel((80, 280))
    assert isinstance(upper, tuple)
    assert isinstance(lower, tuple)
    assert upper[2] > 200 > lower[2]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_any_mode_gives_a_picture(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(np.full((40, 60), 30_000, dtype=np.uint16))
    made = grey if mode == "I;16" else Image.new(mode, (60, 40))
    data = encoded(made, "JPEG" if mode == "CMYK" else "PNG")
    thumb = thumb_of(write(tmp_path, "a.png", data))
    assert (thumb.width, thumb.height) == (60, 40)


def test_nothing_else_of_the_file_comes_along(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret description"
    data = encoded(picture(), comment=b"a secret comment", exif=exif, icc_profile=b"secret" * 99)
    assert b"secret" not in thumb_of(write(tmp_path, "a.jpg", data)).data


def test_pitfall_57_no_link_is_followed_for_a_small_picture(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, "a.jpg", encoded(picture()))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.jpg").symlink_to(outside / "a.jpg")
    (folder / "inner").symlink_to(outside)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "dir.jpg").mkdir()
    paths = ("link.jpg", "inner/a.jpg", "../outside/a.jpg", "pipe.jpg", "dir.jpg", "gone.jpg", "")
    for path in paths:
        thumb = thumb_of(Task(folder=str(folder), path=path))
        assert not thumb.data, path
        assert thumb.why, path


def test_pitfall_99_a_picture_over_the_limit_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = write(tmp_path, "a.png", encoded(picture(), "PNG"))
    monkeypatch.setattr(thumbs_module, "PIXEL_LIMIT", 360 * 270 - 1)
    assert thumb_of(task) == Thumb(why="over the pixel limit, not decoded")


@given(st.binary(max_size=200), st.integers(0, 3000))
def test_no_content_stops_a_sheet(tmp_path_factory: Any, junk: bytes, cut: int) -> None:
    data = encoded(picture())
    folder = tmp_path_factory.mktemp("junk")
    for content in (junk, data[:cut] + junk, data[:cut] + junk + data[cut + len(junk) :]):
        thumb = thumb_of(write(folder, "a.jpg", content))
        assert bool(thumb.data) != bool(thumb.why)


def test_a_picture_that_kills_the_decoder_costs_its_own_tile_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "killer.jpg", "z.jpg"):
        write(tmp_path, name, encoded(picture()))
    monkeypatch.setattr(thumbs_module, "thumb_of", dies_at_a_killer)
    parallel = ParallelPool("processes", workers=2)

    class Context:
        stream = staticmethod(parallel.stream)

    context: Any = Context()
    made = asyncio.run(read_thumbs(context, tmp_path, ["a.jpg", "killer.jpg", "z.jpg", "a.jpg"]))
    assert {path: bool(thumb.data) for path, thumb in made.items()} == {
        "a.jpg": True,
        "killer.jpg": False,
        "z.jpg": True,
    }
    assert made["killer.jpg"] == lost_thumb(Task(folder="", path=""))


USE = DatasetUse(resolutions=(512, 1024), divisibility=16, batch_size=4, text_encoder="clip")
ODD: tuple[tuple[str, ImageFile, str], ...] = (
    ("ASPECT_EXTREME", image("a", 1204, 83), "1,204 x 83"),
    ("IMAGE_TOO_LARGE", image("a", 20_000, 9000, problem="too_large"), "20,000 x 9,000"),
    ("IMAGE_EMPTY_FILE", image("a", None, None, problem="zero_bytes"), "0 bytes"),
    ("IMAGE_DARK", image("a", looks=evolve(LOOKS, p95=31.0)), "95 % below 31 of 255"),
    ("IMAGE_ROTATED_BY_EXIF", image("a", orientation=6), "EXIF: turned 90\N{DEGREE SIGN}"),
    ("IMAGE_ANIMATED", image("a", frames=12), "12 frames"),
    ("IMAGE_MISLABELLED", image("a.png", format="WEBP"), "WEBP inside"),
    ("BUCKET_CROP_LARGE", image("a", 14, 11), "-23.8 % cropped"),
    ("IMAGE_SMALLER_THAN_TARGET", image("a", 512, 512), "512 x 512 (25 %)"),
)  # fmt: skip


@pytest.mark.parametrize(("code", "odd", "words"), ODD)
def test_a_tile_says_what_is_wrong_in_a_few_words(code: str, odd: ImageFile, words: str) -> None:
    sound = image("sound", 1024, 1024)
    chosen, total = Chooser(evidence=evidence(odd, sound, use=USE)).choose(finding(code, odd.path))
    assert [(each.path, each.words) for each in chosen] == [(odd.path, words)]
    assert total == 1


def test_findings_of_third_parties_show_the_files_that_they_name() -> None:
    odd = "a\u202eb.jpg"
    chooser = Chooser(evidence=evidence(image(odd), image("c.jpg")))
    chosen, total = chooser.choose(finding("ACME_ODD", "a\\u202eb.jpg", "no such", share=0.4))
    assert [(each.path, each.words) for each in chosen] == [(odd, "600 x 400")]
    assert total == 4


def test_a_name_that_two_files_would_be_written_by_shows_neither() -> None:
    chooser = Chooser(evidence=evidence(image("a\tb"), image("a b")))
    assert chooser.choose(finding("ACME_ODD", "a b"))[0] == ()


def test_captions_are_quoted_beside_their_pictures() -> None:
    caption = CaptionFile(path="a.txt", size_bytes=9, text="I cannot describe this")
    chooser = Chooser(evidence=evidence(image("a.jpg"), captions={"a.jpg": caption}))
    ((example,), _) = chooser.choose(finding("CAPTION_REFUSAL", "a.jpg"))
    assert example.words == "\u201cI cannot describe this\u201d"


def groups() -> DatasetEvidence:
    pairs = (
        DuplicatePair(first="n1", second="n2", level="near", mirrored=True),
        DuplicatePair(first="e1", second="e2", level="exact_file"),
        DuplicatePair(first="p1", second="p2", level="possible", turned=90),
        DuplicatePair(first="e1", second="held", level="near", other="val"),
    )
    images = [image(path) for path in ("e1", "e2", "n1", "p1", "p2")]
    bigger = image("n2", 1200, 800)
    search = DuplicateSearch(pairs=pairs)
    return evidence(*images, bigger, duplicates=search)


def test_groups_are_rows_the_surest_first_and_the_one_to_keep_in_front() -> None:
    rows = rows_of(groups(), ALL)
    assert [row.level for row in rows] == ["exact", "near", "possible"]
    assert [[each.path for each in row.examples] for row in rows] == [
        ["e1", "e2"],
        ["n2", "n1"],
        ["p1", "p2"],
    ]
    marks = [[each.mark for each in row.examples] for row in rows]
    assert marks == [["keep", ""], ["keep", "mirrored"], ["", "turned 90\N{DEGREE SIGN}"]]
    assert rows[1].examples[0].words == "1,200 x 800, 1 kB"


def test_a_leak_names_the_other_folder_and_opens_nothing_there() -> None:
    (row,) = rows_of(groups(), "DATASET_LEAK")
    assert [each.is_readable for each in row.examples] == [True, False]
    subject = Subject(code="DATASET_LEAK", title="Leak", rows=(row,))
    assert subject.paths() == ["e1"]
    assert draw_sheet(subject, {}, name="cats", redact=same).data


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every text that sheets draw."""
    texts: list[str] = []
    pen_text: Callable[..., None] = ImageDraw.ImageDraw.text

    def write_text(pen: Any, at: Any, text: str, *arguments: Any, **more: Any) -> None:
        texts.append(text)
        pen_text(pen, at, text, *arguments, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", write_text)
    return texts


@pytest.mark.parametrize("name", ["a" * 200, "\udcff\udcfe", "\u202e\x00\x1b", "\u4e2d\u6587" * 90])
def test_any_name_is_drawn_on_its_tile_cut_in_the_middle(name: str, drawn: list[str]) -> None:
    subject = Subject(code="X", title="X", examples=(Example(path=f"{name}_end.jpg", words=name),))
    sheet = draw_sheet(subject, {}, name=name, redact=same)
    assert Image.open(io.BytesIO(sheet.data)).size == (sheet.width, sheet.height)
    assert all(text.isprintable() and len(text) < 400 for text in (*drawn, *sheet.alt.split(". ")))
    assert any(text.endswith("end.jpg") for text in drawn)


def test_a_picture_that_does_not_decode_is_a_tile_that_says_so(drawn: list[str]) -> None:
    subject = Subject(code="X", title="X", examples=(Example(path="a.jpg", words="cut"),), more=30)
    draw_sheet(subject, {"a.jpg": Thumb(why="does not decode")}, name="cats", redact=same)
    assert drawn == ["X", "1 of 31 pictures \N{MIDDLE DOT} cats", "does not decode", "a.jpg", "cut"]


def test_a_full_sheet_of_noise_stays_within_its_bound(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))
    thumb = thumb_of(write(tmp_path, "a.png", encoded(noise, "PNG")))
    examples = tuple(Example(path=str(number)) for number in range(24))
    thumbs = {each.path: thumb for each in examples}
    subject = Subject(code="X", title="X", examples=examples)
    for theme in ("light", "dark"):
        sheet = draw_sheet(subject, thumbs, name="cats", theme=theme, redact=same)
        assert len(sheet.data) <= MAX_BYTES


SIZES = st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 9000)), min_size=1, max_size=60)


@given(SIZES, st.lists(st.integers(64, 4096), min_size=1, max_size=4), st.integers(1, 9))
def test_every_picture_is_in_one_column_of_each_chart(
    sizes: list[tuple[int, int]], resolutions: list[int], batch: int
) -> None:
    use = DatasetUse(resolutions=tuple(resolutions), divisibility=16, batch_size=batch)
    images = [image(str(number), *sides) for number, sides in enumerate(sizes)]
    known = evidence(*images, use=use)
    for panel in (*resolution_panels(known), *aspect_panels(known)):
        assert isinstance(panel, Histogram)
        assert panel.counts.sum() + panel.beyond == len(sizes)
        assert panel.beyond == 0
        assert (np.diff(panel.edges) > 0).all()
        for rule in panel.rules:
            assert 0 <= float(panel.scale.at(rule.value)) < 1
    for bars in bucket_panels(known):
        assert isinstance(bars, Bars)
        for bar in bars.bars:
            assert bar.full % batch == 0
            assert bar.left_over < batch
        if not bars.more:
            assert sum(bar.full + bar.left_over for bar in bars.bars) == len(sizes)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=40))
def test_every_caption_is_counted_and_the_limit_lies_on_the_axis(lengths: list[int]) -> None:
    captions = {
        str(number): CaptionFile(path=f"{number}.txt", size_bytes=9, text="word " * length)
        for number, length in enumerate(lengths)
    }
    images = [image(path) for path in captions]
    (panel,) = caption_panels(evidence(*images, captions=captions, use=USE))
    assert isinstance(panel, Histogram)
    assert panel.counts.sum() + panel.beyond == len(lengths)
    (rule,) = panel.rules
    assert (rule.value, rule.is_limit) == (77, True)
    assert 0 < float(panel.scale.at(77)) < 1


def test_left_over_pictures_are_those_that_fill_no_batch() -> None:
    images = [image(str(number), 1024, 1024) for number in range(9)]
    use = DatasetUse(resolutions=(1024,), divisibility=16, batch_size=4)
    (bars,) = bucket_panels(evidence(*images, use=use))
    assert isinstance(bars, Bars)
    assert [(bar.label, bar.full, bar.left_over) for bar in bars.bars] == [("1024x1024", 8, 1)]
    assert "1 left over" in bars.note


@pytest.mark.parametrize("sides", [(1, 1), (1024, 1024), (60_000, 1), (1, 60_000)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_charts_of_a_single_picture_are_drawn(sides: tuple[int, int], theme: Any) -> None:
    caption = CaptionFile(path="a.txt", size_bytes=9, text="a cat")
    known = evidence(image("a.jpg", *sides), captions={"a.jpg": caption}, use=USE)
    charts = dataset_charts(known, names=NAMES, theme=theme, redact=same)
    assert [chart.name for chart in charts] == list(NAMES)
    for chart in charts:
        assert Image.open(io.BytesIO(chart.png)).size == (chart.width, chart.height)
        assert "(n = 1 picture" in chart.title
        assert chart.title in chart.alt


def test_nothing_known_draws_nothing() -> None:
    assert dataset_charts(evidence(), names=NAMES, redact=same) == ()
    unread = evidence(image("a", None, None, problem="damaged", looks=None))
    assert dataset_charts(unread, names=NAMES, redact=same) == ()
