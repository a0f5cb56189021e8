"""Routes of settings and of the machine (`ui/src/app/api/settings`, `gpu`, `cpu`)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aitk_sandbox.web import answer, failure, route

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from aitk_sandbox.web import Backend, Call

_KEYS: Final = ("HF_TOKEN", "TRAINING_FOLDER", "DATASETS_FOLDER", "MODELS_PATH")
_CACHE_S: Final = 5.0
_KIB_PER_MIB: Final = 1024


def routes(backend: Backend) -> list[Route]:
    """Return the routes of settings and of the machine."""
    meter = CpuMeter()

    def cpu(call: Call) -> Response:  # noqa: ARG001 - every handler takes the call
        return answer(meter.read())

    return [
        route(backend, "/api/auth", "GET", lambda _: answer({"isAuthenticated": True})),
        route(backend, "/api/settings", "GET", _settings),
        route(backend, "/api/settings", "POST", _store_settings),
        route(backend, "/api/gpu", "GET", lambda _: answer(_NO_GPU)),
        route(backend, "/api/cpu", "GET", cpu),
        route(backend, "/api/ostris_cloud", "GET", lambda _: answer({"enabled": False})),
    ]


# The sandbox trains on the processor; a graphics card of the machine is none of its own.
_NO_GPU: Final = {
    "hasNvidiaSmi": False,
    "isMac": False,
    "gpus": [],
    "error": "nvidia-smi not found or not accessible",
}


def _settings(call: Call) -> Response:
    folders = call.backend.folders
    stored = call.backend.state.settings()
    return answer(
        stored
        | {
            "TRAINING_FOLDER": str(folders.training),
            "DATASETS_FOLDER": str(folders.datasets),
            "MODELS_PATH": str(folders.models),
        }
    )


def _store_settings(call: Call) -> Response:
    try:
        body = call.json_object()
    except ValueError:
        return failure("Failed to update settings")
    complete = True
    for key in _KEYS:
        value = body.get(key)
        if not isinstance(value, str) or not _allowed(call, key, value):
            complete = False
            continue
        call.backend.state.store_setting(key, value)
    # What was given is stored even if something is missing.
    return answer({"success": True}) if complete else failure("Failed to update settings")


def _allowed(call: Call, key: str, value: str) -> bool:
    """Keep every folder inside the sandbox, which the real backend does not."""
    return key == "HF_TOKEN" or not value or call.backend.folders.allows(Path(value))


class CpuMeter:
    """Name, memory and load of the processor, read at most every five seconds.

    Figures come from Linux' `/proc`; elsewhere what is not known is 0.
    """

    def __init__(self) -> None:
        """Start measuring the load."""
        self._ticks = _cpu_ticks()
        self._seen_s = -_CACHE_S
        self._answer: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """Return the route's answer: memory in MiB, load in percent."""
        now_s = time.monotonic()
        if now_s - self._seen_s < _CACHE_S:
            return self._answer
        memory = _memory_mib()
        self._seen_s = now_s
        self._answer = {
            "name": _cpu_name(),
            "cores": os.cpu_count() or 1,
            "temperature": 0,
            "totalMemory": memory.get("MemTotal", 0.0),
            "availableMemory": memory.get("MemAvailable", 0.0),
            "freeMemory": memory.get("MemFree", 0.0),
            "currentLoad": self._load_percent(),
        }
        return self._answer

    def _load_percent(self) -> float:
        busy, total = _cpu_ticks()
        busy_before, total_before = self._ticks
        self._ticks = (busy, total)
        if total <= total_before:
            return 0.0
        return 100.0 * (busy - busy_before) / (total - total_before)


def _cpu_ticks() -> tuple[int, int]:
    """Return busy and total ticks since boot (proc(5), `/proc/stat`)."""
    try:
        first = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0]
    except OSError:
        return (0, 0)
    ticks = [int(value) for value in first.split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle, sum(ticks))


def _memory_mib() -> dict[str, float]:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) / _KIB_PER_MIB for line in lines}


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"
