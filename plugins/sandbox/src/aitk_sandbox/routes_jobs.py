"""Routes of jobs and queues (`ui/src/app/api/jobs`, `ui/src/app/api/queue`)."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from aitk_sandbox import lossdb
from aitk_sandbox.web import AnswerError, answer, failure, leading_integer, nothing, route

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.responses import Response
    from starlette.routing import Route

    from aitk_sandbox.state import Row
    from aitk_sandbox.web import Backend, Call

_TAIL_BYTES: Final = 5 * 1024 * 1024
_POINTS_DEFAULT: Final = "2000"
_POINTS_MAX: Final = 20000
_CACHE_S: Final = 5.0
_SAMPLE_ENDINGS: Final = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".mp4",
    # No dot in the backend's list either.
    "mp3",
    "wav",
    "flac",
    "ogg",
)
_COLUMNS: Final = ("name", "gpu_ids", "job_config", "job_type", "job_ref")


def routes(backend: Backend) -> list[Route]:
    """Return the routes of jobs and queues."""
    active: dict[str | None, tuple[float, list[Row]]] = {}

    def jobs(call: Call) -> Response:
        return _list(call, active)

    by_id = {
        "start": _start,
        "stop": _stop,
        "mark_stopped": _mark_stopped,
        "delete": _delete,
        "save_now": _save_now,
        "sample_now": _sample_now,
        "log": _log,
        "loss": _loss,
        "files": _files,
        "samples": _samples,
        "plugin": _plugin,
    }
    return [
        route(backend, "/api/jobs", "GET", jobs),
        route(backend, "/api/jobs", "POST", _save),
        *(
            route(backend, f"/api/jobs/{{job_id}}/{name}", "GET", handler)
            for name, handler in by_id.items()
        ),
        route(backend, "/api/queue", "GET", _queues),
        route(backend, "/api/queue/{gpu_ids}/start", "GET", _queue_start),
        route(backend, "/api/queue/{gpu_ids}/stop", "GET", _queue_stop),
    ]


def _list(call: Call, active: dict[str | None, tuple[float, list[Row]]]) -> Response:
    state = call.backend.state
    if job_id := call.query.get("id"):
        return answer(state.job(job_id))
    if job_ref := call.query.get("job_ref"):
        return answer(state.job_of_ref(job_ref))
    job_type = call.query.get("job_type") or None
    if call.query.get("only_active") != "true":
        return answer({"jobs": state.jobs(job_type=job_type)})
    now_s = time.monotonic()
    seen_s, rows = active.get(job_type, (-_CACHE_S, []))
    if now_s - seen_s >= _CACHE_S:
        rows = state.jobs(job_type=job_type, only_active=True)
        active[job_type] = (now_s, rows)
    return answer({"jobs": rows})


def _save(call: Call) -> Response:
    try:
        return answer(_saved(call))
    except sqlite3.IntegrityError as error:
        if "UNIQUE" in str(error):
            return failure("Job name already exists", 409)
        return failure("Failed to save training data")
    except (ValueError, LookupError):
        return failure("Failed to save training data")


def _saved(call: Call) -> Row:
    body = call.json_object()
    values: dict[str, Any] = {key: body[key] for key in _COLUMNS if key in body}
    for key in ("name", "gpu_ids", "job_type"):
        if not isinstance(values.get(key, ""), str):
            raise ValueError(f"{key} is no text")  # noqa: TRY004 - one answer for every bad body
    if "job_config" in values:
        # A string ends up encoded twice, as in the backend.
        values["job_config"] = json.dumps(
            values["job_config"], separators=(",", ":"), ensure_ascii=False
        )
    if not body.get("id"):
        return call.backend.state.create_job(values)
    row = call.backend.state.update_job(str(body["id"]), **values)
    if row is None:
        raise LookupError(body["id"])
    return row


def _job(call: Call) -> Row:
    row = call.backend.state.job(call.path["job_id"])
    if row is None:
        raise AnswerError(failure("Job not found", 404))
    return row


def _job_or_crash(call: Call) -> Row:
    """Return the job; an unknown one is an unhandled failure in three of the routes."""
    row = call.backend.state.job(call.path["job_id"])
    if row is None:
        raise AnswerError(nothing(500))
    return row


def _start(call: Call) -> Response:
    before = _job(call)
    call.backend.state.queue_job(before["id"], before["gpu_ids"])
    return answer(before)


def _stop(call: Call) -> Response:
    before = _job(call)
    changes: dict[str, Any] = {"stop": True, "info": "Stopping job..."}
    # The signal goes first: a trainer that sees the flag without it leaves as after a failure.
    if call.backend.worker.interrupt(before["pid"]):
        changes |= {"status": "stopped", "info": "Job stopped"}
    call.backend.state.update_job(before["id"], **changes)
    return answer(before)


def _mark_stopped(call: Call) -> Response:
    before = _job_or_crash(call)
    call.backend.state.update_job(
        before["id"], stop=True, status="stopped", info="Job stopped", pid=None
    )
    return answer(before)


def _delete(call: Call) -> Response:
    row = _job(call)
    folder = call.backend.folders.job_folder(row["name"])
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    call.backend.state.delete_job(row["id"])
    return answer(row)


def _save_now(call: Call) -> Response:
    return answer(call.backend.state.update_job(_job_or_crash(call)["id"], save_now=True))


def _sample_now(call: Call) -> Response:
    return answer(call.backend.state.update_job(_job_or_crash(call)["id"], sample_now=True))


def _folder(call: Call) -> Path | None:
    return call.backend.folders.job_folder(_job(call)["name"])


def _log(call: Call) -> Response:
    folder = _folder(call)
    path = None if folder is None else folder / "log.txt"
    if path is None or not path.exists():
        return answer({"log": "", "offset": 0, "reset": True})
    offset = leading_integer(call.query.get("offset"))
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            fresh = offset is None or offset > size
            start = max(0, size - _TAIL_BYTES) if fresh or offset is None else offset
            stream.seek(max(0, start))
            data = stream.read(size - max(0, start))
    except OSError:
        return answer({"log": "Error reading log file", "offset": 0, "reset": True})
    if fresh and start:
        data = data.partition(b"\n")[2]
    # The backend allocates size - offset bytes; below zero the rest of them stays empty.
    data += b"\0" * max(0, -start)
    return answer({"log": data.decode("utf-8", "replace"), "offset": size, "reset": fresh})


def _loss(call: Call) -> Response:
    folder = _folder(call)
    if folder is None:
        return answer({"keys": [], "key": "loss", "points": []})
    query = call.query
    try:
        since = query.get("since_step")
        points = lossdb.read_points(
            folder / lossdb.FILE_NAME,
            key=query.get("key") or "loss",
            since_step=None if since is None else int(since),
            stride=max(1, int(query.get("stride", "1"))),
            limit=min(_POINTS_MAX, int(query.get("limit", _POINTS_DEFAULT))),
        )
    except (ValueError, sqlite3.Error):
        return nothing(500)
    return answer(points)


def _files(call: Call) -> Response:
    folder = _folder(call)
    if folder is None or not folder.is_dir():
        return answer({"files": []})
    found = sorted(folder.glob("*.safetensors"))
    # The trainer writes into hidden files first; they are not there yet.
    found = [path for path in found if not path.name.startswith(".")]
    optimizer = folder / "optimizer.pt"
    if optimizer.exists():
        found.append(optimizer)
    return answer({"files": [{"path": str(path), "size": path.stat().st_size} for path in found]})


def _samples(call: Call) -> Response:
    folder = _folder(call)
    samples = None if folder is None else folder / "samples"
    if samples is None or not samples.is_dir():
        return answer({"samples": []})
    found = sorted(
        str(path)
        for path in samples.iterdir()
        if path.is_file() and path.name.endswith(_SAMPLE_ENDINGS)
    )
    return answer({"samples": found})


def _plugin(call: Call) -> Response:
    # Written by training extensions, of which the sandbox has none.
    _job(call)
    return answer({"exists": False, "html": None})


def _queues(call: Call) -> Response:
    return answer({"queues": call.backend.state.queues()})


def _queue_start(call: Call) -> Response:
    state, gpu_ids = call.backend.state, call.path["gpu_ids"]
    before = state.queue(gpu_ids)
    after = state.switch_queue(gpu_ids, running=True)
    return answer(before or after)


def _queue_stop(call: Call) -> Response:
    state, gpu_ids = call.backend.state, call.path["gpu_ids"]
    before = state.queue(gpu_ids)
    if before is None:
        return failure("Queue not found", 404)
    state.switch_queue(gpu_ids, running=False)
    return answer(before)
