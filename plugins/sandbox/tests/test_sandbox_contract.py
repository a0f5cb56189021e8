"""The sandbox keeps the contract that the client's live tests state for any backend."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aitk_core.backend.client import AiToolkitBackend
from aitk_sandbox.demo import demo_config
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from aitk_sandbox.server import Sandbox

CONTRACT = Path(__file__).parents[3] / "tests" / "test_backend_live_contract.py"
TOKEN = "contract-token"


def test_live_contract_holds_for_the_sandbox(tmp_path: Path) -> None:
    """All of it: with a token, and with one completed run to look at."""
    summary = asyncio.run(_contract(tmp_path))
    passed = re.search(r"(\d+) passed", summary)
    assert passed, summary
    assert int(passed[1]) >= 18, summary
    assert "failed" not in summary, summary
    assert "skipped" not in summary, summary


async def _contract(folder: Path) -> str:
    async with running(folder, token=TOKEN, worker_interval_s=0.05) as sandbox:
        await _complete_a_run(sandbox)
        environment = {
            **os.environ,
            "AITK_CONTRACT_URL": sandbox.url,
            "AITK_CONTRACT_TOKEN": TOKEN,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pytest", "-q", str(CONTRACT),
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    return output.decode("utf-8")


async def _complete_a_run(sandbox: Sandbox) -> None:
    config = demo_config(
        "contract_run",
        steps=30,
        training_folder=sandbox.training_folder,
        datasets_folder=sandbox.datasets_folder,
    )
    async with AiToolkitBackend(sandbox.url, token=TOKEN) as backend:
        job = await backend.create_job("contract_run", "0", config)
        await backend.start_job(job.id)
        await backend.start_queue("0")
        async with asyncio.timeout(60):
            while not (row := await backend.job(job.id)).is_terminal:
                await asyncio.sleep(0.05)
    assert row.status == "completed", row.info
