"""Many watches in one process: CPU and requests for each turn, and whether they keep up.

    uv run python benchmarks/bench_watches.py [--watches 500] [--seconds 60] [--poll 10]

The backend is a process of its own that makes runs up from the clock: two steps a second each, a
loss for each step, a log that grows. The yardstick is one bare request of the same client for one
run's new losses, in the same process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from attrs import evolve

from aitk_core.application import Application
from aitk_core.backend.client import AiToolkitBackend
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_runs
from aitk_guardrails.rules.memory import Memory
from aitk_guardrails.rules.settings import Guardrails
from aitk_guardrails.watch.records import Decision, Watch
from aitk_guardrails.watch.store import WatchStore

PACE: Final = 2.0
LINE: Final = "run:  10%|#   | 200/2000 [10:44<1:37:05, 2.1it/s, lr: 1.0e-04 loss: 5.2e-01]\n"
BEFORE: Final = 2000
"""Steps that each run has when the first look comes."""


def _losses(query: dict[str, list[str]], now: int, began: float) -> dict[str, Any]:
    since = int(query.get("since_step", ["-1"])[0])
    limit = int(query.get("limit", ["2000"])[0])
    points = [
        {
            "step": step,
            "wall_time": began + (step - BEFORE) / PACE,
            "value": 0.5 + (step * 7919 % 97 - 48) / 1000,
        }
        for step in range(since + 1, now)[:limit]
    ]
    return {"key": query.get("key", ["loss"])[0], "keys": ["loss/loss"], "points": points}


class Made:
    """Runs made up from the clock."""

    def __init__(self, count: int, began: float) -> None:
        """Take how many there are, and when they began."""
        self._count = count
        self._began = began
        self._row = dict(recorded_runs()["ok_200_steps"].row)

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        """Return what the backend would say."""
        now = int(PACE * (time.time() - self._began)) + BEFORE
        if path == "/api/jobs":
            if "id" in query:
                return self._job(int(query["id"][0].partition("-")[2]), now)
            return {"jobs": [self._job(number, now) for number in range(self._count)]}
        if path.endswith("/loss"):
            return _losses(query, now, self._began)
        if path.endswith("/log"):
            size = now * len(LINE)
            offset = int(query["offset"][0]) if "offset" in query else max(0, size - 100_000)
            return {"log": LINE * ((size - offset) // len(LINE)), "offset": size, "reset": False}
        return {}

    def _job(self, number: int, step: int) -> dict[str, Any]:
        shown = {"id": f"job-{number}", "name": f"run-{number}", "status": "running"}
        more = {"info": "Training", "step": step, "updated_at": "2026-01-01T00:00:00.000Z"}
        return {**self._row, **shown, **more}


def serve(port: Any, count: int, began: float, asked: Any) -> None:
    """Answer as the backend would, until the process is ended."""
    import uvicorn

    made = Made(count, began)

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        with asked.get_lock():
            asked.value += 1
        body = json.dumps(
            made.answer(scope["path"], parse_qs(scope["query_string"].decode()))
        ).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)

    async def run() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        port.value = server.servers[0].sockets[0].getsockname()[1]
        await task

    asyncio.run(run())


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(options: argparse.Namespace, url: str, asked: Any) -> dict[str, Any]:
    """Watch, and count."""
    folder = Path(tempfile.mkdtemp())
    source = SettingsSource(environment={"AITK_HOME": str(folder)})
    async with (
        AiToolkitBackend(url) as backend,
        Application(source=source, backend=backend) as application,
    ):
        began = _cpu()
        for number in range(100):
            await backend.metric_series(f"job-{number}", "loss/loss", since_step=10**9)
        bare_ms = 1000 * (_cpu() - began) / 100
        from aitk_core.context import Session

        session = Session(request_id="bench", policy=application.policy)
        store = WatchStore(application.dispatcher.context(session).store)
        now = time.time()
        watch = Watch(
            id="",
            job_id=None,
            job_name=None,
            config_name=None,
            guardrails=Guardrails(poll_interval_seconds=options.poll),
            memory=Memory(),
            state="active",
            created_at=now,
            next_at=now,
        )
        for number in range(options.watches):
            # Spread over the first poll, as they would be by the time they began.
            due = now + options.poll * number / options.watches
            one = evolve(
                watch, id=f"w-{number}", job_id=f"job-{number}", memory=Memory(), next_at=due
            )
            store.add(one, Decision(at=now, action="begin"))
        async with application.background.running("http", settle_s=0):
            await asyncio.sleep(3 * options.poll)  # the first looks read everything there is
            cpu, wall = _cpu(), time.perf_counter()
            requests, looks = asked.value, _looks(store)
            late = []
            while time.perf_counter() - wall < options.seconds:
                before = time.perf_counter()
                await asyncio.sleep(0.1)
                late.append(time.perf_counter() - before - 0.1)
            turns = _looks(store) - looks
            spent = time.perf_counter() - wall
            used = _cpu() - cpu
            late.sort()
            return {
                "watches": options.watches,
                "poll_s": options.poll,
                "turns_per_watch_and_poll": round(
                    turns / options.watches / (spent / options.poll), 3
                ),
                "cpu_of_one_core": round(used / spent, 3),
                "cpu_ms_per_turn": round(1000 * used / turns, 2),
                "bare_request_cpu_ms": round(bare_ms, 2),
                "ratio_to_a_bare_request": round(1000 * used / turns / bare_ms, 2),
                "requests_per_turn": round((asked.value - requests) / turns, 2),
                "event_loop_late_ms_p99": round(1000 * late[int(0.99 * len(late))], 1),
            }


def _looks(store: WatchStore) -> int:
    found, _ = store.listed(ended=False, limit=10_000, offset=0)
    return sum(watch.memory.looks for watch in found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watches", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--poll", type=int, default=10)
    options = parser.parse_args()
    port, asked = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
    arguments = (port, options.watches, time.time(), asked)
    server = multiprocessing.Process(target=serve, args=arguments, daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.01)
    try:
        found = asyncio.run(measure(options, f"http://127.0.0.1:{port.value}", asked))
    finally:
        server.terminate()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
