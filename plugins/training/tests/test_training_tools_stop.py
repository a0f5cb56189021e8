"""stop-training on the embedded backend's routes without its worker: rows stay as they are set."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.errors import BackendError, ConflictError, InvalidArgumentsError
from aitk_core.testing.recorded import recorded_runs
from aitk_sandbox.app import create_app, open_backend
from aitk_training.tools import stop as stop_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.records.results import ToolResult

RUNS = recorded_runs()
JOB_ROUTE = re.compile(r"/api/jobs/([^/]+)/(\w+)")
CHANGES = ("start", "stop", "mark_stopped", "save_now", "sample_now", "delete")


class Lab:
    """The embedded backend's routes behind the real client, with a trainer that obeys at once."""

    def __init__(self, folder: Path) -> None:
        self.inside = open_backend(folder)
        self.routes = httpx.ASGITransport(app=create_app(self.inside))
        self.backend = AiToolkitBackend(
            "http://lab.test", transport=httpx.MockTransport(self.answer)
        )
        self.changed: list[str] = []
        self.obeys = True
        self.saves = True
        self.failing = ""

    async def answer(self, request: httpx.Request) -> httpx.Response:
        asked = JOB_ROUTE.fullmatch(request.url.path)
        if asked is None:
            return await self.routes.handle_async_request(request)
        job_id, what = asked.groups()
        if what == self.failing:
            return httpx.Response(500, json={"error": "Failed"})
        answered = await self.routes.handle_async_request(request)
        if what in CHANGES:
            self.changed.append(what)
            self.obey(job_id, what)
        return answered

    def obey(self, job_id: str, what: str) -> None:
        state = self.inside.state
        row = state.job(job_id) or {}
        if what == "stop" and self.obeys:
            state.update_job(job_id, status="stopped", info="Job stopped")
        if what == "save_now" and self.saves:
            self.save(row["name"], f"{row['name']}_{row['step']:09}.safetensors")
            state.update_job(job_id, touch=False, save_now=False)

    def put(self, run: str, **row: Any) -> str:
        """Add a recorded job as it stood at its end, changed as told; then its launch time."""
        kept = {key: value for key, value in RUNS[run].row.items() if key != "updated_at"}
        job_id = str(self.inside.state.create_job(kept | row)["id"])
        launched = row.get("updated_at", RUNS[run].row["updated_at"])
        self.inside.state.update_job(job_id, touch=False, updated_at=launched)
        return job_id

    def save(self, name: str, *files: str) -> None:
        folder = self.inside.folders.training / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            (folder / file).write_bytes(b"weights")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    for pause in ("_OBSERVE_S", "_SAVE_POLL_S", "_LOOK_PAUSE_S"):
        monkeypatch.setattr(stop_module, pause, 0.05)
    monkeypatch.setattr(stop_module, "_SAVE_WAIT_S", 0.2)
    return Lab(tmp_path / "backend")


@pytest.fixture
def stop(call: Callable[..., ToolResult], lab: Lab) -> Callable[..., Any]:
    def run(job_id: str, *, now: float | None = None, **arguments: Any) -> ToolResult:
        return call(lab.backend, "stop-training", {"job_id": job_id, **arguments}, now=now)

    return run


def status_of(lab: Lab, job_id: str) -> str:
    row = lab.inside.state.job(job_id)
    assert row is not None
    return str(row["status"])


def just_launched() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@pytest.mark.parametrize("run", ["ok_200_steps", "stop_midway", "kill9_worker_alive"])
@pytest.mark.parametrize("recover", [False, True])
def test_pitfall_123_a_job_that_has_ended_is_left_as_it_is(
    lab: Lab, stop: Any, run: str, *, recover: bool
) -> None:
    job_id = lab.put(run)
    before = lab.inside.state.job(job_id)
    with pytest.raises(ConflictError, match="already") as caught:
        stop(job_id, recover=recover)
    assert caught.value.details["job_status"] == RUNS[run].row["status"]
    assert lab.changed == []
    assert lab.inside.state.job(job_id) == before


def test_a_running_job_is_stopped_and_says_what_is_lost(lab: Lab, stop: Any) -> None:
    job_id = lab.put("kill9_midway")
    lab.save(
        "kill9_midway", "kill9_midway_000000050.safetensors", "kill9_midway_000000100.safetensors"
    )
    result = stop(job_id)
    data = result.data
    assert (data["action"], data["status"], data["verified"]) == ("stopped", "stopped", True)
    assert (data["step"], data["last_save_step"], data["steps_lost"]) == (114, 100, 14)
    assert "Steps lost: 14 (step 114, newest checkpoint 100)" in result.summary
    assert "the process may need some seconds more" in result.summary
    assert lab.changed == ["stop"]


def test_a_queued_job_leaves_its_queue_for_good(lab: Lab, stop: Any) -> None:
    """The stop route leaves it queued, and it runs anyway (backend/RUNBOOK.md section 5)."""
    job_id = lab.put("stop_midway", status="queued", stop=False)
    result = stop(job_id)
    assert (result.data["action"], result.data["verified"]) == ("removed_from_queue", True)
    assert result.data["steps_lost"] == 0
    assert lab.changed == ["mark_stopped"]
    assert status_of(lab, job_id) == "stopped"


def test_a_stop_that_is_not_heeded_is_not_claimed(lab: Lab, stop: Any) -> None:
    lab.obeys = False
    job_id = lab.put("kill9_midway")
    result = stop(job_id)
    assert (result.data["status"], result.data["verified"]) == ("running", False)
    assert "not verified" in result.summary
    with pytest.raises(ConflictError, match="asked to stop already"):
        stop(job_id)
    assert lab.changed == ["stop"]


def test_pitfall_43_a_stop_that_fails_is_an_error_and_can_be_repeated(lab: Lab, stop: Any) -> None:
    job_id = lab.put("kill9_midway")
    lab.failing = "stop"
    with pytest.raises(BackendError):
        stop(job_id)
    assert status_of(lab, job_id) == "running"
    lab.failing = ""
    assert stop(job_id).data["verified"] is True


@pytest.mark.parametrize("run", ["kill9_midway", "hang_midway"])
def test_a_stuck_job_is_recovered_on_request(lab: Lab, stop: Any, run: str) -> None:
    job_id = lab.put(run, info="Loading model")
    launched = datetime.fromisoformat(RUNS[run].row["updated_at"]).timestamp()
    result = stop(job_id, recover=True, now=launched + 4 * 3600)
    assert (result.data["action"], result.data["verdict"]) == ("recovered", "stuck")
    assert result.data["verified"] is True
    assert "no process was signalled" in result.summary
    assert lab.changed == ["mark_stopped"]
    assert status_of(lab, job_id) == "stopped"


def test_a_job_that_lives_is_not_recovered(lab: Lab, stop: Any) -> None:
    job_id = lab.put("kill9_midway", updated_at=just_launched())
    with pytest.raises(ConflictError, match="not shown to be stuck or dead") as caught:
        stop(job_id, recover=True)
    assert caught.value.details["verdict"] == "training"
    assert lab.changed == []


def test_a_job_of_which_nothing_is_known_is_not_recovered(lab: Lab, stop: Any) -> None:
    job_id = lab.put("no_ui_logger", status="running", info="Training", step=30)
    launched = datetime.fromisoformat(RUNS["no_ui_logger"].row["updated_at"]).timestamp()
    with pytest.raises(ConflictError) as caught:
        stop(job_id, recover=True, now=launched + 4 * 3600)
    assert caught.value.details["verdict"] == "undetermined"


def test_a_save_comes_first_on_request(lab: Lab, stop: Any) -> None:
    job_id = lab.put("kill9_midway")
    result = stop(job_id, save_first=True)
    assert lab.changed == ["save_now", "stop"]
    assert (result.data["last_save_step"], result.data["steps_lost"]) == (114, 0)


def test_a_save_that_is_not_seen_leaves_the_job_running(lab: Lab, stop: Any) -> None:
    lab.saves = False
    job_id = lab.put("kill9_midway")
    with pytest.raises(ConflictError, match="was not stopped: the checkpoint"):
        stop(job_id, save_first=True)
    assert lab.changed == ["save_now"]
    assert status_of(lab, job_id) == "running"


def test_a_job_without_steps_to_lose_is_not_asked_to_save(lab: Lab, stop: Any) -> None:
    job_id = lab.put("kill9_midway", step=0, info="Loading model")
    assert stop(job_id, save_first=True).data["steps_lost"] == 0
    assert lab.changed == ["stop"]


def test_checkpoints_that_cannot_be_read_do_not_keep_a_job_running(lab: Lab, stop: Any) -> None:
    lab.failing = "files"
    result = stop(lab.put("kill9_midway"))
    assert result.data["verified"] is True
    assert result.data["steps_lost"] is None
    assert "lost steps are not known" in result.summary


@pytest.mark.parametrize("job_id", ["../../settings", "x?offset=0", "x#y", "%2e%2e"])
def test_an_id_that_is_a_path_is_refused(lab: Lab, stop: Any, job_id: str) -> None:
    with pytest.raises(InvalidArgumentsError):
        stop(job_id)
    assert lab.changed == []
