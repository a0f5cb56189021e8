"""A scan on workers of every kind: the same findings, and a server that answers meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from aitk_core.testing.planted import plant
from support.inspecting import inspector
from support.samplepictures import encoded, picture
from support.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def told(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "generated_at"}


def test_a_scan_finds_the_same_on_processes_threads_and_a_cluster(
    call: Callable[..., Any], tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    plant(tmp_path / "sets", seed=77, bases=20)
    asked = {"dataset_path": "train", "compare_with": ["val"]}
    found = []
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=None,
        worker_dashboard_address=None,
    ) as cluster:
        for number, kind in enumerate(("threads", "processes", cluster.scheduler_address)):
            home = {"AITK_HOME": str(tmp_path / f"home{number}"), "AITK_PARALLEL": kind}
            found.append(told(inspector(call, tmp_path / "sets", **home)(**asked)))
    first, *others = found
    assert first["scan"]["newly_read"] > 100
    assert first["duplicates"]["cluster_count"] > 5
    assert others == [first, first]


def test_health_answers_while_a_dataset_is_scanned(tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "cats"
    folder.mkdir(parents=True)
    for number in range(60):
        (folder / f"{number:02d}.jpg").write_bytes(encoded(picture(number, (900, 700))))

    async def run() -> tuple[list[int], dict[str, Any]]:
        settings = {"AITK_DATASETS_DIR": str(tmp_path / "sets")}
        async with (
            serving("http://127.0.0.1:9", tmp_path / "home", **settings) as address,
            httpx.AsyncClient(base_url=address, timeout=60) as client,
        ):
            body = {"name": "inspect-dataset", "arguments": {"dataset_path": "cats"}}
            scan = asyncio.create_task(client.post("/mcp/tool", json=body))
            answers = []
            while not scan.done():
                answers.append((await client.get("/health")).status_code)
            return answers, (await scan).json()

    answers, found = asyncio.run(run())
    assert found["data"]["scan"]["newly_read"] == 60
    # A loop that was blocked would let one or two through.
    assert len(answers) > 10
    assert set(answers) == {200}
