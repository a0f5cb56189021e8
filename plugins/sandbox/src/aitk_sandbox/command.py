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
from typing import TYPE_CHECKING, Final

from aitk_core.backend.client import AiToolkitBackend
from aitk_sandbox.demo import demo_config
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult

    from aitk_sandbox.server import Sandbox

_LONGEST_S: Final = 300.0
"""A demo run takes seconds; this only ends one that hangs."""
_POLL_S: Final = 0.5


def demo(arguments: list[str]) -> int:
    """Train a small run on the embedded backend and print its report."""
    parser = argparse.ArgumentParser(prog="aitk demo", description=demo.__doc__)
    parser.add_argument("--steps", type=int, default=300, help="training steps (300)")
    parser.add_argument("--lr", type=float, default=2e-3, help="learning rate; 0.5 diverges")
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
        job_id = await _start(sandbox, options)
        client = await stack.enter_async_context(_client(sandbox.url, folder))
        _say(f"MCP server over stdio: {len((await client.list_tools()).tools)} tools")
        status = await _follow(sandbox, job_id, options.steps)
        _say(f"Run ended: {status}. Asking get-training-observability:\n")
        report = await client.call_tool("get-training-observability", {"job_id": job_id})
        if report.is_error:
            _say(_text(report, 0))
            return 1
        if options.json:
            _say(json.dumps(report.structured_content, indent=2))
        else:
            _say(_text(report, 1))
        if options.data is not None:
            _say(f"\nThe run is kept in {folder}")
    return 0


def _text(result: CallToolResult, index: int) -> str:
    return str(getattr(result.content[index], "text", ""))


async def _start(sandbox: Sandbox, options: argparse.Namespace) -> str:
    name = time.strftime("demo-%Y%m%d-%H%M%S")
    config = demo_config(
        name,
        steps=options.steps,
        lr=options.lr,
        training_folder=sandbox.training_folder,
        datasets_folder=sandbox.datasets_folder,
    )
    async with AiToolkitBackend(sandbox.url) as backend:
        job = await backend.create_job(name, "0", config)
        await backend.start_job(job.id)
        await backend.start_queue("0")
    _say(f"Training {name}: {options.steps} steps of a small LoRA on generated pictures")
    return job.id


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


async def _follow(sandbox: Sandbox, job_id: str, steps: int) -> str:
    """Show progress until the run has ended, and return its status."""
    shown = -1
    async with AiToolkitBackend(sandbox.url) as backend, asyncio.timeout(_LONGEST_S):
        while True:
            job = await backend.job(job_id)
            done = (job.step or 0) * 10 // steps
            if done != shown:
                shown = done
                _say(f"  step {job.step} of {steps}, {job.info or job.status}")
            if job.is_terminal:
                return str(job.status)
            await asyncio.sleep(_POLL_S)
