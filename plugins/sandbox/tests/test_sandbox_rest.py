"""The routes, asked what the real backend was asked.

`recordings/rest.json` holds requests and answers of a live AI Toolkit 0.12.26, in the order of
their recording. They are sent again in that order; what a trainer or a hand did in between is
done here by `BETWEEN`. Answers have to be equal, but for times, ids and folders.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import httpx
import pytest

from aitk_sandbox import lossdb, routes_jobs
from aitk_sandbox.app import create_app, open_backend
from aitk_sandbox.web import Backend

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "recordings" / "rest.json").read_text(encoding="utf-8")
)
BY_NAME = {item["name"][4:]: item for item in RECORDED}
TOKEN = "test-token-123"  # noqa: S105 - the invented one of the recordings
TIMES = ("created_at", "updated_at", "wall_time")
VERBATIM = ("log_", "loss_")
"""Recordings whose byte counts depend on the recorded folder names."""

NOT_EQUAL = {
    "cpu": "another machine",
    "datasets_list_after_delete": "taken later, after other uploads",
    "files_while_running": "the weights have another size",
}


@attrs.define(kw_only=True)
class Stage:
    """One replay: a fresh backend, and how recorded ids and folders are called here."""

    backend: Backend
    names: dict[str, str]
    """Recorded text to text here."""
    app: Any = None

    def here(self, text: str) -> str:
        for recorded, ours in self.names.items():
            text = text.replace(quote(recorded, safe=""), quote(ours, safe=""))
            text = text.replace(recorded, ours)
        return text

    def job(self, recorded: str) -> dict[str, Any]:
        row: dict[str, Any] | None = self.backend.state.job(self.here(recorded))
        assert row is not None
        return row


def stage(folder: Path) -> Stage:
    backend = open_backend(folder)
    return Stage(backend=backend, names={"/toolkit": str(folder)}, app=create_app(backend))


async def ask(app: Any, request: dict[str, Any], here: Callable[[str], str]) -> httpx.Response:
    body, extra = request["body"], dict[str, Any]()
    if isinstance(body, dict) and "multipart" in body:
        parts = body["multipart"]
        extra["files"] = [
            (part["name"], (part["filename"], base64.b64decode(part["base64"]), "image/jpeg"))
            for part in parts
            if "filename" in part
        ] or [("", (None, b""))]
        extra["data"] = {part["name"]: part["value"] for part in parts if "value" in part}
    elif isinstance(body, dict) and "raw" in body:
        extra["content"] = body["raw"]
    elif body is not None:
        extra["json"] = json.loads(here(json.dumps(body)))
    headers = {
        key: value for key, value in request["headers"].items() if key.lower() != "content-type"
    }
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        return await client.request(
            request["method"],
            here(request["path"]),
            params={key: here(str(value)) for key, value in request["query"].items()} or None,
            headers=headers,
            **extra,
        )


def masked(value: Any) -> Any:
    """Replace what differs from run to run, and parse the configs inside rows."""
    if isinstance(value, dict):
        changed = {key: "time" for key in TIMES if key in value}
        if "job_config" in value:
            changed["job_config"] = json.loads(value["job_config"])
        return {key: masked(item) for key, item in value.items()} | changed
    return [masked(item) for item in value] if isinstance(value, list) else value


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def compare(answer: httpx.Response, recorded: dict[str, Any], name: str, here: Stage) -> None:
    assert answer.status_code == recorded["status"], name
    for header, value in recorded["headers"].items():
        if header == "etag":
            assert header in answer.headers, name
        else:
            assert answer.headers.get(header, "") == here.here(value), (name, header)
    if recorded["body_kind"] == "empty":
        assert answer.content == b"", name
    elif recorded["body_kind"] == "text":
        assert answer.text == recorded["body"], name
    elif recorded["body_kind"] == "base64" and recorded["body"] is not None:
        assert answer.content[:4096] == base64.b64decode(recorded["body"]), name
    elif recorded["body_kind"] == "json":
        verbatim = name.startswith(VERBATIM)
        expected = (
            recorded["body"] if verbatim else json.loads(here.here(json.dumps(recorded["body"])))
        )
        view = shape if name in NOT_EQUAL else masked
        assert view(answer.json()) == view(expected), name


def make_empty_set(here: Stage) -> None:
    root = here.backend.folders.datasets
    (root / "empty_set").mkdir(parents=True)
    (root / "shapes" / "sub").mkdir()
    (root / "shapes" / "sub" / "c.png").write_bytes(b"")


def make_junk(here: Stage) -> None:
    (here.backend.folders.datasets / "shapes" / "junk.bin").write_bytes(b"x")


def show_row(name: str) -> Callable[[Stage], None]:
    """Let a row stand as the trainer or worker had left it when it was recorded."""

    def change(here: Stage) -> None:
        recorded = BY_NAME[name]["response"]["body"]
        columns = recorded.keys() - {"id", "name", "job_config", "created_at", "updated_at"}
        here.backend.state.update_job(
            here.here(recorded["id"]), **{key: recorded[key] for key in columns}
        )
        here.app = create_app(here.backend)  # a new one has nothing cached

    return change


def show_save(here: Stage) -> None:
    show_row("job_save_now")(here)
    here.backend.state.update_job(here.job(REST_ONE)["id"], save_now=False)


def show_sample(here: Stage) -> None:
    show_row("job_sample_now")(here)
    here.backend.state.update_job(here.job(REST_ONE)["id"], sample_now=False)
    show_files(here, "files_while_running")
    write_losses(here)


REST_ONE = BY_NAME["jobs_create"]["response"]["body"]["id"]


def show_files(here: Stage, name: str) -> None:
    for item in BY_NAME[name]["response"]["body"]["files"]:
        path = Path(here.here(item["path"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" * item["size"])


def write_losses(here: Stage) -> None:
    path = here.backend.folders.training / "rest_one" / lossdb.FILE_NAME
    lossdb.LossTable(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        for point in BY_NAME["loss_key"]["response"]["body"]["points"]:
            step, seen = point["step"], point["wall_time"]
            connection.execute("INSERT INTO steps VALUES (?, ?)", (step, seen))
            for key, value in (("loss/loss", point["value"]), ("learning_rate", 0.001)):
                connection.execute("INSERT INTO metrics VALUES (?, ?, ?, NULL)", (step, key, value))
        connection.execute("INSERT INTO metric_keys VALUES ('loss/loss', 1, 119)")
        connection.execute("INSERT INTO metric_keys VALUES ('learning_rate', 1, 119)")


def finish_run(here: Stage) -> None:
    show_row("jobs_get_completed")(here)
    here.backend.state.switch_queue("0", running=False)
    show_files(here, "files_completed")
    folder = here.backend.folders.training / "rest_one"
    log = BY_NAME["log_full_completed"]["response"]["body"]["log"]
    (folder / "log.txt").write_bytes(log.encode())
    (folder / "samples").mkdir()
    for path in BY_NAME["samples_completed"]["response"]["body"]["samples"]:
        Path(here.here(path)).write_bytes(b"\xff\xd8")


def make_shapes_train(here: Stage) -> None:
    (here.backend.folders.datasets / "shapes_train").mkdir()


BETWEEN: dict[str, Callable[[Stage], None]] = {
    "datasets_list_two": make_empty_set,
    "datasets_list_after_delete": make_shapes_train,
    "files_delete": make_junk,
    "jobs_get_just_started": show_row("jobs_get_just_started"),
    "jobs_get_running": show_row("jobs_get_running"),
    "job_save_now": show_save,
    "job_sample_now": show_sample,
    "jobs_get_completed": finish_run,
    "job_stop_running": show_row("job_stop_running"),
    "job_delete": show_row("job_delete"),
}


def test_the_real_backends_answers_come_again_in_the_same_order(tmp_path: Path) -> None:
    async def replay() -> int:
        here, count = stage(tmp_path / "toolkit"), 0
        for item in RECORDED:
            name = item["name"][4:]
            if name.startswith("auth_on_"):
                continue
            BETWEEN.get(name, lambda _: None)(here)
            answer = await ask(here.app, item["request"], here.here)
            body = item["response"]["body"]
            if name.startswith("jobs_create") and answer.status_code == 200:
                here.names[body["id"]] = answer.json()["id"]
            compare(answer, item["response"], name, here)
            count += 1
        return count

    assert asyncio.run(replay()) > 140


def test_the_token_is_asked_for_as_recorded(tmp_path: Path) -> None:
    async def replay() -> None:
        here = stage(tmp_path / "toolkit")
        create, row = BY_NAME["jobs_create"], BY_NAME["jobs_create"]["response"]["body"]
        upload = BY_NAME["datasets_upload_images_and_captions"]
        await ask(here.app, upload["request"], here.here)
        here.names[row["id"]] = (await ask(here.app, create["request"], here.here)).json()["id"]
        locked = create_app(here.backend, token=TOKEN)
        asked = [item for item in RECORDED if item["name"][4:].startswith("auth_on_")]
        assert len(asked) == 13
        for item in asked:
            name = item["name"][4:]
            answer = await ask(locked, item["request"], here.here)
            if isinstance(item["response"]["body"], dict) and "id" in item["response"]["body"]:
                assert answer.status_code == 200, name
                assert answer.json()["name"] == "rest_one"
            else:
                compare(answer, item["response"], name, here)

    asyncio.run(replay())


def get(here: Stage, path: str, **request: Any) -> httpx.Response:
    asked = {"method": "GET", "path": path, "query": {}, "headers": {}, "body": None} | request
    return asyncio.run(ask(here.app, asked, lambda text: text))


def post(here: Stage, path: str, body: Any) -> httpx.Response:
    return get(here, path, method="POST", body=body)


def run_with_log(folder: Path, log: bytes) -> tuple[Stage, str]:
    here = stage(folder)
    body = {"name": "run", "gpu_ids": "0", "job_config": {"config": {"process": []}}}
    job_id = post(here, "/api/jobs", body).json()["id"]
    (here.backend.folders.training / "run").mkdir(parents=True)
    (here.backend.folders.training / "run" / "log.txt").write_bytes(log)
    return here, f"/api/jobs/{job_id}/log"


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (None, ("größe\n", 8, True)),
        ("abc", ("größe\n", 8, True)),
        ("9", ("größe\n", 8, True)),
        ("8", ("", 8, False)),
        ("6x", ("e\n", 8, False)),
        ("3", ("\ufffdße\n", 8, False)),
        ("-2", ("größe\n\0\0", 8, False)),
    ],
)
def test_log_offsets_are_bytes(
    tmp_path: Path, offset: str | None, expected: tuple[str, int, bool]
) -> None:
    here, path = run_with_log(tmp_path, "größe\n".encode())
    answer = get(here, path, query={} if offset is None else {"offset": offset}).json()
    assert (answer["log"], answer["offset"], answer["reset"]) == expected


def test_a_long_log_comes_as_its_last_five_mebibytes_without_the_cut_line(tmp_path: Path) -> None:
    line = b"0123456789abcde\n"
    log = line * (6 * 1024 * 1024 // len(line)) + b"x"
    here, path = run_with_log(tmp_path, log)
    answer = get(here, path).json()
    assert answer["offset"] == len(log)
    assert len(answer["log"]) < 5 * 1024 * 1024
    assert answer["log"].startswith("0123")
    assert len(get(here, path, query={"offset": "0"}).json()["log"]) == len(log)


def test_an_image_not_changed_is_answered_304(tmp_path: Path) -> None:
    here = stage(tmp_path)
    path = here.backend.folders.datasets / "set" / "a.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xd8")
    url = f"/api/img/{quote(str(path), safe='')}"
    tag = get(here, url).headers["etag"]
    again = get(here, url, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_a_range_past_the_end_is_cut_to_the_file(tmp_path: Path) -> None:
    here = stage(tmp_path)
    path = here.backend.folders.training / "log.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"0123456789")
    url = f"/api/files/{quote(str(path), safe='')}"
    answer = get(here, url, headers={"Range": "bytes=4-99"})
    assert (answer.status_code, answer.content) == (206, b"456789")
    assert answer.headers["content-range"] == "bytes 4-9/10"
    assert get(here, "/api/files/%2Fbroken%").status_code == 500


@pytest.mark.parametrize("name", ["", ".", "..", "../outside", "/tmp/outside", "a/../.."])
def test_no_name_leads_out_of_the_datasets_folder(tmp_path: Path, name: str) -> None:
    """Unlike the real backend, whose routes join names unchecked."""
    here = stage(tmp_path / "toolkit")
    kept = here.backend.folders.datasets / "kept"
    kept.mkdir(parents=True)
    before = sorted(path for path in tmp_path.rglob("*") if "aitk_db" not in path.name)
    assert post(here, "/api/datasets/delete", {"name": name}).status_code == 500
    parts = [
        {"name": "datasetName", "value": name},
        {"name": "files", "filename": "x.jpg", "base64": ""},
    ]
    upload = post(here, "/api/datasets/upload", {"multipart": parts})
    assert upload.status_code == 500
    assert sorted(path for path in tmp_path.rglob("*") if "aitk_db" not in path.name) == before


def test_a_job_name_never_deletes_more_than_its_folder(tmp_path: Path) -> None:
    here = stage(tmp_path / "toolkit")
    kept = here.backend.folders.training / "kept"
    kept.mkdir(parents=True)
    for name in ("..", ".", ""):
        body = {"name": name, "gpu_ids": "0", "job_config": {}}
        job_id = post(here, "/api/jobs", body).json()["id"]
        assert get(here, f"/api/jobs/{job_id}/delete").json()["name"] == name
    assert kept.exists()


def test_folders_outside_the_sandbox_are_not_accepted_as_settings(tmp_path: Path) -> None:
    here = stage(tmp_path / "toolkit")
    body = {
        "HF_TOKEN": "",
        "TRAINING_FOLDER": str(tmp_path),
        "DATASETS_FOLDER": "",
        "MODELS_PATH": "",
    }
    assert post(here, "/api/settings", body).status_code == 500
    assert get(here, "/api/settings").json()["TRAINING_FOLDER"] == str(tmp_path / "toolkit/output")


def test_active_jobs_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(routes_jobs.time, "monotonic", lambda: now[0])
    here, _ = run_with_log(tmp_path, b"")
    query = {"only_active": "true"}
    assert get(here, "/api/jobs", query=query).json() == {"jobs": []}
    (job,) = here.backend.state.jobs()
    here.backend.state.update_job(job["id"], status="running")
    assert get(here, "/api/jobs", query=query).json() == {"jobs": []}
    now[0] += 5.1
    assert len(get(here, "/api/jobs", query=query).json()["jobs"]) == 1


def test_times_are_iso_8601_in_utc(tmp_path: Path) -> None:
    here, _ = run_with_log(tmp_path, b"")
    (job,) = here.backend.state.jobs()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", job["created_at"])


def test_every_range_of_metrics_can_be_paged(tmp_path: Path) -> None:
    here, log = run_with_log(tmp_path, b"")
    table = lossdb.LossTable(here.backend.folders.training / "run" / lossdb.FILE_NAME)
    for step in range(1, 11):
        table.note("loss/loss", float(step))
        table.commit(step)
    table.close()
    path = log.replace("/log", "/loss")

    def steps(**query: str) -> list[int]:
        points = get(here, path, query={"key": "loss/loss", **query}).json()["points"]
        return [point["step"] for point in points]

    assert steps(limit="3") == [1, 2, 3]
    assert steps(limit="3", since_step="3") == [4, 5, 6]
    assert steps(stride="5") == [5, 10]
    assert steps(stride="0", limit="-1") == list(range(1, 11))
    for key in ("limit", "stride", "since_step"):
        answer = get(here, path, query={key: "abc"})
        assert (answer.status_code, answer.content) == (500, b"")
