"""What export and download of a large file cost: time as a ratio to a copy, memory, a kill.

    uv run python benchmarks/bench_export.py [--gigabytes 2]

Prints the time of a checked copy against that of `cp` of the same file and against a digest of
it alone, the growth of memory meanwhile, the same for a download over a socket, and what is left
after a kill -9 in the middle of a copy.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from attrs import evolve

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.frontends.http.app import build_app
from aitk_core.frontends.http.listening import listen_on
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_RUN = "ok_200_steps"
_PIECE = 64 * 1024 * 1024


def write_weights(path: Path, size_bytes: int) -> None:
    """Write bfloat16 weights of about that size, of 64 MiB tensors."""
    count = max(1, size_bytes // _PIECE)
    header = {
        f"lora_unet_{n}.lora_up.weight": {
            "dtype": "BF16",
            "shape": [_PIECE // 2 // 64, 64],
            "data_offsets": [n * _PIECE, (n + 1) * _PIECE],
        }
        for n in range(count)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = (os.urandom(1024 * 1024).replace(b"\x7f", b"\x3f").replace(b"\xff", b"\xbf")) * 64
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _ in range(count):
            file.write(block[:_PIECE])


def peak_mib() -> float:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def application(folder: Path, model: Path) -> Application:
    """Return the server over a recorded job that left the model."""
    run = recorded_runs()[_RUN]
    listed: list[Mapping[str, Any]] = [
        {"path": f"/toolkit/output/{_RUN}/{model.name}", "size": model.stat().st_size}
    ]
    environment = {
        "AITK_HOME": str(folder / "home"),
        "AITK_OUTPUTS_DIR": str(folder / "output"),
        "AITK_TOOL_TIMEOUT_SECONDS": "600",
    }
    backend = recorded_backend([evolve(run, files=listed)])
    return Application(source=SettingsSource(environment=environment), backend=backend)


async def export(folder: Path, model: Path) -> float:
    """Return the seconds of a checked copy."""
    app = application(folder, model)
    async with app:
        session = Session(request_id="bench", policy=app.policy, timeout_s=600)
        job = recorded_runs()[_RUN].job_id
        begin = time.perf_counter()
        arguments = {"job_id": job, "copy_to": "exports", "name": "copy"}
        answer = await app.dispatcher.call("export-model", arguments, session)
        took = time.perf_counter() - begin
    found: Any = answer.data
    with model.open("rb") as opened:
        expected = hashlib.file_digest(opened, "sha256").hexdigest()
    if found["files"][0]["check"]["sha256"] != expected:
        raise SystemExit("the copy is not what was copied")
    return took


async def download(folder: Path, model: Path) -> float:
    """Return the seconds of a download over a socket of this process."""
    import uvicorn

    app, expected = application(folder, model), model.stat().st_size  # noqa: ASYNC240 - once
    asgi = build_app(app, app.http_settings(), with_mcp=False)
    listener = listen_on("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(asgi, log_level="critical", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(timeout=60) as client:
        while True:
            try:
                await client.get(f"{address}/health")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.05)
        begin, size = time.perf_counter(), 0
        async with client.stream("GET", f"{address}/models/{_RUN}/{model.name}") as answer:
            async for part in answer.aiter_raw():
                size += len(part)
        took = time.perf_counter() - begin
    server.should_exit = True
    await task
    if size != expected:
        raise SystemExit("the download is not whole")
    return took


def left_after_a_kill(folder: Path, model: Path) -> list[str]:
    """Kill a process in the middle of a copy, and return what is left of it."""
    code = (
        "import asyncio, pathlib, sys, bench_export as bench\n"
        "asyncio.run(bench.export(*map(pathlib.Path, sys.argv[1:])))"
    )
    here = str(Path(__file__).parent)
    exports = folder / "home" / "exports"
    shutil.rmtree(exports, ignore_errors=True)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(model)],
        env={**os.environ, "PYTHONPATH": here},
    ) as process:
        while process.poll() is None and not _is_writing(process.pid, model):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return sorted(path.name for path in exports.rglob("*")) if exports.exists() else []


def _is_writing(pid: int, model: Path) -> bool:
    try:
        counters = Path(f"/proc/{pid}/io").read_text("ascii")
    except OSError:
        return False
    written = next(int(line.split()[1]) for line in counters.splitlines() if "wchar" in line)
    return written > model.stat().st_size / 4


def _said(lines: Iterable[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def main() -> int:
    """Measure, and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    size = int(parser.parse_args().gigabytes * 1024**3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "output" / _RUN / f"{_RUN}.safetensors"
        model.parent.mkdir(parents=True)
        write_weights(model, size)
        begin = time.perf_counter()
        subprocess.run(["cp", str(model), str(folder / "plain")], check=True)
        subprocess.run(["sync", str(folder / "plain")], check=True)
        plain = time.perf_counter() - begin
        (folder / "plain").unlink()
        begin = time.perf_counter()
        with model.open("rb") as opened:
            hashlib.file_digest(opened, "sha256")
        digest = time.perf_counter() - begin
        small = folder / "output" / _RUN / f"{_RUN}_small.safetensors"
        write_weights(small, _PIECE)
        asyncio.run(export(folder, small))
        shutil.rmtree(folder / "home" / "exports")
        before = peak_mib()
        took = asyncio.run(export(folder, model))
        grown = peak_mib() - before
        before = peak_mib()
        loaded = asyncio.run(download(folder, model))
        grown_too = peak_mib() - before
        left = left_after_a_kill(folder, model)
        _said(
            [
                f"file: {model.stat().st_size / 1e9:.2f} GB",
                f"checked copy / cp and sync: {took / plain:.2f}",
                f"checked copy / SHA-256 alone: {took / digest:.2f}",
                f"download over a socket / SHA-256 alone: {loaded / digest:.2f}",
                f"memory grew by {grown:.0f} MiB while copying, {grown_too:.0f} MiB while loading",
                f"left after kill -9 in the middle of a copy: {left or 'nothing'}",
            ]
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
