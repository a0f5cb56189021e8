"""`aitk demo`: a real run, from start to report, through a real MCP client session."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import ToolFailedError
from aitk_sandbox.demo import MODEL_NAME, demo_config
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult

    from aitk_sandbox.server import Sandbox

_LONGEST_S: Final = 300.0
"""A demo run takes seconds; this only ends one that hangs."""
_POLL_S: Final = 1.0


def demo(arguments: list[str]) -> int:
    """Train a small run on the embedded backend and print its report."""
    parser = argparse.ArgumentParser(prog="aitk demo", description=demo.__doc__)
    parser.add_argument("--steps", type=int, default=300, help="training steps (300)")
    parser.add_argument("--lr", type=float, default=1e-3, help="learning rate; 0.5 diverges")
    parser.add_argument("--data", type=Path, help="folder to keep the run in; default: temporary")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    options = parser.parse_args(arguments)
    if options.steps < 1:
        parser.error("--steps must be at least 1")
    return asyncio.run(_demo(options))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _demo(options: argparse.Namespace) -> int:
    async with AsyncExitStack() as stack:
        folder = options.data
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aitk-demo-")))
        sandbox = await stack.enter_async_context(running(folder, worker_interval_s=0.2))
        _say(f"Embedded backend: {sandbox.url}")
        client = await stack.enter_async_context(_client(sandbox.url, folder))
        _say(f"MCP server over stdio: {len((await client.list_tools()).tools)} tools")
        name = time.strftime("demo-%Y%m%d-%H%M%S")
        await _call(client, "create-training-config", _config_arguments(name, sandbox, options))
        started = await _call(client, "start-training", {"config_name": name})
        _say(f"Training {name}: {options.steps} steps of a small LoRA on generated pictures")
        job = {"job_id": started["job_id"]}
        status = await _follow(client, job)
        _say(f"Run ended: {status}. Asking get-training-observability:\n")
        report: Any = await client.call_tool("get-training-observability", job)
        if report.is_error:
            raise ToolFailedError(_text(report, 0))
        _say(_text(report, 1))
        if options.json:
            _say(json.dumps(report.structured_content, indent=2))
        if options.data is not None:
            _say(f"\nThe run is kept in {folder}")
    return 0


def _text(result: CallToolResult, index: int) -> str:
    return str(getattr(result.content[index], "text", ""))


async def _call(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result: Any = await client.call_tool(tool, arguments)
    if result.is_error:
        raise ToolFailedError(_text(result, 0))
    return dict(result.structured_content)


def _config_arguments(name: str, sandbox: Sandbox, options: argparse.Namespace) -> dict[str, Any]:
    """Return what create-training-config needs for a run that the sandbox trains quickly."""
    config = demo_config(
        name,
        steps=options.steps,
        lr=options.lr,
        training_folder=sandbox.training_folder,
        datasets_folder=sandbox.datasets_folder,
    )
    process = config["config"]["process"][0]
    blocks = ("device", "train", "save", "sample", "network", "training_seed", "sandbox")
    return {
        "name": name,
        "model_name": MODEL_NAME,
        "arch": "sd15",
        "dataset_path": process["datasets"][0]["folder_path"],
        "steps": options.steps,
        "learning_rate": options.lr,
        "overrides": {f"config.process.0.{block}": process[block] for block in blocks}
        | {"config.process.0.datasets": process["datasets"]},
    }


def _client(url: str, folder: Path) -> Client:
    from mcp import Client, StdioServerParameters

    environment = {key: value for key, value in os.environ.items() if key != "AITK_READ_ONLY"}
    environment |= {
        "AI_TOOLKIT_SERVER_URL": url,
        "AITK_HOME": str(folder / "home"),
        "LOG_LEVEL": "WARNING",
    }
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "aitk_core", "mcp"], env=environment
    )
    return Client(command)


async def _follow(client: Client, job: dict[str, Any]) -> str:
    """Show progress until the run has ended, and return its status."""
    shown = ""
    async with asyncio.timeout(_LONGEST_S):
        while True:
            status = await _call(client, "get-training-status", {**job, "observe_seconds": 0})
            alive = status["liveness"]
            line = f"  {alive['verdict']}, step {status['current_step']} of {status['total_steps']}"
            if line != shown:
                shown = line
                _say(line)
            if alive["verdict"] in ("finished", "dead"):
                return str(status["status"])
            await asyncio.sleep(_POLL_S)
