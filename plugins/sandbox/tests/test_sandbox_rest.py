"""The routes, asked what the real backend was asked.

`recordings/rest.json` holds requests and answers of a live AI Toolkit 0.12.26, in the order of
their recording. They are sent again in that order; what a trainer or a hand did in between is
done here by `BETWEEN`. Answers have to be equal, but for times, ids and folders.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs
import httpx

from aitk_sandbox import lossdb
from aitk_sandbox.app import create_app, open_backend
from aitk_sandbox.web import Backend

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "recordings" / "rest.json").read_text(encoding="utf-8")
)
BY_NAME = {item["name"][4:]: item for item in RECORDED}
TOKEN = "test-token-123"
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
            if name in BETWEEN:
                BETWEEN[name](here)
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
