"""Whole runs: through HTTP with real trainer processes, and in this process for the log."""

from __future__ import annotations

import asyncio
import functools
import io
import json
import os
import re
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

from aitk_core.errors import InvalidSettingError
from aitk_sandbox.checkpoints import load_weights, write_arrays
from aitk_sandbox.demo import demo_config
from aitk_sandbox.lossdb import read_points
from aitk_sandbox.model import fit_base
from aitk_sandbox.pictures import ensure_demo_pictures
from aitk_sandbox.server import Sandbox, running
from aitk_sandbox.state import State
from aitk_sandbox.trainer import run_job
from aitk_sandbox.training import BASE_FILE
from aitk_sandbox.trainlog import TrainLog

SAFE_BAR = re.compile(
    r"(\d+)%\|[^|]*\|\s*(\d+)/(\d+)\s+\[([\d:]+)<([\d:?]+),\s*(\?|[\d.]+)(s/it|it/s)"
    r"(?:,\s*lr:\s*(\S+)(.*))?\]"
)
WAIT_S = 60
SMALL = {"width": 64, "height": 64, "sample_steps": 2}
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
            while text not in (log := await self.log(job_id)):
                await asyncio.sleep(0.02)
        return log


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
        async with asyncio.timeout(WAIT_S):
            while (await client.get("/api/queue"))["queues"][0]["is_running"]:
                await asyncio.sleep(0.02)

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
            running(tmp_path / "data", token="word") as sandbox,  # noqa: S106 - invented
            httpx.AsyncClient(base_url=sandbox.url) as http,
        ):
            assert (await http.get("/api/auth")).status_code == 401
            allowed = await http.get("/api/auth", headers={"Authorization": "Bearer word"})
            assert allowed.json() == {"isAuthenticated": True}

    asyncio.run(story())


def run_here(folder: Path, *, stopped: bool = False, **changes: Any) -> tuple[int, str]:
    """Run a job in this process, without a row; returns exit code and log."""
    prepare(folder)
    ensure_demo_pictures(folder / "datasets")
    changes = {"steps": 40, **FAST, **changes, "sqlite_db_path": str(folder / "aitk_db.db")}
    folders = {"training_folder": folder / "output", "datasets_folder": folder / "datasets"}
    config = demo_config("here", **{**folders, **changes})
    interrupted = threading.Event()
    if stopped:
        interrupted.set()
    stream = io.StringIO(newline="")
    code = run_job(config, TrainLog(stream), job_id=None, interrupted=interrupted)
    return code, stream.getvalue()


def stored(folder: Path, key: str) -> list[float]:
    path = folder / "output" / "here" / "loss_log.db"
    answer = read_points(path, key=key, since_step=None, stride=1, limit=-1)
    return [point["value"] for point in answer["points"]]


def test_the_log_has_the_real_trainers_lines_in_their_order(tmp_path: Path) -> None:
    code, log = run_here(tmp_path, steps=30, save={"max_step_saves_to_keep": 1})
    assert code == 0
    folder = tmp_path / "output" / "here"
    lines = [
        "Running 1 job\n{\n",
        '    "type": "diffusion_trainer",\n',
        f"Using SQLite database at {tmp_path / 'aitk_db.db'}\nJob ID: null\n\n{'#' * 45}\n",
        f"# Running job: here\n{'#' * 45}\n\n\nRunning  1 process\n",
        "create LoRA network. base dim (rank): 16, alpha: 16\n",
        f"Dataset: {tmp_path / 'datasets' / 'demo_pictures'}\n",
        "  -  Found 16 images\nBucket sizes for ",
        "64x64: 16 files\n1 buckets made\nGenerating baseline samples before training\n",
        f"]\nSaving at step 10\nSaved checkpoint to {folder / 'here_000000010.safetensors'}\n",
        f"Saved optimizer to {folder / 'optimizer.pt'}\n\n\rGenerating Images: ",
        f"Removing old save: {folder / 'here_000000010.safetensors'}\n",
        f"\nSaved checkpoint to {folder / 'here.safetensors'}\n",
    ]
    # A redraw shorter than the last one is filled up with spaces.
    log = re.sub(r"\] +", "]", log)
    places = [log.find(line) for line in lines]
    assert -1 not in places, lines[places.index(-1)]
    assert places == sorted(places)
    assert log.endswith("\r\n\n")
    config = json.loads(log[log.index("{\n") : log.index("}\nUsing") + 1])
    assert config["train"]["steps"] == 30


def test_every_training_bar_fits_the_safe_pattern(tmp_path: Path) -> None:
    _, log = run_here(tmp_path, train={"disable_sampling": True})
    bars = [bar.rstrip() for bar in re.findall(r"\r(here: [^\r\n]*)", log)]
    assert len(bars) > 40
    matches = [SAFE_BAR.search(bar) for bar in bars]
    ends = [match.end() if match else 0 for match in matches]
    assert ends == [len(bar) for bar in bars]
    last = matches[-1]
    assert last is not None
    assert last.group(2, 3) == ("40", "40")
    assert re.fullmatch(r" loss: \d\.\d{3}e[-+]\d\d", last.group(9))


def test_a_sane_run_improves_its_validation_loss(tmp_path: Path) -> None:
    run_here(tmp_path, steps=100, train={"disable_sampling": True})
    values = stored(tmp_path, "val/loss")
    assert values[-1] < values[0]


def test_a_run_at_an_absurd_learning_rate_diverges_and_still_completes(tmp_path: Path) -> None:
    code, log = run_here(tmp_path, lr=0.5, train={"disable_sampling": True})
    values = stored(tmp_path, "loss/loss")
    assert code == 0
    assert "loss is nan" not in log
    assert sum(values[20:]) / len(values[20:]) > 1


def test_a_loss_that_is_not_finite_is_logged_as_zero(tmp_path: Path) -> None:
    """As the recorded run nan_loss: the message sticks to the bar, the table holds zeros."""
    train = {"disable_sampling": True, "dtype": "fp16"}
    code, log = run_here(tmp_path, lr=0.5, train=train)
    values = stored(tmp_path, "loss/loss")
    assert code == 0
    assert values.count(0.0) >= 30
    assert log.count("loss is nan\n") == pytest.approx(values.count(0.0), abs=1)
    assert "]loss is nan\n\r" in log
    assert "loss: 0.000e+00]" in log


def test_accumulated_batches_count_as_one_step(tmp_path: Path) -> None:
    train = {"gradient_accumulation": 3, "batch_size": 2, "disable_sampling": True}
    code, _ = run_here(tmp_path, steps=10, train=train)
    assert code == 0
    assert len(stored(tmp_path, "loss/loss")) == 9


def test_the_same_seed_gives_the_same_losses(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        run_here(tmp_path / name, steps=12, train={"disable_sampling": True})
        runs.append(stored(tmp_path / name, "loss/loss"))
    assert runs[0] == runs[1]


def test_without_the_ui_logger_there_is_no_loss_table(tmp_path: Path) -> None:
    run_here(tmp_path, steps=3, logging={"use_ui_logger": False})
    assert not (tmp_path / "output" / "here" / "loss_log.db").exists()


def test_an_interrupt_while_loading_ends_the_run(tmp_path: Path) -> None:
    code, log = run_here(tmp_path, stopped=True)
    assert code == 0
    assert "Job stopped" in log


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name_or_path": "/no/such/model"}}, "is neither a valid local path"),
        ({"train": {"optimizer": "prodigy"}}, "Unknown optimizer type prodigy"),
        ({"training_folder": "/somewhere"}, "is not in the sandbox's data folder"),
        ({"type": "sd_trainer"}, "Unknown process type: sd_trainer"),
    ],
)
def test_runs_that_cannot_start_say_why(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    code, log = run_here(tmp_path, **changes)
    assert code == 1
    assert re.search(rf"Error running job: .*{message}", log)
    assert "Result:\n - 0 completed jobs\n - 1 failure\n" in log
