"""A run of the sandbox's genuine small trainer, trained to its end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from attrs import frozen

from aitk_core.backend.client import AiToolkitBackend
from aitk_sandbox.demo import demo_config
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@frozen(kw_only=True)
class Trained:
    """The run, and the backend that still serves it."""

    url: str
    backend: AiToolkitBackend
    job_id: str
    datasets_folder: str


@asynccontextmanager
async def trained(folder: Path, name: str, *, steps: int) -> AsyncIterator[Trained]:
    """Train a run in a sandbox of its own below the folder."""
    async with (
        running(folder, worker_interval_s=0.05) as sandbox,
        AiToolkitBackend(sandbox.url) as backend,
    ):
        config = demo_config(
            name,
            steps=steps,
            training_folder=sandbox.training_folder,
            datasets_folder=sandbox.datasets_folder,
        )
        job = await backend.create_job(name, "0", config)
        await backend.start_job(job.id)
        await backend.start_queue("0")
        async with asyncio.timeout(60):
            while not (await backend.job(job.id)).is_terminal:
                await asyncio.sleep(0.05)
        yield Trained(
            url=sandbox.url,
            backend=backend,
            job_id=job.id,
            datasets_folder=str(sandbox.datasets_folder),
        )
