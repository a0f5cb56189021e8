"""Every tool, through a real MCP client and over real sockets, on a run that was really trained.

One embedded backend trains one small run. The stdio server, the streamable HTTP server and
the bridge are processes of their own, as a user would start them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import mcp
import pytest

from aitk_sandbox.demo import MODEL_NAME
from support.servers import environment, serving
from support.trained import trained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.registry import Registry

pytestmark = pytest.mark.timeout(300)

Calls = list[tuple[str, dict[str, Any]]]

PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR4nGOMYoAAJgaKGAAbfgBqEMfr"
    "VAAAAABJRU5ErkJggg=="
)
"""A grey PNG of 8 x 8 pixels, base64."""


def calls(job_id: str, datasets: str, suffix: str) -> Calls:
    """Every tool with arguments that work, in an order that works."""
    name = f"e2e-{suffix}"
    return [
        ("get-training-observability", {"job_id": job_id}),
        ("evaluate-lora", {"job_id": job_id}),
        ("compare-training-runs", {"job_ids": [job_id]}),
        ("suggest-next-experiment", {"job_id": job_id}),
        ("watch-training-timeseries", {"job_id": job_id}),
        ("get-training-logs", {"job_id": job_id, "lines": 20}),
        ("get-system-stats", {}),
        ("list-training-jobs", {}),
        ("get-training-status", {"job_id": job_id}),
        ("get-training-status", {}),
        (
            "create-training-config",
            {
                "name": name,
                "model_name": MODEL_NAME,
                "arch": "sd15",
                "dataset_path": f"{datasets}/demo_pictures",
                "steps": 400,
                "overrides": {
                    "config.process.0.train.optimizer": "adamw",
                    "config.process.0.train.disable_sampling": True,
                    "config.process.0.sandbox": {"step_delay_s": 0.02},
                },
            },
        ),
        ("inspect-dataset", {"config_name": name}),
        ("auto-improve-dataset", {"config_name": name}),
        ("list-datasets", {}),
        (
            "upload-dataset",
            {
                "dataset_name": f"uploaded-{suffix}",
                "images": [{"filename": "a.png", "content": PICTURE, "caption": "grey"}],
            },
        ),
        ("list-configs", {}),
        ("get-config", {"name": name}),
        ("get-training-info", {"name": name}),
        ("validate-training-config", {"config_name": name}),
        ("recommend-training-plan", {"goal": "a cat", "config_name": name}),
        ("start-training", {"config_name": name}),
        ("stop-training", {"job_id": "<started>"}),
        (
            "create-training-config",
            {
                "name": f"{name}-guarded",
                "clone_job_id": job_id,
                "steps": 4000,
                "overrides": {"config.process.0.sandbox": {"step_delay_s": 0.05}},
            },
        ),
        (
            "run-training-with-guardrails",
            {
                "config_name": f"{name}-guarded",
                "monitor_seconds": 3,
                "poll_interval_seconds": 2,
                "min_free_disk_gb": 0,
            },
        ),
        ("list-watches", {}),
        ("inspect-watch", {"job_id": "<guarded>"}),
        ("end-watch", {"watch_id": "<watch>"}),
        ("guard-training-job", {"job_id": "<guarded>", "max_steps": 100000}),
        ("stop-training", {"job_id": "<guarded>"}),
        ("alert-rules", {"action": "list"}),
        ("alert-routing", {"test": True, "destination": f"{suffix}.jsonl"}),
        ("list-alerts", {"limit": 500}),
        ("export-model", {"job_id": job_id, "copy_to": "exports", "name": suffix}),
        ("export-observability-report", {"job_id": job_id}),
        ("list-exported-models", {"where": "exports"}),
        ("list-comfyui-models", {"query": "denoiser"}),
        ("download-model", {"model_path": f"exports:{suffix}.safetensors"}),
    ]


def filled(arguments: dict[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Put what earlier answers named in place of its stand-in."""
    known = {
        "<started>": lambda: answers["start-training"]["job_id"],
        "<guarded>": lambda: answers["run-training-with-guardrails"]["job_id"],
        "<watch>": lambda: answers["run-training-with-guardrails"]["watch"]["watch_id"],
    }
    return {
        name: known[value]() if isinstance(value, str) and value in known else value
        for name, value in arguments.items()
    }


def folders(run: Any) -> dict[str, str]:
    """Give the settings of a server on the backend's own machine."""
    models = Path(run.datasets_folder).parent / "models"
    return {"AITK_DATASETS_DIR": str(run.datasets_folder), "COMFYUI_MODEL_ROOTS": str(models)}


async def over_mcp(client: mcp.Client, work: Calls) -> dict[str, Any]:
    """Run the calls; every answer fits its schema, which the SDK's client checks."""
    answers: dict[str, Any] = {}
    for tool, arguments in work:
        result: Any = await client.call_tool(tool, filled(arguments, answers))
        assert not result.is_error, f"{tool}: {result.content[0].text}"
        assert result.content[0].text
        answers[tool] = result.structured_content
    return answers


def check(answers: Mapping[str, Any], registry: Registry, suffix: str) -> None:
    assert set(registry.tools) == set(answers)
    report = answers["get-training-observability"]
    assert report["overall_health"] == "healthy"
    assert report["quality_analysis"]["loss"]["count"] == 59
    assert report["quality_analysis"]["source"] == "metrics"
    assert report["status_snapshot"]["status"] == "completed"
    watched = answers["watch-training-timeseries"]
    assert watched["window"]["ended"] == "terminal_status"
    assert [point["current_step"] for point in watched["points"]] == [60]
    assert answers["get-training-logs"]["lines"]
    looked = answers["inspect-dataset"]
    assert looked["scan"]["scanned_images"] == looked["scan"]["found_images"] > 0
    assert answers["auto-improve-dataset"]["applied"] is False
    assert (looked["dataset"]["source"], looked["dataset"]["job"]) == ("config", f"e2e-{suffix}")
    checked = answers["validate-training-config"]
    assert checked["valid"] is True
    assert checked["summary"]["dataset_checked"] is True
    guarded = answers["run-training-with-guardrails"]
    assert guarded["status"] == "monitor_window_complete"
    # A busy machine may take longer than the window to start its trainer.
    assert guarded["monitor"]["snapshots"][-1]["status"] in ("queued", "running")
    assert [each["job_id"] for each in answers["list-watches"]["watches"]] == [guarded["job_id"]]
    assert answers["inspect-watch"]["guardrails"]["poll_interval_seconds"] == 2
    assert answers["end-watch"]["ended_as"] == "ended_by_request"
    assert answers["guard-training-job"]["job_id"] == guarded["job_id"]
    assert answers["alert-routing"]["route_result"]["routed"] is True
    told = [each for message in answers["list-alerts"]["messages"] for each in message["alerts"]]
    assert "TEST_MESSAGE" in {each["code"] for each in told}
    assert answers["export-observability-report"]["overall_health"] == "healthy"
    (file,) = answers["export-model"]["files"]
    assert file["check"]["verdict"] == "sound"
    assert answers["list-comfyui-models"]["total"] == 1
    (line,) = answers["list-exported-models"]["models"]
    assert (line["run"], line["step"]) == ("e2e", 60)
    assert answers["download-model"]["sha256"] == file["check"]["sha256"]
    assert len(answers["download-model"]["content"]) > file["size_bytes"]
    planned = answers["recommend-training-plan"]["plan"]
    assert planned["recommended_plan"]["profile"] == "balanced"
    assert len(planned["alternative_plans"]) == 3
    names = {job["name"] for job in answers["list-training-jobs"]["jobs"]}
    assert "e2e" in names
    assert answers["get-config"]["config"]["config"]["name"] == f"e2e-{suffix}"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_every_tool_over_stdio(tmp_path: Path, registry: Registry, mode: Any) -> None:
    async def session() -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            backend = trained(tmp_path / "backend", "e2e", steps=60)
            run = await stack.enter_async_context(backend)
            command = mcp.StdioServerParameters(
                command=sys.executable,
                args=["-m", "aitk_core", "mcp"],
                env=environment(run.url, tmp_path / "home", **folders(run)),
            )
            client = await stack.enter_async_context(mcp.Client(command, mode=mode))
            listed = {tool.name for tool in (await client.list_tools()).tools}
            assert listed == set(registry.tools)
            return await over_mcp(client, calls(run.job_id, run.datasets_folder, mode))

    check(asyncio.run(session()), registry, mode)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_every_tool_over_streamable_http(tmp_path: Path, registry: Registry, mode: Any) -> None:
    async def session() -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            backend = trained(tmp_path / "backend", "e2e", steps=60)
            run = await stack.enter_async_context(backend)
            server = serving(run.url, tmp_path / "home", **folders(run))
            address = await stack.enter_async_context(server)
            client = await stack.enter_async_context(mcp.Client(f"{address}/mcp", mode=mode))
            return await over_mcp(client, calls(run.job_id, run.datasets_folder, mode))

    check(asyncio.run(session()), registry, mode)


def test_every_tool_over_the_bridge(tmp_path: Path, registry: Registry) -> None:
    async def session() -> dict[str, Any]:
        answers: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            backend = trained(tmp_path / "backend", "e2e", steps=60)
            run = await stack.enter_async_context(backend)
            server = serving(run.url, tmp_path / "home", **folders(run))
            address = await stack.enter_async_context(server)
            client = await stack.enter_async_context(httpx.AsyncClient(timeout=60))
            for tool, arguments in calls(run.job_id, run.datasets_folder, "bridge"):
                body = {"name": tool, "arguments": filled(arguments, answers)}
                answer = await client.post(f"{address}/mcp/tool", json=body)
                assert answer.status_code == 200, answer.text
                envelope = json.loads(answer.content)
                assert envelope["ok"] is True
                assert envelope["tool"] == tool
                answers[tool] = envelope["data"]
        return answers

    check(asyncio.run(session()), registry, "bridge")
