"""Recorded runs of the real AI Toolkit, served by its REST contract without a socket.

backend = recorded_backend(recorded_runs().values())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.proving.recorded import Recording, load_recordings, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from aitk_core.backend.client import AiToolkitBackend

__all__ = ["Recording", "load_recordings", "recorded_app", "recorded_backend", "recorded_runs"]

_TAIL_BYTES: Final = 5 * 1024 * 1024
_PAGE_POINTS: Final = 20_000
_NO_GPU: Final = {
    "hasNvidiaSmi": False,
    "isMac": False,
    "gpus": [],
    "error": "nvidia-smi not found or not accessible",
}

_FIXED: Final[Mapping[str, Any]] = {
    "/api/auth": {"isAuthenticated": True},
    "/api/gpu": _NO_GPU,
    "/api/cpu": {
        "name": "recorded",
        "cores": 2,
        "temperature": 0,
        "totalMemory": 8192.0,
        "freeMemory": 4096.0,
        "availableMemory": 6144.0,
        "currentLoad": 50.0,
    },
    "/api/queue": {"queues": [{"id": 1, "gpu_ids": "0", "is_running": False}]},
    "/api/settings": {
        "TRAINING_FOLDER": "/toolkit/output",
        "DATASETS_FOLDER": "/toolkit/datasets",
        "MODELS_PATH": "",
    },
}


def recorded_backend(recordings: Iterable[Recording]) -> AiToolkitBackend:
    """Return the real client, connected to the recordings."""
    import httpx

    from aitk_core.backend.client import AiToolkitBackend

    transport = httpx.ASGITransport(app=recorded_app(recordings))
    return AiToolkitBackend("http://recorded.test", transport=transport)


def recorded_app(recordings: Iterable[Recording]) -> Starlette:
    """Return the routes that reading a run needs, over recordings."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    runs = {recording.job_id: recording for recording in recordings}

    def answer(body: Any, status: int = 200) -> Response:
        return JSONResponse(body, status_code=status)

    def jobs(request: Request) -> Response:
        if "id" in request.query_params:
            found = runs.get(request.query_params["id"])
            return answer(None if found is None else dict(found.row))
        rows = [dict(run.row) for run in runs.values()]
        if "only_active" in request.query_params:
            rows = [row for row in rows if row["status"] in ("running", "queued", "stopping")]
        return answer({"jobs": rows})

    def of_job(request: Request) -> Response:
        run = runs.get(request.path_params["job_id"])
        if run is None:
            return answer({"error": "Job not found"}, 404)
        return answer(_of_job(run, request.path_params["what"], request.query_params))

    def constant(request: Request) -> Response:
        return answer(_FIXED[request.url.path])

    return Starlette(
        routes=[
            Route("/api/jobs", jobs),
            Route("/api/jobs/{job_id}/{what}", of_job),
            *(Route(path, constant) for path in _FIXED),
        ]
    )


def _of_job(run: Recording, what: str, query: Mapping[str, str]) -> dict[str, Any]:
    if what == "log":
        return _log(run, query)
    if what == "loss":
        return _loss(run, query)
    return {"files": run.files} if what == "files" else {"samples": run.samples}


def _log(run: Recording, query: Mapping[str, str]) -> dict[str, Any]:
    # As bytes that are no UTF-8 are kept: a character may be half written.
    data = run.log.encode("utf-8", "surrogateescape")
    if not data:
        return {"log": "", "offset": 0, "reset": True}
    offset = int(query["offset"]) if "offset" in query else None
    reset = offset is None or offset > len(data)
    part = data[-_TAIL_BYTES:] if reset else data[offset:]
    return {"log": part.decode("utf-8", "replace"), "offset": len(data), "reset": reset}


def _loss(run: Recording, query: Mapping[str, str]) -> dict[str, Any]:
    key = query.get("key", "loss")
    if not run.metrics:
        return {"keys": [], "key": "loss", "points": []}
    since = int(query["since_step"]) if "since_step" in query else -1
    limit = min(int(query.get("limit", 2000)), _PAGE_POINTS)
    points = [
        {"step": step, "wall_time": wall_time, "value": value}
        for step, wall_time, value in run.metrics.get(key, [])
        if step > since
    ]
    return {"key": key, "keys": sorted(run.metrics), "points": points[:limit]}
