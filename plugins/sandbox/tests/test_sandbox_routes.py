"""Details of the routes that no recording shows, or where the sandbox is stricter on purpose."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from aitk_sandbox import lossdb
from aitk_sandbox.app import create_app, open_backend

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_sandbox.web import Backend


def ask(here: Backend, method: str, path: str, **extra: Any) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(here))
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return await client.request(method, path, **extra)

    return asyncio.run(answer())


def get(here: Backend, path: str, **extra: Any) -> httpx.Response:
    return ask(here, "GET", path, **extra)


def post(here: Backend, path: str, body: Any) -> httpx.Response:
    return ask(here, "POST", path, json=body)


def run_with_log(folder: Path, log: bytes) -> tuple[Backend, str]:
    here = open_backend(folder)
    body: dict[str, Any] = {
        "name": "run",
        "gpu_ids": "0",
        "job_config": {"config": {"process": []}},
    }
    job_id = post(here, "/api/jobs", body).json()["id"]
    (here.folders.training / "run").mkdir(parents=True)
    (here.folders.training / "run" / "log.txt").write_bytes(log)
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
    answer = get(here, path, params={} if offset is None else {"offset": offset}).json()
    assert (answer["log"], answer["offset"], answer["reset"]) == expected


def test_a_long_log_comes_as_its_last_five_mebibytes_without_the_cut_line(tmp_path: Path) -> None:
    line = b"0123456789abcde\n"
    log = line * (6 * 1024 * 1024 // len(line)) + b"x"
    here, path = run_with_log(tmp_path, log)
    answer = get(here, path).json()
    assert answer["offset"] == len(log)
    assert len(answer["log"]) < 5 * 1024 * 1024
    assert answer["log"].startswith("0123")
    assert len(get(here, path, params={"offset": "0"}).json()["log"]) == len(log)


def test_an_image_not_changed_is_answered_304(tmp_path: Path) -> None:
    here = open_backend(tmp_path)
    path = here.folders.datasets / "set" / "a.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xd8")
    url = f"/api/img/{quote(str(path), safe='')}"
    tag = get(here, url).headers["etag"]
    again = get(here, url, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_a_range_past_the_end_is_cut_to_the_file(tmp_path: Path) -> None:
    here = open_backend(tmp_path)
    path = here.folders.training / "log.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"0123456789")
    url = f"/api/files/{quote(str(path), safe='')}"
    answer = get(here, url, headers={"Range": "bytes=4-99"})
    assert (answer.status_code, answer.content) == (206, b"456789")
    assert answer.headers["content-range"] == "bytes 4-9/10"
    assert get(here, "/api/files/%2Fbroken%").status_code == 500


@pytest.mark.parametrize("name", ["", ".", "..", "../outside", "/outside", "a/../.."])
def test_no_name_leads_out_of_the_datasets_folder(tmp_path: Path, name: str) -> None:
    """Unlike the real backend, whose routes join names unchecked."""
    here = open_backend(tmp_path / "toolkit")
    kept = here.folders.datasets / "kept"
    kept.mkdir(parents=True)
    before = sorted(path for path in tmp_path.rglob("*") if "aitk_db" not in path.name)
    assert post(here, "/api/datasets/delete", {"name": name}).status_code == 500
    upload = ask(
        here,
        "POST",
        "/api/datasets/upload",
        data={"datasetName": name},
        files=[("files", ("x.jpg", b"x", "image/jpeg"))],
    )
    assert upload.status_code == 500
    assert sorted(path for path in tmp_path.rglob("*") if "aitk_db" not in path.name) == before


def test_a_job_name_never_deletes_more_than_its_folder(tmp_path: Path) -> None:
    here = open_backend(tmp_path / "toolkit")
    kept = here.folders.training / "kept"
    kept.mkdir(parents=True)
    for name in ("..", ".", ""):
        body: dict[str, Any] = {"name": name, "gpu_ids": "0", "job_config": {}}
        job_id = post(here, "/api/jobs", body).json()["id"]
        assert get(here, f"/api/jobs/{job_id}/delete").json()["name"] == name
    assert kept.exists()


def test_folders_outside_the_sandbox_are_not_accepted_as_settings(tmp_path: Path) -> None:
    here = open_backend(tmp_path / "toolkit")
    body: dict[str, str] = {
        "HF_TOKEN": "",
        "TRAINING_FOLDER": str(tmp_path),
        "DATASETS_FOLDER": "",
        "MODELS_PATH": "",
    }
    assert post(here, "/api/settings", body).status_code == 500
    assert get(here, "/api/settings").json()["TRAINING_FOLDER"] == str(tmp_path / "toolkit/output")


def test_active_jobs_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    here, _ = run_with_log(tmp_path, b"")
    app = create_app(here)

    async def active() -> list[Any]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            answer = await client.get("/api/jobs", params={"only_active": "true"})
        return list(answer.json()["jobs"])

    assert asyncio.run(active()) == []
    (job,) = here.state.jobs()
    here.state.update_job(job["id"], status="running")
    assert asyncio.run(active()) == []
    now[0] += time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert len(asyncio.run(active())) == 1


def test_times_are_iso_8601_in_utc(tmp_path: Path) -> None:
    here, _ = run_with_log(tmp_path, b"")
    (job,) = here.state.jobs()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", job["created_at"])


def test_every_range_of_metrics_can_be_paged(tmp_path: Path) -> None:
    here, log = run_with_log(tmp_path, b"")
    table = lossdb.LossTable(here.folders.training / "run" / lossdb.FILE_NAME)
    for step in range(1, 11):
        table.note("loss/loss", float(step))
        table.commit(step)
    table.close()
    path = log.replace("/log", "/loss")

    def steps(**query: str) -> list[int]:
        points = get(here, path, params={"key": "loss/loss", **query}).json()["points"]
        return [point["step"] for point in points]

    assert steps(limit="3") == [1, 2, 3]
    assert steps(limit="3", since_step="3") == [4, 5, 6]
    assert steps(stride="5") == [5, 10]
    assert steps(stride="0", limit="-1") == list(range(1, 11))
    for key in ("limit", "stride", "since_step"):
        answer = get(here, path, params={key: "abc"})
        assert (answer.status_code, answer.content) == (500, b"")
