"""start-training on the embedded backend's routes without its worker: rows stay as they are set."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx
import pytest

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.context import Session
from aitk_core.errors import (
    BackendError,
    ConfigNotFoundError,
    ConflictError,
    InvalidArgumentsError,
    JobNotFoundError,
    PathOutsideRootsError,
)
from aitk_core.testing.recorded import recorded_runs
from aitk_sandbox.app import create_app, open_backend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.application import Application

RUNS = recorded_runs()
CHANGE = re.compile(r"/api/(jobs|queue)/([^/]+)/start")
UNKNOWN = "00000000-0000-0000-0000-000000000003"


class Lab:
    """The embedded backend's routes behind the real client, with a record of what was changed."""

    def __init__(self, folder: Path) -> None:
        self.inside = open_backend(folder)
        self.routes = httpx.ASGITransport(app=create_app(self.inside))
        self.backend = AiToolkitBackend(
            "http://lab.test", transport=httpx.MockTransport(self.answer)
        )
        self.changed: list[str] = []
        self.failing = ""
        self.before_create: Callable[[], None] = lambda: None

    async def answer(self, request: httpx.Request) -> httpx.Response:
        change = CHANGE.fullmatch(request.url.raw_path.decode())
        what = f"queue {unquote(change[2])}" if change and change[1] == "queue" else "start"
        if request.method == "POST":
            what = "update" if "id" in json.loads(request.content) else "create"
        if change or request.method == "POST":
            if what == self.failing:
                return httpx.Response(500, json={"error": "Failed"})
            if what == "create":
                self.before_create()
            self.changed.append(what)
        return await self.routes.handle_async_request(request)

    def put(self, run: str, **row: Any) -> str:
        """Add a recorded job as it stood at its end, changed as told."""
        kept = {key: value for key, value in RUNS[run].row.items() if key != "updated_at"}
        return str(self.inside.state.create_job(kept | row)["id"])

    def save(self, name: str, *files: str) -> None:
        folder = self.inside.folders.training / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            (folder / file).write_bytes(b"weights")

    def rows(self) -> list[dict[str, Any]]:
        return self.inside.state.jobs()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "backend")


@pytest.fixture
def start(application_with: Callable[..., Application], lab: Lab) -> Callable[..., Any]:
    def run(*calls: dict[str, Any]) -> Any:
        """Make the calls at once; give the only answer, or all answers and errors."""
        application = application_with(lab.backend)

        async def together() -> list[Any]:
            async with application:
                session = Session(policy=application.policy)
                return await asyncio.gather(
                    *(
                        application.dispatcher.call("start-training", each, session)
                        for each in calls
                    ),
                    return_exceptions=True,
                )

        answers = asyncio.run(together())
        if len(answers) > 1:
            return answers
        if isinstance(answers[0], BaseException):
            raise answers[0]
        return answers[0]

    return run


def config_of(run: str, **changes: Any) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(RUNS[run].row["job_config"])
    process = config["config"]["process"][0]
    for path, value in changes.items():
        block, _, key = path.partition("__")
        if key:
            process[block][key] = value
        else:
            config["config"][block] = value
    return config


def save_config(tmp_path: Path, name: str, config: dict[str, Any]) -> None:
    folder = tmp_path / "home" / "configs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(config), encoding="utf-8")


def in_backends_folder(lab: Lab, run: str) -> str:
    """The recorded config as this backend would store it, training folder included."""
    config = config_of(run)
    config["config"]["process"][0]["training_folder"] = str(lab.inside.folders.training)
    return json.dumps(config)


def test_pitfall_48_a_queued_job_is_reported_as_queued(
    lab: Lab, start: Any, tmp_path: Path
) -> None:
    save_config(tmp_path, "mine", config_of("ok_200_steps"))
    result = start({"config_name": "mine"})
    data = result.data
    assert (data["action"], data["status"], data["resume_step"]) == ("created", "queued", 0)
    assert data["queue"] == {"gpu_ids": "0", "is_running": True, "position": 1, "behind": []}
    assert f"- Job ID: {data['job_id']}" in result.summary
    assert "- Status: queued, next on GPU 0" in result.summary
    assert "unning" not in result.summary.replace("running on", "")
    assert lab.changed == ["create", "start", "queue 0"]


def test_a_job_says_behind_what_it_waits(lab: Lab, start: Any, tmp_path: Path) -> None:
    first = lab.put("kill9_midway")
    second = lab.put("stop_midway", status="queued", queue_position=28_000)
    save_config(tmp_path, "mine", config_of("ok_200_steps"))
    result = start({"config_name": "mine"})
    place = result.data["queue"]
    assert [each["id"] for each in place["behind"]] == [first, second]
    assert place["position"] == 2
    assert "behind 2: kill9_midway (running), stop_midway (queued)" in result.summary


def test_the_backends_own_training_folder_is_sent(lab: Lab, start: Any, tmp_path: Path) -> None:
    save_config(tmp_path, "mine", config_of("ok_200_steps"))
    result = start({"config_name": "mine"})
    sent = json.loads(lab.rows()[0]["job_config"])["config"]["process"][0]["training_folder"]
    assert sent == str(lab.inside.folders.training)
    assert any("training_folder" in note for note in result.data["notes"])


@pytest.mark.parametrize("status", ["running", "queued"])
def test_pitfall_45_a_job_that_is_active_is_left_alone(
    lab: Lab, start: Any, tmp_path: Path, status: str
) -> None:
    job_id = lab.put("kill9_midway", status=status, step=114)
    lab.inside.state.switch_queue("0", running=True)
    before = lab.rows()
    save_config(tmp_path, "mine", config_of("kill9_midway", train__steps=5))
    for arguments in (
        {"config_name": "mine", "resume": True, "replace_config": True},
        {"job_id": job_id, "resume": True},
    ):
        with pytest.raises(ConflictError) as caught:
            start(arguments)
        assert caught.value.details["job_id"] == job_id
        assert caught.value.details["job_status"] == status
        assert "kill9_midway" in str(caught.value)
    assert lab.rows() == before
    assert lab.changed == []


def test_pitfall_46_another_config_of_the_same_job_name_is_refused_with_its_differences(
    lab: Lab, start: Any, tmp_path: Path
) -> None:
    job_id = lab.put("stop_midway", job_config=in_backends_folder(lab, "stop_midway"))
    save_config(tmp_path, "other", config_of("stop_midway", train__steps=9))
    with pytest.raises(ConflictError) as caught:
        start({"config_name": "other"})
    assert caught.value.details["needs"] == ["replace_config"]
    assert caught.value.details["changes"] == [
        {"path": "process.0.train.steps", "old": 200, "new": 9}
    ]
    assert "process.0.train.steps (200 to 9)" in str(caught.value)
    assert lab.changed == []
    result = start({"config_name": "other", "replace_config": True})
    assert result.data["job_id"] == job_id
    assert lab.changed == ["update", "start", "queue 0"]
    stored = json.loads(lab.rows()[0]["job_config"])
    assert stored["config"]["process"][0]["train"]["steps"] == 9


def test_pitfall_46_a_config_without_a_name_is_no_job(lab: Lab, start: Any, tmp_path: Path) -> None:
    config = config_of("ok_200_steps")
    del config["config"]["name"]
    save_config(tmp_path, "mine", config)
    with pytest.raises(InvalidArgumentsError):
        start({"config_name": "mine"})
    assert lab.rows() == []


def test_pitfall_47_the_queue_of_the_jobs_own_gpus_is_started(lab: Lab, start: Any) -> None:
    job_id = lab.put("stop_midway", gpu_ids="1")
    result = start({"job_id": job_id})
    assert lab.changed == ["start", "queue 1"]
    assert result.data["gpu_ids"] == "1"


def test_pitfall_47_the_caller_chooses_the_gpus(lab: Lab, start: Any, tmp_path: Path) -> None:
    lab.put("kill9_midway", gpu_ids="1")
    save_config(tmp_path, "mine", config_of("ok_200_steps"))
    result = start({"config_name": "mine", "gpu_ids": "0,1"})
    assert lab.changed[-1] == "queue 0,1"
    assert result.data["gpu_ids"] == "0,1"
    assert any("the queues do not see each other" in note for note in result.data["notes"])


def test_pitfall_49_four_starts_at_once_make_one_job_and_start_it_once(
    lab: Lab, start: Any, tmp_path: Path
) -> None:
    save_config(tmp_path, "mine", config_of("ok_200_steps"))
    answers = start(*[{"config_name": "mine"}] * 4)
    assert sum(isinstance(each, ConflictError) for each in answers) == 3
    assert lab.changed == ["create", "start", "queue 0"]
    assert len(lab.rows()) == 1


def test_pitfall_49_who_loses_the_race_for_a_name_starts_nothing(
    lab: Lab, start: Any, tmp_path: Path
) -> None:
    save_config(tmp_path, "mine", config_of("ok_200_steps"))

    def other_server() -> None:
        lab.put("ok_200_steps", status="stopped", step=0)

    lab.before_create = other_server
    with pytest.raises(ConflictError, match="at the same moment") as caught:
        start({"config_name": "mine"})
    assert caught.value.details["job_id"] == RUNS["ok_200_steps"].job_id
    assert lab.changed == ["create"]


def test_going_on_from_a_checkpoint_has_to_be_said(lab: Lab, start: Any) -> None:
    job_id = lab.put("stop_midway")
    lab.save(
        "stop_midway", "stop_midway_000000040.safetensors", "stop_midway_000000080.safetensors"
    )
    with pytest.raises(ConflictError) as caught:
        start({"job_id": job_id})
    assert (caught.value.details["needs"], caught.value.details["resume_step"]) == (["resume"], 80)
    assert lab.changed == []
    result = start({"job_id": job_id, "resume": True})
    assert (result.data["action"], result.data["resume_step"]) == ("resumed", 80)
    assert result.data["resume_file"] == "stop_midway_000000080.safetensors"
    assert "resumes from step 80" in result.summary


def test_a_killed_run_goes_on_from_its_save_not_from_its_last_step(lab: Lab, start: Any) -> None:
    job_id = lab.put("kill9_worker_alive")
    lab.save("kill9_worker_alive", "kill9_worker_alive_000000100.safetensors")
    assert start({"job_id": job_id, "resume": True}).data["resume_step"] == 100


def test_pitfall_125_optimizer_state_is_no_checkpoint(lab: Lab, start: Any) -> None:
    job_id = lab.put("fail_missing_dataset")
    lab.save("fail_missing_dataset", "optimizer.pt", "optimizer.safetensors")
    assert start({"job_id": job_id}).data["resume_step"] == 0


def test_a_job_without_a_checkpoint_starts_again_from_zero(lab: Lab, start: Any) -> None:
    job_id = lab.put("fail_missing_dataset")
    result = start({"job_id": job_id})
    assert (result.data["action"], result.data["resume_step"]) == ("restarted", 0)


def test_a_completed_job_is_done_unless_it_gets_more_steps(
    lab: Lab, start: Any, tmp_path: Path
) -> None:
    job_id = lab.put("ok_200_steps", job_config=in_backends_folder(lab, "ok_200_steps"))
    lab.save("ok_200_steps", "ok_200_steps.safetensors", "ok_200_steps_000000150.safetensors")
    with pytest.raises(ConflictError, match="all 200 steps are done"):
        start({"job_id": job_id, "resume": True})
    save_config(tmp_path, "more", config_of("ok_200_steps", train__steps=400))
    result = start({"config_name": "more", "resume": True, "replace_config": True})
    assert (result.data["resume_step"], result.data["action"]) == (200, "resumed")


def test_checkpoints_of_a_deleted_job_are_not_resumed_unasked(
    lab: Lab, start: Any, tmp_path: Path
) -> None:
    """REQUESTS 39: the folder outlives a row that was removed by hand."""
    lab.save("ok_200_steps", "ok_200_steps_000000150.safetensors")
    save_config(tmp_path, "mine", config_of("ok_200_steps"))
    with pytest.raises(ConflictError, match="already holds checkpoints") as caught:
        start({"config_name": "mine"})
    assert lab.changed == ["create"]
    result = start({"job_id": caught.value.details["job_id"], "resume": True})
    assert result.data["resume_step"] == 150


@pytest.mark.parametrize("step", ["start", "queue 0"])
def test_a_start_that_fails_half_way_names_the_job_and_its_state(
    lab: Lab, start: Any, tmp_path: Path, step: str
) -> None:
    save_config(tmp_path, "mine", config_of("ok_200_steps"))
    lab.failing = step
    with pytest.raises(BackendError) as caught:
        start({"config_name": "mine"})
    job_id = lab.rows()[0]["id"]
    assert caught.value.details["job_id"] == job_id
    assert job_id in str(caught.value)
    assert caught.value.details["job_status"] == ("stopped" if step == "start" else "queued")
    lab.failing = ""
    assert start({"job_id": job_id}).data["status"] == "queued"


def test_a_queued_job_whose_queue_is_off_gets_its_queue_started(lab: Lab, start: Any) -> None:
    job_id = lab.put("stop_midway", status="queued")
    lab.inside.state.switch_queue("0", running=False)
    result = start({"job_id": job_id})
    assert result.data["action"] == "queue_started"
    assert lab.changed == ["queue 0"]


def test_pitfall_124_names_are_checked_before_anything_is_sent(
    lab: Lab, start: Any, tmp_path: Path
) -> None:
    save_config(tmp_path, "inner", config_of("ok_200_steps", name="../../../etc/x"))
    (tmp_path / "evil.yaml").write_text("config: {name: evil}\n", encoding="utf-8")
    (tmp_path / "home" / "configs" / "link.yaml").symlink_to(tmp_path / "evil.yaml")
    for name in ("inner", "../../evil", "../evil"):
        with pytest.raises(InvalidArgumentsError):
            start({"config_name": name})
    with pytest.raises(PathOutsideRootsError):
        start({"config_name": "link"})
    assert lab.rows() == []


def test_a_config_that_reads_the_trainers_environment_is_not_sent(
    lab: Lab, start: Any, tmp_path: Path
) -> None:
    save_config(tmp_path, "mine", config_of("ok_200_steps", model__name_or_path="${HF_TOKEN}"))
    with pytest.raises(InvalidArgumentsError):
        start({"config_name": "mine"})
    assert lab.rows() == []


def test_what_names_no_job_is_an_error(lab: Lab, start: Any) -> None:
    with pytest.raises(ConfigNotFoundError):
        start({"config_name": "nothing"})
    with pytest.raises(JobNotFoundError):
        start({"job_id": UNKNOWN})
    for arguments in ({}, {"config_name": "a", "job_id": UNKNOWN}, {"job_id": "../../settings"}):
        with pytest.raises(InvalidArgumentsError):
            start(arguments)
    with pytest.raises(InvalidArgumentsError, match="replace_config needs config_name"):
        start({"job_id": UNKNOWN, "replace_config": True})
    assert lab.changed == []


def test_a_job_on_whose_config_the_worker_breaks_is_not_started(lab: Lab, start: Any) -> None:
    job_id = lab.put("stop_midway", job_config=json.dumps(json.dumps({"config": {}})))
    with pytest.raises(ConflictError, match="no config that the backend can run"):
        start({"job_id": job_id})
    assert lab.changed == []
