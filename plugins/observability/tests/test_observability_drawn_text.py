"""What is drawn into pictures: no secret, no control character, no formula, no endless line."""

from __future__ import annotations

import asyncio
import io
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from attrs import evolve
from matplotlib.text import Text as DrawnText
from PIL import Image as Picture
from PIL import ImageDraw

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.evidence.samples import SampleImage, SamplesEvidence
from aitk_core.records.results import Image, Text
from aitk_core.settings import SettingsSource
from aitk_core.testing.evidence import job_row, run_evidence
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from aitk_observability.charts.canvas import Canvas
from aitk_observability.charts.run import run_charts
from aitk_observability.samples.sheet import sample_sheet

if TYPE_CHECKING:
    from aitk_core.records.results import ToolResult

PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
RUN = recorded_runs()["ok_200_steps"]
SECRET = "my-own-secret-of-the-server"
HUB = "hf_" + "a1B2" * 8
STEERING = "\x00\x1b\u202e\u2066\u200f\u200b\u2028\n\r"
FORMULAS = (
    r"$\frac{a}{b}$",
    r"$\badcommand{",
    "$x_{$ and $",
    r"\textbf{x} ^_{} %",
    "$" * 40,
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every text that charts and sheets draw."""
    texts: list[str] = []
    png, pen_text = Canvas.png, ImageDraw.ImageDraw.text

    def png_of(canvas: Canvas) -> bytes:
        texts.extend(one.get_text() for one in canvas._figure.findobj(DrawnText))
        return png(canvas)

    def write(pen: Any, at: Any, text: str, *arguments: Any, **more: Any) -> None:
        texts.append(text)
        pen_text(pen, at, text, *arguments, **more)

    monkeypatch.setattr(Canvas, "png", png_of)
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", write)
    return texts


def call(tool: str, name: str, **more: Any) -> ToolResult:
    """Call a tool of a server that keeps `SECRET`, of a run that bears a name."""
    run = evolve(RUN, row={**RUN.row, "name": name, "status": name})

    async def use() -> ToolResult:
        source = SettingsSource(environment={"MCP_HTTP_AUTH_TOKEN": SECRET})
        backend: Any = recorded_backend([run])
        async with Application(points=PLUGIN, source=source, backend=backend) as opened:
            session = Session(policy=opened.policy, shows_images=True)
            arguments = {"job_id": run.job_id, **more}
            return await opened.dispatcher.call(tool, arguments, session)

    return asyncio.run(use())


def samples(prompt: str, **missing: str) -> SamplesEvidence:
    shown = SampleImage(
        step=100,
        prompt_index=0,
        path=f"/samples/{prompt}.jpg",
        prompt=prompt,
        wall_time=0.0,
        pixels=np.full((32, 32, 3), 128, dtype=np.uint8),
    )
    return SamplesEvidence(job_id="job-1", samples=(shown,), total=1, missing=missing)


@pytest.mark.parametrize("secret", [SECRET, HUB])
@pytest.mark.parametrize("lead", ["", "i" * 60 + "-"])
def test_no_secret_in_a_jobs_name_is_drawn_in_its_chart_not_even_a_part(
    secret: str, lead: str, drawn: list[str]
) -> None:
    answer = call("get-training-observability", lead + secret, charts="light")
    assert any(isinstance(block, Image) for block in answer.blocks)
    assert any("[redacted]" in text for text in drawn)
    (words,) = (block.text for block in answer.blocks if isinstance(block, Text))
    for text in (*drawn, words):
        assert secret[:10] not in text


@pytest.mark.parametrize("secret", [SECRET, HUB])
@pytest.mark.parametrize("lead", ["", "i" * 65 + "-"])
def test_no_secret_in_a_prompt_or_a_fault_is_drawn_in_the_sheet(
    secret: str, lead: str, drawn: list[str]
) -> None:
    def redact(text: str) -> str:
        return text.replace(secret, "[redacted]")

    evidence = samples(lead + secret, media=f"files of {secret} are no images")
    sheet = sample_sheet(evidence, redact=redact)
    assert "files of [redacted] are no images" in drawn
    assert ("prompt 0: [redacted]" in drawn) == (not lead)
    assert "[redacted]" in sheet.alt
    for text in (*drawn, sheet.alt):
        assert secret[:10] not in text


def test_the_sheet_of_evaluate_lora_hides_what_the_server_keeps(
    drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(*_arguments: Any) -> SamplesEvidence:
        return samples(f"a cat {SECRET}")

    monkeypatch.setattr("aitk_observability.tools.evaluate.look_at_samples", look)
    answer = call("evaluate-lora", "x")
    assert any(isinstance(block, Image) for block in answer.blocks)
    assert "prompt 0: a cat [redacted]" in drawn


def test_a_secret_that_shows_only_once_the_text_is_clean_is_hidden_too(drawn: list[str]) -> None:
    def redact(text: str) -> str:
        return text.replace("top secret", "[redacted]")

    row = job_row(name="top\u200bsecret")
    assert run_charts(run_evidence([0.3, 0.2] * 50, job=row), (), redact=redact)
    assert sample_sheet(samples("top \n secret"), redact=redact).data
    assert sum("[redacted]" in text for text in drawn) == 2
    assert not any("top secret" in text for text in drawn)


@pytest.mark.parametrize("text", [*FORMULAS, f"a{STEERING}b", "W" * 100_000])
def test_hostile_text_is_drawn_literally_on_one_short_line(text: str, drawn: list[str]) -> None:
    row = job_row(name=text, status=text)
    (chart,) = run_charts(run_evidence([0.3, 0.2] * 50, job=row), ())
    sheet = sample_sheet(samples(text, media=text))
    for data in (chart.png, sheet.data):
        Picture.open(io.BytesIO(data)).load()
    assert drawn
    for words in drawn:
        assert len(words) <= 400
        assert words.isprintable()
        assert not set(words) & set(STEERING)
    if text in FORMULAS:
        assert sum(text[:20] in words for words in drawn) >= 2


def test_no_text_of_a_chart_is_read_as_a_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.mathtext import MathTextParser

    def refuse(*_arguments: Any, **_more: Any) -> Any:
        raise AssertionError("a formula was parsed")

    monkeypatch.setattr(MathTextParser, "parse", refuse)
    for name in FORMULAS:
        assert run_charts(run_evidence([0.3, 0.2] * 50, job=job_row(name=name, status=name)), ())


def test_without_a_redactor_of_the_server_hub_tokens_are_hidden_all_the_same(
    drawn: list[str],
) -> None:
    assert run_charts(run_evidence([0.3, 0.2] * 50, job=job_row(name=HUB)), ())
    assert sample_sheet(samples(HUB)).data
    assert not any("hf_" in text for text in drawn)
