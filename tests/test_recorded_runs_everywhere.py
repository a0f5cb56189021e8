"""Every recorded run is told truly, and alike by each way in."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import mcp
import pytest
import uvicorn

from aitk_core.frontends.http.listening import listen_on
from aitk_core.testing.recorded import recorded_app, recorded_runs
from support.servers import environment, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RUNS = recorded_runs()
TOOL = "get-training-observability"

pytestmark = pytest.mark.timeout(300)


@asynccontextmanager
async def backend() -> AsyncIterator[str]:
    """Serve the recordings on a socket of this machine."""
    listener = listen_on("127.0.0.1", 0)
    config = uvicorn.Config(
        recorded_app(RUNS.values()), log_level="error", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    # Not `serve`, which takes over the process's signals.
    serving = asyncio.create_task(server._serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def ask_mcp(client: mcp.Client) -> dict[str, Any]:
    answers = {}
    for name, recording in RUNS.items():
        result: Any = await client.call_tool(TOOL, {"job_id": recording.job_id})
        assert not result.is_error, result.content[0].text
        answers[name] = result.structured_content
    return answers


async def ask_bridge(address: str) -> dict[str, Any]:
    answers = {}
    async with httpx.AsyncClient(timeout=60) as client:
        for name, recording in RUNS.items():
            body = {"name": TOOL, "arguments": {"job_id": recording.job_id}}
            answer = await client.post(f"{address}/mcp/tool", json=body)
            assert answer.status_code == 200, answer.text
            answers[name] = answer.json()["data"]
    return answers


async def ask_every_way(folder: Path) -> list[dict[str, Any]]:
    async with backend() as url:
        command = mcp.StdioServerParameters(
            command=sys.executable,
            args=["-m", "aitk_core", "mcp"],
            env=environment(url, folder),
        )
        async with mcp.Client(command) as client:
            stdio = await ask_mcp(client)
        async with serving(url, folder) as address:
            async with mcp.Client(f"{address}/mcp") as client:
                streamed = await ask_mcp(client)
            bridge = await ask_bridge(address)
    return [stdio, streamed, bridge]


def essence(report: dict[str, Any]) -> Any:
    """The parts that do not depend on when the question was asked."""
    findings = report["run_report"]["findings"]
    return (
        report["overall_health"],
        [(finding["code"], finding["severity"]) for finding in findings],
        report["evaluation"]["grade"],
        report["evaluation"]["components"],
    )


def test_every_recorded_run_is_told_truly_and_alike_by_each_way_in(tmp_path: Path) -> None:
    stdio, streamed, bridge = asyncio.run(ask_every_way(tmp_path))
    for name, recording in RUNS.items():
        report = stdio[name]
        assert essence(report) == essence(streamed[name]) == essence(bridge[name]), name
        health = report["overall_health"]
        if recording.expected["healthy"]:
            assert health in ("healthy", "warning"), name
        else:
            assert health in ("critical", "warning"), name
        failed = recording.expected["final_status"] == "error"
        assert not failed or health == "critical", name
        assert report["evaluation"]["passed"] is False or recording.expected["healthy"], name
