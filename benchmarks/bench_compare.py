"""Cost of compare-training-runs over many runs, as a ratio to reading the same data.

    uv run python benchmarks/bench_compare.py [runs] [steps]

A process of its own serves 50 jobs with 5,000 logged steps and a log of as many redraws each.
The yardstick reads the same rows, losses and logs through the same client and does nothing
with them. Times depend on the machine; the ratio travels. Every figure is from a fresh process.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

from aitk_core.frontends.http.listening import listen_on

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

RUNS, STEPS = 50, 5000
REPEATS = 3
AT_ONCE = 4


def row_of(number: int, steps: int) -> dict[str, Any]:
    """Return the row of a finished job; every job has a learning rate of its own."""
    process = {
        "train": {"steps": steps, "lr": 1e-4 * (1 + number), "noise_scheduler": "ddpm"},
        "logging": {"use_ui_logger": True},
    }
    config = {"job": "extension", "config": {"name": f"run{number}", "process": [process]}}
    return {
        "id": f"job-{number}",
        "name": f"run{number}",
        "status": "completed",
        "step": steps,
        "gpu_ids": "0",
        "job_type": "train",
        "job_config": json.dumps(config),
    }


def losses_of(number: int, steps: int) -> bytes:
    """Return the answer of the loss route."""
    points = [
        {
            "step": step,
            "wall_time": 1.7e9 + step,
            "value": 0.05 + ((step * 7919 + number * 31) % 997) / 1000,
        }
        for step in range(1, steps)
    ]
    return json.dumps({"key": "loss/loss", "keys": ["loss/loss"], "points": points}).encode()


def log_of(number: int, steps: int) -> bytes:
    """Return the answer of the log route."""
    bars = "".join(
        f"\rrun{number}: {100 * step // steps:3d}%|##        | {step}/{steps} "
        f"[{step // 60:02d}:{step % 60:02d}<36:40,  1.25it/s, lr: 1.0e-04 loss: 3.211e-01]"
        for step in range(steps)
    )
    text = f"Running 1 job\n{bars}\n"
    return json.dumps({"log": text, "offset": len(text), "reset": True}).encode()


def serve(runs: int, steps: int, told: Connection) -> None:
    """Serve until killed; send the address once the data are made."""
    import uvicorn

    rows = [row_of(number, steps) for number in range(runs)]
    bodies = {"/api/jobs": json.dumps({"jobs": rows}).encode()}
    for number in range(runs):
        bodies[f"/api/jobs/job-{number}/loss"] = losses_of(number, steps)
        bodies[f"/api/jobs/job-{number}/log"] = log_of(number, steps)

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        body = bodies[scope["path"]]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listener = listen_on("127.0.0.1", 0)
    told.send(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", ws="none")
    uvicorn.Server(config).run(sockets=[listener])


async def _read(url: str, runs: int) -> None:
    from aitk_core.backend.client import AiToolkitBackend

    gate = asyncio.Semaphore(AT_ONCE)
    async with AiToolkitBackend(url) as backend:

        async def one(job_id: str) -> None:
            async with gate:
                await backend.metric_series(job_id, "loss/loss")
                await backend.log_tail(job_id)

        jobs = (await backend.jobs()).jobs
        assert len(jobs) == runs
        await asyncio.gather(*(one(job.id) for job in jobs))


async def _compare(url: str, runs: int) -> None:
    from aitk_core.application import Application
    from aitk_core.backend.client import AiToolkitBackend
    from aitk_core.context import Session
    from aitk_core.settings import SettingsSource

    async with AiToolkitBackend(url) as backend:
        application = Application(source=SettingsSource(environment={}), backend=backend)
        async with application:
            answer = await application.dispatcher.call(
                "compare-training-runs",
                {"job_ids": [f"job-{number}" for number in range(runs)]},
                Session(policy=application.policy),
            )
    assert answer.data is not None
    assert answer.data["compared_count"] == runs


def measure(kind: str, url: str, runs: int, told: Connection) -> None:
    """Do it several times in this process and send what the best one cost."""
    work = _read if kind == "read" else _compare
    best_cpu_s = best_wall_s = float("inf")
    for _ in range(REPEATS):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        asyncio.run(work(url, runs))
        best_cpu_s = min(best_cpu_s, time.process_time() - cpu_s)
        best_wall_s = min(best_wall_s, time.perf_counter() - wall_s)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told.send({"cpu_s": best_cpu_s, "wall_s": best_wall_s, "peak_mb": peak_mb})


def measured(kind: str, url: str, runs: int) -> dict[str, float]:
    """Return the cost, measured in a fresh process."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=measure, args=(kind, url, runs, theirs))
    process.start()
    result: dict[str, float] = ours.recv()
    process.join()
    return result


def main() -> None:
    """Print costs and ratios."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else STEPS
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=serve, args=(runs, steps, theirs), daemon=True)
    server.start()
    url = ours.recv()
    try:
        costs = {kind: measured(kind, url, runs) for kind in ("read", "compare")}
    finally:
        server.kill()
        server.join()
    print(f"{runs} runs of {steps:,} steps")
    for kind, cost in costs.items():
        print(
            f"  {kind:8} CPU {cost['cpu_s']:6.2f} s  wall {cost['wall_s']:6.2f} s  "
            f"peak {cost['peak_mb']:5.0f} MB"
        )
    for what in ("cpu_s", "wall_s", "peak_mb"):
        print(f"  compare / read, {what}: {costs['compare'][what] / costs['read'][what]:.2f}")


if __name__ == "__main__":
    main()
