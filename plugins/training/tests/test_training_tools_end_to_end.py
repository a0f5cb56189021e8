"""A life of a job through the tools, on the embedded backend with a real trainer process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.context import Session
from aitk_core.errors import ConflictError
from aitk_sandbox.demo import MODEL_NAME
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aitk_core.application import Application

    Tool = Callable[..., Awaitable[dict[str, Any]]]

WAIT_S = 90


async def until(
    tool: Tool, job_id: str, wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_S):
        while True:
            data = await tool("get-training-status", job_id=job_id, observe_seconds=0)
            if wanted(data):
                return data
            await asyncio.sleep(0.05)


async def life(tool: Tool, datasets: str) -> None:
    created = await tool(
        "create-training-config",
        name="whole_life",
        model_name=MODEL_NAME,
        arch="sd15",
        dataset_path=f"{datasets}/demo_pictures",
        steps=160,
        disable_sampling=True,
        overrides={
            "process.0.train.optimizer": "adamw",
            "process.0.save.save_every": 40,
            "process.0.sandbox": {"step_delay_s": 0.03},
        },
    )
    assert created["value_sources"]["training_folder"] == "backend"
    started = await tool("start-training", config_name="whole_life")
    job_id = started["job_id"]
    assert started["status"] in ("queued", "running")
    with pytest.raises(ConflictError):
        await tool("start-training", config_name="whole_life")

    training = await until(
        tool, job_id, lambda data: bool(data["current_step"] and data["current_step"] > 50)
    )
    assert training["liveness"]["verdict"] in ("training", "saving")
    assert training["total_steps"] == 160
    assert any("newest metric" in each for each in training["liveness"]["evidence"])

    stopped = await tool("stop-training", job_id=job_id)
    assert (stopped["verified"], stopped["last_save_step"]) == (True, 40)
    assert stopped["steps_lost"] == stopped["step"] - 40
    with pytest.raises(ConflictError, match="already"):
        await tool("stop-training", job_id=job_id)
    # The process lives on for a moment and then sets the step back to its last save.
    await until(tool, job_id, lambda data: data["current_step"] == 40)

    with pytest.raises(ConflictError) as caught:
        await tool("start-training", config_name="whole_life")
    assert caught.value.details["needs"] == ["resume"]
    resumed = await tool("start-training", job_id=job_id, resume=True)
    assert (resumed["action"], resumed["resume_step"]) == ("resumed", 40)

    await until(
        tool, job_id, lambda data: data["status"] == "running" and data["current_step"] > 60
    )
    saved = await tool("stop-training", job_id=job_id, save_first=True)
    assert saved["verified"] is True
    assert saved["last_save_step"] > 60
    assert saved["steps_lost"] == saved["step"] - saved["last_save_step"]
    await until(tool, job_id, lambda data: data["current_step"] == saved["last_save_step"])
    again = await tool("start-training", config_name="whole_life", resume=True)
    assert (again["action"], again["resume_step"]) == ("resumed", saved["last_save_step"])
    done = await until(tool, job_id, lambda data: data["status"] == "completed")
    assert (done["progress"], done["liveness"]["verdict"]) == (100, "finished")

    jobs = await tool("list-training-jobs", status="completed")
    assert [job["id"] for job in jobs["jobs"]] == [job_id]
    view = (await tool("get-training-status"))["overview"]
    assert (view["up"], view["counts"]) == (True, {"completed": 1})


def test_a_job_is_made_started_watched_stopped_resumed_and_listed(
    application_with: Callable[..., Application], tmp_path: Path
) -> None:
    async def run() -> None:
        async with (
            running(tmp_path / "backend", worker_interval_s=0.05) as sandbox,
            AiToolkitBackend(sandbox.url) as backend,
            application_with(backend) as application,
        ):
            session = Session(policy=application.policy)

            async def tool(tool_name: str, /, **arguments: Any) -> dict[str, Any]:
                result = await application.dispatcher.call(tool_name, arguments, session)
                assert result.summary
                return dict(result.data or {})

            await life(tool, str(sandbox.datasets_folder))

    asyncio.run(run())
