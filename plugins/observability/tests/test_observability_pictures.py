"""Pictures in answers: where the client takes them, where they are asked for, and by URI."""

from __future__ import annotations

import asyncio
import base64
import io
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import mcp_types as t
import pytest
from mcp.shared.exceptions import MCPError
from PIL import Image as Picture

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.records.results import Image, Link, Text
from aitk_core.settings import SettingsSource
from aitk_core.testing.evidence import answer_of
from aitk_core.testing.mcp import ERAS, with_client
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from support.trained import trained

TESTS = Path(__file__).parents[3] / "tests"
RUNS = recorded_runs()
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
TOOL = "get-training-observability"


def observe(name: str, **more: Any) -> Any:
    run = RUNS[name]
    return answer_of([run], TOOL, {"job_id": run.job_id, **more}, points=PLUGIN)


def kinds(answer: Any) -> list[type]:
    return [type(block) for block in answer.blocks]


def application(name: str) -> Application:
    return Application(
        source=SettingsSource(environment={}),
        points=PLUGIN,
        backend=recorded_backend([RUNS[name]]),
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_that_is_asked_for_comes_with_its_words(theme: str) -> None:
    answer = observe("ok_with_validation", charts=theme)
    assert kinds(answer) == [Text, Image, Link]
    assert answer.blocks[0].text.startswith("Chart ok_with_validation")
    picture = Picture.open(io.BytesIO(answer.blocks[1].data))
    assert picture.format == "PNG"
    assert picture.width == 800


def test_a_client_that_takes_no_pictures_gets_none_unasked() -> None:
    assert kinds(observe("ok_200_steps")) == [Link]
    assert kinds(observe("ok_200_steps", charts="none")) == [Link]


def test_losses_of_the_log_are_linked_too_and_none_are_not() -> None:
    assert kinds(observe("no_ui_logger")) == [Link]
    assert kinds(observe("fail_missing_dataset")) == []


def test_a_run_without_anything_to_draw_has_no_picture() -> None:
    assert Image not in kinds(observe("fail_missing_dataset", charts="light"))


def test_a_brief_report_has_a_picture_only_where_it_is_asked_for() -> None:
    assert Image not in kinds(observe("ok_200_steps", detail="brief"))
    assert Image in kinds(observe("ok_200_steps", detail="brief", charts="light"))


@pytest.mark.parametrize("mode", ERAS)
def test_over_mcp_the_picture_and_the_link_come_by_default(mode: str) -> None:
    job_id = RUNS["high_lr_divergence"].job_id

    async def use(client: Any) -> t.CallToolResult:
        result: t.CallToolResult = await client.call_tool(TOOL, {"job_id": job_id})
        return result

    result = with_client(application("high_lr_divergence"), use, mode=mode)
    (image,) = [item for item in result.content if isinstance(item, t.ImageContent)]
    assert base64.b64decode(image.data).startswith(b"\x89PNG")
    (link,) = [item for item in result.content if isinstance(item, t.ResourceLink)]
    assert str(link.uri) == f"aitk://runs/{job_id}/loss.csv"


def test_the_chart_can_be_read_by_its_uri() -> None:
    job_id = RUNS["overfit"].job_id

    async def use(client: Any) -> Any:
        return await client.read_resource(f"aitk://runs/{job_id}/chart.png")

    content = with_client(application("overfit"), use).contents[0]
    assert content.mime_type == "image/png"
    assert base64.b64decode(content.blob).startswith(b"\x89PNG")


def test_a_chart_of_nothing_is_an_error_that_says_so() -> None:
    job_id = RUNS["fail_missing_dataset"].job_id

    async def use(client: Any) -> Any:
        with pytest.raises(MCPError) as refusal:
            await client.read_resource(f"aitk://runs/{job_id}/chart.png")
        return str(refusal.value)

    assert "nothing to draw" in with_client(application("fail_missing_dataset"), use)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of the sandbox's genuine small trainer, with samples, and its backend's address."""
    folder = tmp_path_factory.mktemp("sandbox")

    async def train(use: Any) -> Any:
        async with trained(folder, "sampled", steps=40) as run:
            return await use(run.backend, run.job_id)

    return lambda use: asyncio.run(train(use))


def test_an_evaluation_looks_at_the_samples_and_shows_a_sheet_of_them(sampled: Any) -> None:
    async def use(backend: Any, job_id: str) -> Any:
        source = SettingsSource(environment={})
        async with Application(source=source, points=PLUGIN, backend=backend) as app:
            session = Session(policy=app.policy, shows_images=True)
            call = app.dispatcher.call
            seen = await call("evaluate-lora", {"job_id": job_id}, session)
            without = await call(
                "evaluate-lora", {"job_id": job_id, "include_samples": False}, session
            )
            sheet = await app.dispatcher.read(f"aitk://runs/{job_id}/samples", session)
            return seen, without, sheet

    seen, without, sheet = sampled(use)
    told = seen.data["run_report"]["samples"]
    assert told["looked_at"] > 0
    assert "samples" not in seen.data["run_report"]["not_assessed"]
    assert "samples" in without.data["run_report"]["not_assessed"]
    assert kinds(seen) == [Text, Image]
    assert Picture.open(io.BytesIO(seen.blocks[1].data)).width >= 320
    assert without.data["run_report"]["samples"] == {
        "looked_at": 0,
        "reason": "include_samples is false",
    }
    assert kinds(without) == []
    assert sheet.mime_type in ("image/png", "image/jpeg")
    assert Picture.open(io.BytesIO(sheet.data)).width >= 320


def test_samples_that_cannot_be_read_cost_the_evaluation_nothing() -> None:
    run = RUNS["ok_with_validation"]
    answer = answer_of([run], "evaluate-lora", {"job_id": run.job_id}, points=PLUGIN)
    assert answer.data is not None
    assert answer.data["evaluation"]["grade"] == "B"
    assert answer.data["run_report"]["samples"]["looked_at"] == 0
