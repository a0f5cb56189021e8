"""The sheet of samples: bounded, complete about what it leaves out, and safe with any text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aitk_core.errors import InvalidArgumentsError
from aitk_core.evidence.samples import SampleImage, SamplesEvidence
from aitk_observability.samples.labels import file_name, plain
from aitk_observability.samples.lettering import Lettering, shown
from aitk_observability.samples.sheet import MAX_BYTES, sample_sheet

if TYPE_CHECKING:
    from aitk_observability.samples.sheet import Sheet

COLOURS = ((250, 30, 30), (30, 250, 30), (30, 30, 250))


def evidence(steps: int, prompts: int, *, text: str | None = "a cat") -> SamplesEvidence:
    samples = [
        SampleImage(
            step=250 * step,
            prompt_index=prompt,
            path="",
            prompt=text,
            wall_time=0.0,
            pixels=np.full((64, 64, 3), COLOURS[prompt % 3], dtype=np.uint8),
        )
        for step in range(steps)
        for prompt in range(prompts)
    ]
    return SamplesEvidence(job_id="job-1", samples=tuple(samples), total=len(samples))


def opened(sheet: Sheet) -> Image.Image:
    image = Image.open(io.BytesIO(sheet.data))
    image.load()
    assert Image.MIME[str(image.format)] == sheet.mime_type
    assert image.size == (sheet.width, sheet.height)
    assert len(sheet.data) <= MAX_BYTES
    return image.convert("RGB")


def columns_with(image: Image.Image, colour: tuple[int, ...]) -> int:
    """How many separate stretches of a colour the picture has from left to right."""
    has = (np.asarray(image) == colour).all(axis=2).any(axis=0)
    return int(np.count_nonzero(np.diff(has.astype(int), prepend=0) == 1))


def test_every_step_is_a_column_and_every_prompt_a_row() -> None:
    sheet = sample_sheet(evidence(4, 3))
    image = opened(sheet)
    for colour in COLOURS:
        assert columns_with(image, colour) == 4
    assert "4 steps, 3 prompts" in sheet.alt
    assert "Columns: steps 0, 250, 500, 750." in sheet.alt
    assert "Row prompt 2: 'a cat'." in sheet.alt
    assert sheet.mime_type == "image/png"


def test_what_is_left_out_is_said() -> None:
    everything = evolve(
        evidence(12, 9), steps=tuple(range(40)), prompt_indexes=tuple(range(12)), total=480
    )
    sheet = sample_sheet(everything)
    assert "8 of 40 steps, 6 of 12 prompts" in sheet.alt
    assert "steps 0, " in sheet.alt
    assert ", 2750." in sheet.alt
    assert columns_with(opened(sheet), COLOURS[0]) == 8


def test_the_themes_differ_in_ground_only() -> None:
    light, dark = (opened(sample_sheet(evidence(2, 1), theme=t)) for t in ("light", "dark"))
    assert light.getpixel((0, 0)) == (255, 255, 255)
    assert dark.getpixel((0, 0)) == (22, 25, 29)
    assert light.size == dark.size


def test_missing_and_unreadable_samples_are_cells_of_their_own() -> None:
    full = evidence(2, 2)
    broken = SampleImage(step=0, prompt_index=0, path="", prompt=None, wall_time=0.0, error="cut")
    partial = SamplesEvidence(job_id="job-1", samples=(broken, *full.samples[1:3]), total=3)
    sheet = sample_sheet(partial)
    assert "1 of 4 cells could not be read" in sheet.alt
    assert "2 steps, 2 prompts" in sheet.alt
    opened(sheet)


@pytest.mark.parametrize(
    ("total", "missing", "words"),
    [
        (0, {}, "no samples yet"),
        (2, {"media": "2 of 2 samples are no images: 2 .mp4"}, "no sample images; 2 of 2 samples"),
    ],
)
def test_a_run_without_images_has_a_sheet_that_says_so(
    total: int, missing: dict[str, str], words: str
) -> None:
    sheet = sample_sheet(SamplesEvidence(job_id="x", samples=(), total=total, missing=missing))
    assert words in sheet.alt
    opened(sheet)


@pytest.mark.parametrize("width", [320, 1200, 2400])
def test_a_full_sheet_of_noise_stays_within_width_and_bytes(width: int) -> None:
    generator = np.random.default_rng(0)
    samples = [
        SampleImage(
            step=step,
            prompt_index=prompt,
            path="",
            prompt="x" * 2000,
            wall_time=0.0,
            pixels=generator.integers(0, 256, (256, 128, 3)).astype(np.uint8),
        )
        for step in range(8)
        for prompt in range(6)
    ]
    sheet = sample_sheet(
        SamplesEvidence(job_id="x", samples=tuple(samples), total=48), max_width=width
    )
    opened(sheet)
    assert sheet.width <= width
    assert len(sheet.alt) < 2000


@pytest.mark.parametrize(
    "options", [{"theme": "pink"}, {"max_width": 319}, {"max_width": 10**9}, {"max_width": True}]
)
def test_options_out_of_bounds_are_invalid_arguments(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        sample_sheet(evidence(1, 1), **options)
    assert caught.value.details["faults"]


@pytest.mark.parametrize(
    "text", ["一只猫", "\U0001f642", "\x00\x1b[31m", "\u202egnp", "\udcff", ""]
)
def test_any_script_can_be_drawn(text: str) -> None:
    sheet = sample_sheet(evidence(1, 1, text=text))
    opened(sheet)
    sheet.alt.encode()
    assert sheet.alt.isprintable()


def test_letters_that_the_font_lacks_lose_their_accent_or_are_escaped() -> None:
    assert shown("café") == "cafe"
    assert shown("a\t\nb 一") == r"a b \u4e00"
    assert shown("plain, [text] {1}~") == "plain, [text] {1}~"


@given(st.text(max_size=600), st.integers(30, 300))
def test_any_text_fits_its_room_and_is_drawable(text: str, room: int) -> None:
    lettering = Lettering(14, str)
    fitted = lettering.fitted(text, room)
    assert lettering._width(fitted) <= room
    assert all(each.isascii() or each == "\u2026" or each.isprintable() for each in fitted)


@given(st.text(), st.integers(1, 80))
def test_plain_text_is_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    line = plain(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
    line.encode()
    assert plain(line, limit) == line


def test_a_file_name_is_the_last_part_of_either_kind_of_path() -> None:
    assert file_name("/a/b/cat.png") == file_name(r"C:\a\cat.png") == "cat.png"
