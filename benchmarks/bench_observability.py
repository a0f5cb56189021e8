"""Cost of one get-training-observability call on a long log, beside splitting and fetching it.

    uv run python benchmarks/bench_observability.py [lines]

A process of its own serves a job with that many lines of log (12 MB at 100,000) and 20,000
logged steps. Its log route gives the last 5 MiB as the real one does (backend/API.md section
4.8), or with `uncapped` all of it. Every measured call is made in a fresh process, after a
first call that pays for imports. Times depend on the machine; the ratios travel.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from aitk_core.frontends.http.listening import listen_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

NAME, JOB = "my_lora", "bench-job"
STEPS = 20_000
TAIL_BYTES = 5 * 1024 * 1024
REFERENCE_US = (160.0, 183.0)
"""CPU of the reference per analysed line, of a log of 1,000 and of one of 100,000 lines
(contract/BASELINE.md, get-training-observability)."""
AIM = 20
"""At most one twentieth of it, of the longer log's (contract/BASELINE.md, suggested bars)."""
REPEATS = 3


def log_text(lines: int) -> str:
    """Return a log: nine redraws of the training bar to one message, 120 bytes a line."""
    return "".join(_lines(lines))


def _lines(lines: int) -> Iterator[str]:
    yield "Running 1 job\n"
    for number in range(lines - 1):
        step = number * STEPS // lines
        if number % 10 == 9:
            text = f"INFO step {step}: latents of bucket {number % 7} taken from the cache"
        else:
            clock = f"{step // 60:02d}:{step % 60:02d}"
            loss = 0.05 + (number * 7919 % 997) / 1000
            text = (
                f"{NAME}: {100 * step // STEPS:3d}%|##        | {step}/{STEPS} "
                f"[{clock}<36:40,  1.25it/s, lr: 1.0e-04 loss: {loss:.3e}]"
            )
        yield text.ljust(119) + "\n"


def app_of(lines: int) -> Any:
    """Return the routes of a backend with one job, which count what is asked of them."""
    text = log_text(lines).encode()
    config = {
        "job": "extension",
        "config": {
            "name": NAME,
            "process": [{"train": {"steps": STEPS, "lr": 1e-4, "noise_scheduler": "ddpm"}}],
        },
    }
    row = {"id": JOB, "name": NAME, "status": "completed", "step": STEPS}
    row["job_config"] = json.dumps(config)
    points = [
        {"step": step, "wall_time": 1.7e9 + step, "value": 0.05 + step * 7919 % 997 / 1000}
        for step in range(1, STEPS)  # the trainer logs none for step 0
    ]

    def log_answer(data: bytes) -> bytes:
        body = {"log": data.decode("utf-8", "replace"), "offset": len(text), "reset": True}
        return json.dumps(body).encode()

    bodies = {
        "/api/jobs": json.dumps(row).encode(),
        f"/api/jobs/{JOB}/loss": json.dumps(
            {"key": "loss/loss", "keys": ["loss/loss"], "points": points}
        ).encode(),
        f"/api/jobs/{JOB}/log": log_answer(text[-TAIL_BYTES:]),
        f"/uncapped/api/jobs/{JOB}/log": log_answer(text),
        "/api/gpu": b'{"hasNvidiaSmi": false, "isMac": false, "gpus": []}',
        "/api/cpu": b'{"cores": 2}',
    }
    asked: list[Any] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/counts":
            body = json.dumps({"requests": len(asked), "connections": len(set(asked))}).encode()
            asked.clear()
        else:
            asked.append(tuple(scope["client"]))
            plain = path if path.endswith("/log") else path.removeprefix("/uncapped")
            body = bodies[plain]
            if plain == "/api/jobs" and b"id=" not in scope["query_string"]:
                body = b'{"jobs": []}'
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def serve(lines: int, told: Connection) -> None:
    """Serve until killed; send the address once the log is made."""
    import uvicorn

    app = app_of(lines)
    listener = listen_on("127.0.0.1", 0)
    told.send(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", ws="none")
    uvicorn.Server(config).run(sockets=[listener])


async def _calls(url: str, counts_url: str, *, traced: bool) -> dict[str, Any]:
    import httpx

    from aitk_core.application import Application
    from aitk_core.backend.client import AiToolkitBackend
    from aitk_core.context import Session
    from aitk_core.settings import SettingsSource

    # A client that follows each call's counts, apart from the one that is measured.
    async with httpx.AsyncClient() as counter, AiToolkitBackend(url) as backend:
        application = Application(source=SettingsSource(environment={}), backend=backend)
        async with application:
            session = Session(policy=application.policy)

            async def call() -> Any:
                return await application.dispatcher.call(
                    "get-training-observability", {"job_id": JOB}, session
                )

            answer = await call()
            await counter.get(counts_url)
            if traced:
                tracemalloc.start()
            best_cpu_s = best_wall_s = float("inf")
            counts: dict[str, Any] = {}
            for _ in range(1 if traced else REPEATS):
                cpu_s, wall_s = time.process_time(), time.perf_counter()
                answer = await call()
                best_cpu_s = min(best_cpu_s, time.process_time() - cpu_s)
                best_wall_s = min(best_wall_s, time.perf_counter() - wall_s)
                counts = (await counter.get(counts_url)).json()
    data = answer.data
    return counts | {
        "cpu_s": best_cpu_s,
        "wall_s": best_wall_s,
        "lines": data["logs"]["analyzed_line_count"],
        "losses": data["quality_analysis"]["loss"]["count"],
        "health": data["overall_health"],
        "peak_mb": tracemalloc.get_traced_memory()[1] / 1e6 if traced else None,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(url: str, counts_url: str, told: Connection, *, traced: bool) -> None:
    """Make the calls of one process and send what they cost."""
    told.send(asyncio.run(_calls(url, counts_url, traced=traced)))


def measured(url: str, *, uncapped: bool = False, traced: bool = False) -> dict[str, Any]:
    """Return the cost of a call, measured in a fresh process."""
    ours, theirs = multiprocessing.Pipe()
    asked = f"{url}/uncapped" if uncapped else url
    process = multiprocessing.get_context("spawn").Process(
        target=measure, args=(asked, f"{url}/counts", theirs), kwargs={"traced": traced}
    )
    process.start()
    result: dict[str, Any] = ours.recv()
    process.join()
    return result


class Server:
    """The serving process."""

    def __init__(self, lines: int) -> None:
        """Start it and wait for its address."""
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=serve, args=(lines, theirs), daemon=True)
        self._process.start()
        self.url: str = ours.recv()

    def __enter__(self) -> str:
        """Return the address."""
        return self.url

    def __exit__(self, *_error: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def fetch_cost(url: str) -> tuple[float, float]:
    """Return CPU and wall seconds of one plain fetch of the log, the best of three."""
    import httpx

    best_cpu_s = best_wall_s = float("inf")
    with httpx.Client() as client:
        client.get(f"{url}/counts")
        for _ in range(REPEATS):
            cpu_s, wall_s = time.process_time(), time.perf_counter()
            client.get(f"{url}/api/jobs/{JOB}/log").json()
            best_cpu_s = min(best_cpu_s, time.process_time() - cpu_s)
            best_wall_s = min(best_wall_s, time.perf_counter() - wall_s)
    return best_cpu_s, best_wall_s


def split_us(text: str, lines: int) -> float:
    """Return microseconds of CPU per line that splitting the log costs, the best of three."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        text.splitlines()
        best = min(best, time.process_time() - start)
    return 1e6 * best / lines


def report(label: str, cost: dict[str, Any], *, split: float, fetch: tuple[float, float]) -> None:
    """Print what one kind of call costs."""
    per_line_us = 1e6 * cost["cpu_s"] / cost["lines"]
    low, high = REFERENCE_US
    print(f"{label}: {cost['lines']} lines analysed, {cost['losses']} losses, {cost['health']}")
    print(
        f"  CPU {1000 * cost['cpu_s']:.0f} ms = {per_line_us:.2f} us a line; reference "
        f"{low:.0f} to {high:.0f}: 1/{low / per_line_us:.0f} to 1/{high / per_line_us:.0f}, "
        f"aim 1/{AIM} {'met' if per_line_us <= high / AIM else 'MISSED'}"
    )
    print(
        f"  over splitlines x{per_line_us / split:.0f} (reference: about x1000); over a plain "
        f"fetch: CPU x{cost['cpu_s'] / fetch[0]:.1f}, wall x{cost['wall_s'] / fetch[1]:.1f}"
    )
    print(
        f"  {cost['requests']} requests over {cost['connections']} connections "
        f"(reference: 9 over 7); peak RSS {cost['rss_mb']:.0f} MiB (reference: 125)"
    )


def main() -> None:
    """Print the figures."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    text = log_text(lines)
    split = split_us(text, lines)
    print(f"{lines} lines, {len(text) / 1e6:.1f} MB; splitlines {split:.3f} us a line")
    with Server(lines) as url:
        fetch = fetch_cost(url)
        report("5 MiB route", measured(url), split=split, fetch=fetch)
        report("uncapped route", measured(url, uncapped=True), split=split, fetch=fetch)
        small = measured(url, uncapped=True, traced=True)
        small["rss_mb"] = measured(url, uncapped=True)["rss_mb"]
    with Server(4 * lines) as url:
        large = measured(url, uncapped=True, traced=True)
        large["rss_mb"] = measured(url, uncapped=True)["rss_mb"]
    for name, unit in (("peak_mb", "MB allocated"), ("rss_mb", "MiB RSS")):
        print(
            f"peak {small[name]:.1f} {unit} at {lines} lines, {large[name]:.1f} at {4 * lines} "
            f"(x{large[name] / small[name]:.2f}), uncapped"
        )


if __name__ == "__main__":
    main()
