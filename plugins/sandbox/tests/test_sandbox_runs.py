"""Whole runs through HTTP, with real trainer processes."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import re
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from aitk_core.errors import InvalidSettingError
from aitk_sandbox.checkpoints import load_weights, write_arrays
from aitk_sandbox.demo import demo_config
from aitk_sandbox.model import fit_base
from aitk_sandbox.server import Sandbox, running
from aitk_sandbox.state import State
from aitk_sandbox.training import BASE_FILE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

WAIT_S = 60
SMALL: dict[str, Any] = {"width": 64, "height": 64, "sample_steps": 2}
FAST: dict[str, Any] = {"sandbox": {"step_delay_s": 0.0}, "sample": SMALL}
SLOW: dict[str, Any] = {"sandbox": {"step_delay_s": 0.02}, "sample": SMALL}
ENDED = ("completed", "stopped", "error")


@functools.cache
def base() -> dict[str, Any]:
    return dict(fit_base())


def prepare(folder: Path) -> None:
    """Put the fitted base network where the trainer caches it, to save a second a run."""
    (folder / "models").mkdir(parents=True)
    write_arrays(folder / "models" / BASE_FILE, base(), dtype="fp32", metadata={})


@attrs.frozen(kw_only=True)
class Client:
    http: httpx.AsyncClient
    sandbox: Sandbox

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(path, params=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def create(self, name: str, **changes: Any) -> str:
        config = demo_config(
            name,
            training_folder=self.sandbox.training_folder,
            datasets_folder=self.sandbox.datasets_folder,
            **changes,
        )
        body = {"name": name, "gpu_ids": "0", "job_config": config}
        job = (await self.http.post("/api/jobs", json=body)).json()
        return str(job["id"])

    async def start(self, job_id: str) -> None:
        await self.get(f"/api/jobs/{job_id}/start")
        await self.get("/api/queue/0/start")

    async def until(self, job_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            while True:
                row: dict[str, Any] = await self.get("/api/jobs", id=job_id)
                if wanted(row):
                    return row
                await asyncio.sleep(0.02)

    async def ended(self, job_id: str) -> dict[str, Any]:
        return await self.until(job_id, lambda row: row["status"] in ENDED)

    async def log(self, job_id: str) -> str:
        return str((await self.get(f"/api/jobs/{job_id}/log"))["log"])

    async def log_with(self, job_id: str, text: str) -> str:
        async with asyncio.timeout(WAIT_S):
            while True:
                log = await self.log(job_id)
                if text in log:
                    return log
                await asyncio.sleep(0.02)

    async def drained(self) -> bool:
        async with asyncio.timeout(WAIT_S):
            while True:
                (queue,) = (await self.get("/api/queue"))["queues"]
                if not queue["is_running"]:
                    return True
                await asyncio.sleep(0.02)


def with_sandbox(folder: Path, story: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    @asynccontextmanager
    async def client() -> AsyncIterator[Client]:
        prepare(folder)
        async with (
            running(folder, worker_interval_s=0.1) as sandbox,
            httpx.AsyncClient(base_url=sandbox.url, timeout=WAIT_S) as http,
        ):
            yield Client(http=http, sandbox=sandbox)

    async def play() -> None:
        async with client() as ready:
            await story(ready)

    asyncio.run(play())


def test_a_run_goes_from_start_to_completed(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        job_id = await client.create("demo", steps=60, **FAST)
        await client.start(job_id)
        row = await client.ended(job_id)
        assert (row["status"], row["info"], row["step"]) == ("completed", "Training completed", 60)
        assert row["pid"] is not None
        assert row["total_steps"] is None
        assert re.fullmatch(r"\d+\.\d\d (iter/sec|sec/iter)", row["speed_string"])

        loss = await client.get(f"/api/jobs/{job_id}/loss", key="loss/loss")
        assert loss["keys"] == ["learning_rate", "loss/loss", "val/loss"]
        assert [point["step"] for point in loss["points"]] == list(range(1, 60))
        losses = [point["value"] for point in loss["points"]]
        assert max(losses) > 5 * min(losses), "every step draws another noise level"
        validation = (await client.get(f"/api/jobs/{job_id}/loss", key="val/loss"))["points"]
        assert [point["step"] for point in validation] == [1, 10, 20, 30, 40, 50]
        assert validation[-1]["value"] < validation[0]["value"]

        files = (await client.get(f"/api/jobs/{job_id}/files"))["files"]
        assert [Path(item["path"]).name for item in files] == [
            "demo.safetensors",
            "demo_000000020.safetensors",
            "demo_000000040.safetensors",
            "optimizer.pt",
        ]
        assert load_weights(Path(files[0]["path"])).step == 60
        samples = (await client.get(f"/api/jobs/{job_id}/samples"))["samples"]
        assert [re.sub(r".*/\d+__", "", path) for path in samples] == [
            f"{step:09d}_{index}.png" for step in (0, 20, 40, 60) for index in (0, 1)
        ]
        assert await client.drained()

        folder = client.sandbox.training_folder / "demo"
        assert {path.name for path in folder.iterdir()} >= {
            ".job_config.json",
            "config.yaml",
            "log.txt",
            "loss_log.db",
            "pid.txt",
            "samples",
        }
        launched = json.loads((folder / ".job_config.json").read_text(encoding="utf-8"))
        database = launched["config"]["process"][0]["sqlite_db_path"]
        assert database == str(client.sandbox.data_dir / "aitk_db.db")

    with_sandbox(tmp_path / "data", story)


def test_a_stopped_run_rewinds_and_resumes_from_its_save(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        changes: dict[str, Any] = {"train": {"disable_sampling": True}, **SLOW}
        job_id = await client.create("halt", steps=45, save={"save_every": 15}, **changes)
        await client.start(job_id)
        await client.until(job_id, lambda row: row["step"] >= 20)
        before = await client.get(f"/api/jobs/{job_id}/stop")
        assert before["status"] == "running", "a mutation answers the row as it was"
        row = await client.get("/api/jobs", id=job_id)
        assert (row["status"], row["info"], row["stop"]) == ("stopped", "Job stopped", True)
        log = await client.log_with(job_id, "Job stopped")
        assert re.search(rf"\] *\n{'=' * 40}\nJob stopped\n{'=' * 40}\n$", log)
        row = await client.until(job_id, lambda row: row["step"] in (15, 30))
        saved = row["step"]

        await client.start(job_id)
        row = await client.ended(job_id)
        assert (row["status"], row["step"]) == ("completed", 45)
        log = await client.log(job_id)
        assert "#### IMPORTANT RESUMING FROM " in log
        assert f"Found step {saved} in metadata, starting from there\n" in log
        assert re.search(rf"\rhalt: +\d+%\|[^|]*\| {saved}/45 \[00:00<\?, \?it/s\]", log)
        folder = client.sandbox.training_folder / "halt"
        assert "Job stopped" in (folder / "logs" / "0_log.txt").read_text(encoding="utf-8")
        points = (await client.get(f"/api/jobs/{job_id}/loss", key="loss/loss"))["points"]
        steps = [point["step"] for point in points]
        assert steps == sorted(set(steps))
        assert set(range(1, 45)) - set(steps) <= {saved}

    with_sandbox(tmp_path / "data", story)


def test_save_now_and_sample_now_act_after_the_step(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        changes: dict[str, Any] = {"train": {"skip_first_sample": True}, **SLOW}
        changes |= {"save": {"save_every": 0}, "sample": {**SMALL, "sample_every": 0}}
        job_id = await client.create("now", steps=40, **changes)
        assert (await client.get(f"/api/jobs/{job_id}/save_now"))["save_now"] is True
        await client.start(job_id)
        await client.until(job_id, lambda row: row["step"] >= 5)
        assert (await client.get(f"/api/jobs/{job_id}/sample_now"))["sample_now"] is True
        row = await client.ended(job_id)
        assert (row["save_now"], row["sample_now"]) == (False, False)
        log = await client.log(job_id)
        assert "\nSaving at step 1\n" in log
        step = int(re.findall(r"\nSampling at step (\d+)\n\n\rGenerating Images", log)[0])
        samples = (await client.get(f"/api/jobs/{job_id}/samples"))["samples"]
        assert len([path for path in samples if f"__{step:09d}_" in path]) == 2
        files = (await client.get(f"/api/jobs/{job_id}/files"))["files"]
        assert Path(files[1]["path"]).name == "now_000000001.safetensors"

    with_sandbox(tmp_path / "data", story)


def test_a_stopped_queue_sends_its_job_back_and_one_job_runs_at_a_time(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        changes: dict[str, Any] = {"train": {"disable_sampling": True}, **SLOW}
        first = await client.create("first", steps=40, **changes)
        second = await client.create("second", steps=5, **changes)
        await client.start(first)
        await client.start(second)
        await client.until(first, lambda row: row["step"] >= 2)
        assert (await client.get("/api/jobs", id=second))["status"] == "queued"
        await client.get("/api/queue/0/stop")
        row = await client.until(first, lambda row: row["status"] == "queued")
        assert row["info"] == "Job queued"
        log = await client.log_with(first, "Job process terminated with exit code 1.\n")
        assert "Exception: Job returning to queue\n" in log
        await client.get("/api/queue/0/start")
        assert (await client.ended(first))["status"] == "completed"
        assert (await client.ended(second))["status"] == "completed"

    with_sandbox(tmp_path / "data", story)


def test_failures_are_in_the_row_and_a_killed_trainer_is_noticed(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        missing = str(client.sandbox.datasets_folder / "none")
        failing = await client.create("failing", datasets=[{"folder_path": missing}])
        killed = await client.create("killed", steps=400, **SLOW)
        odd = await client.create("odd", type="sd_trainer")
        await client.start(failing)
        row = await client.ended(failing)
        assert row["status"] == "error"
        assert row["info"] == f"[Errno 2] No such file or directory: '{missing}'"
        log = await client.log_with(failing, "\nJob process terminated with exit code 1.\n")
        assert f"Error running job: {row['info']}\n" in log
        assert f"FileNotFoundError: {row['info']}\n" in log

        await client.start(killed)
        row = await client.until(killed, lambda row: row["step"] >= 3)
        os.kill(row["pid"], signal.SIGKILL)
        row = await client.ended(killed)
        assert row["info"] == "Job process terminated with signal SIGKILL."
        assert row["pid"] is None
        assert row["step"] >= 3, "a killed run is not rewound"

        await client.start(odd)
        assert (await client.ended(odd))["info"] == "Job process terminated with exit code 1."

    with_sandbox(tmp_path / "data", story)


def test_mark_stopped_on_a_running_job_makes_it_leave_by_an_exception(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        job_id = await client.create("marked", steps=400, **SLOW)
        await client.start(job_id)
        await client.until(job_id, lambda row: row["step"] >= 2)
        await client.get(f"/api/jobs/{job_id}/mark_stopped")
        log = await client.log_with(job_id, "\nJob process terminated with exit code 1.\n")
        assert "]Error running job: Job stopped\n" in log
        assert "Exception: Job stopped\n\rmarked: " in log
        row = await client.get("/api/jobs", id=job_id)
        assert (row["status"], row["step"], row["pid"]) == ("stopped", 0, None)

    with_sandbox(tmp_path / "data", story)


def test_stop_signals_nobody_but_its_own_trainers(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        job_id = await client.create("stale")
        state = State(client.sandbox.data_dir / "aitk_db.db")
        state.update_job(job_id, status="running", pid=os.getpid())
        await client.get(f"/api/jobs/{job_id}/stop")
        row = await client.get("/api/jobs", id=job_id)
        assert (row["status"], row["stop"], row["info"]) == ("running", True, "Stopping job...")

    with_sandbox(tmp_path / "data", story)


def test_closing_the_sandbox_stops_its_trainers(tmp_path: Path) -> None:
    pids: list[int] = []

    async def story(client: Client) -> None:
        job_id = await client.create("left", steps=4000, **SLOW)
        await client.start(job_id)
        row = await client.until(job_id, lambda row: row["step"] >= 2)
        pids.append(row["pid"])

    with_sandbox(tmp_path / "data", story)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    (row,) = State(tmp_path / "data" / "aitk_db.db").jobs()
    assert row["status"] == "stopped"


def test_a_broken_config_leaves_its_row_running_as_the_real_worker_does(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        body = {"name": "broken", "gpu_ids": "0", "job_config": '{"job": "extension"}'}
        job_id = (await client.http.post("/api/jobs", json=body)).json()["id"]
        await client.start(job_id)
        await client.until(job_id, lambda row: row["status"] == "running")
        row = await client.get("/api/jobs", id=job_id)
        assert (row["info"], row["pid"]) == ("Starting job...", None)

    with_sandbox(tmp_path / "data", story)


def test_a_port_in_use_is_an_invalid_setting(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        port = int(client.sandbox.url.rsplit(":", 1)[1])
        with pytest.raises(InvalidSettingError) as caught:
            async with running(tmp_path / "other", port=port):
                pass
        assert caught.value.details["setting"] == "port"

    with_sandbox(tmp_path / "data", story)


def test_the_token_guards_a_running_sandbox(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            running(tmp_path / "data", token="word") as sandbox,
            httpx.AsyncClient(base_url=sandbox.url) as http,
        ):
            assert (await http.get("/api/auth")).status_code == 401
            allowed = await http.get("/api/auth", headers={"Authorization": "Bearer word"})
            assert allowed.json() == {"isAuthenticated": True}

    asyncio.run(story())
