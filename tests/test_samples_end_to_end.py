"""Samples that a run really made, through the real client, to findings and a sheet."""

from __future__ import annotations

import asyncio
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.evidence.samples import collect_samples
from aitk_core.services.executor import WorkerPool
from aitk_observability.samples.checks import analyze
from aitk_observability.samples.sheet import sample_sheet
from aitk_sandbox.demo import demo_config
from aitk_sandbox.server import running

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.evidence.samples import SamplesEvidence


async def trained(folder: Path, **changes: Any) -> SamplesEvidence:
    """Samples of a run that the sandbox really trained, by the real client."""
    async with (
        running(folder, worker_interval_s=0.05) as sandbox,
        AiToolkitBackend(sandbox.url) as backend,
    ):
        config = demo_config(
            "sampled",
            training_folder=sandbox.training_folder,
            datasets_folder=sandbox.datasets_folder,
            validation=False,
            sandbox={"step_delay_s": 0.0},
            **changes,
        )
        job = await backend.create_job("sampled", "0", config)
        await backend.start_job(job.id)
        await backend.start_queue("0")
        async with asyncio.timeout(60):
            while not (row := await backend.job(job.id)).is_terminal:
                await asyncio.sleep(0.05)
        with closing(WorkerPool()) as pool:
            context: Any = SimpleNamespace(backend=backend, run=pool.run)
            return await collect_samples(context, row)


@pytest.mark.parametrize(
    ("lr", "expected"),
    [(2e-3, {}), (1e-12, {"SAMPLES_FROZEN": "info"}), (0.5, {"SAMPLES_BLACK": "critical"})],
)
def test_samples_of_genuine_runs_are_judged_by_what_happened(
    tmp_path: Path, lr: float, expected: dict[str, str]
) -> None:
    """A run that learns, one that cannot, and one whose weights really become NaN."""
    wanted = {"sample_every": 20, "format": "jpg"}
    given_evidence = asyncio.run(trained(tmp_path, steps=60, lr=lr, sample=wanted))
    assert given_evidence.steps == (0, 20, 40, 60)
    assert given_evidence.missing == {}
    assert all(one.pixels is not None for one in given_evidence.samples)
    assert given_evidence.samples[0].prompt == "a red lantern over dark water at night"
    assert given_evidence.reference_total == len(given_evidence.reference_images) == 16
    findings = analyze(given_evidence).findings
    assert {finding.code: finding.severity for finding in findings} == expected
    sheet = sample_sheet(given_evidence)
    assert "4 steps, 2 prompts" in sheet.alt
