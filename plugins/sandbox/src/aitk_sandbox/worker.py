"""The worker: starts queued jobs, watches their processes, and switches drained queues off.

Rules and texts of the AI Toolkit's `ui/cron/actions/processQueue.ts` and `startJob.ts`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_sandbox.folders import Folders
    from aitk_sandbox.state import Row, State

_LOGGER: Final = logging.getLogger(__name__)

_WATCH_INTERVAL_S: Final = 0.2
"""How often ended processes are looked for; the real worker is told by an event."""

_STOP_TIMEOUT_S: Final = 5.0
"""How long a trainer may take to leave when the sandbox is closed."""

_BUSY: Final = ("running", "stopping")


@attrs.frozen(kw_only=True, eq=False)
class _Run:
    job_id: str
    process: subprocess.Popen[bytes]
    log_path: Path


class Worker:
    """Trainer processes of one sandbox."""

    def __init__(self, state: State, folders: Folders) -> None:
        """Work on the queues of a state; nothing happens before `tick`."""
        self._state = state
        self._folders = folders
        self._runs: list[_Run] = []
        self._closed = False
        # Ticks run in threads, and a cancelled one goes on until its end.
        self._lock = threading.RLock()

    async def run(self, interval_s: float) -> None:
        """Look at the queues every `interval_s` seconds until cancelled."""
        watch_s = min(interval_s, _WATCH_INTERVAL_S)
        waited_s = interval_s
        while True:
            if waited_s >= interval_s:
                waited_s = 0.0
                await asyncio.to_thread(self.tick)
            await asyncio.to_thread(self.watch)
            await asyncio.sleep(watch_s)
            waited_s += watch_s

    def tick(self) -> None:
        """Look at every queue once."""
        with self._lock:
            for queue in [] if self._closed else self._state.queues():
                try:
                    self._serve(queue)
                except (KeyError, IndexError, TypeError):
                    # A config without a process throws here in the real worker too, after the
                    # row was set to running, and stays in the way of its queue.
                    _LOGGER.exception("cannot start the next job of queue %r", queue["gpu_ids"])

    def _serve(self, queue: Row) -> None:
        jobs = [job for job in self._state.jobs() if job["gpu_ids"] == queue["gpu_ids"]]
        if not queue["is_running"]:
            for job in jobs:
                if job["status"] == "running":
                    self._state.update_job(job["id"], return_to_queue=True, info="Stopping job...")
            return
        if any(job["status"] in _BUSY for job in jobs):
            return
        waiting = [job for job in jobs if job["status"] == "queued"]
        if waiting:
            self._start(min(waiting, key=lambda job: int(job["queue_position"])))
        else:
            self._state.switch_queue(queue["gpu_ids"], running=False)

    def _start(self, job: Row) -> None:
        self._state.update_job(
            job["id"], status="running", stop=False, return_to_queue=False, info="Starting job..."
        )
        config: dict[str, Any] = json.loads(job["job_config"])
        config["config"]["process"][0]["sqlite_db_path"] = str(self._state.path)
        folder = self._folders.job_folder(job["name"])
        if folder is None:
            self._fail(job, f"{job['name']!r} is no folder of the training folder")
            return
        try:
            process, log_path = _launch(folder, config, job_id=job["id"])
        except OSError as error:
            self._fail(job, str(error))
            return
        self._runs.append(_Run(job_id=job["id"], process=process, log_path=log_path))
        self._state.update_job(job["id"], pid=process.pid)

    def _fail(self, job: Row, reason: str) -> None:
        self._state.update_job(job["id"], status="error", info=f"Error launching job: {reason}")

    def watch(self) -> None:
        """Note trainers that ended: a line in the log, and the row if it says running."""
        with self._lock:
            ended = [run for run in self._runs if run.process.poll() is not None]
            self._runs = [run for run in self._runs if run not in ended]
            for run in ended:
                if run.process.returncode:
                    self._note_failure(run, run.process.returncode)

    def _note_failure(self, run: _Run, code: int) -> None:
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        text = f"Job process terminated with {end}."
        if run.log_path.exists():
            with run.log_path.open("a", encoding="utf-8") as log:
                log.write(f"\n{text}\n")
        job = self._state.job(run.job_id)
        if job is not None and job["status"] == "running" and job["pid"] == run.process.pid:
            self._state.update_job(run.job_id, status="error", info=text, pid=None)

    def interrupt(self, pid: int | None) -> bool:
        """Send SIGINT to a trainer.

        Only to trainers started here: a pid in an old row may by now be anybody's.

        Returns:
            Whether there was such a trainer.
        """
        with self._lock:
            found = [run for run in self._runs if run.process.pid == pid]
            alive = [run.process for run in found if run.process.poll() is None]
            for process in alive:
                _send_interrupt(process)
        return bool(alive)

    async def close(self) -> None:
        """Stop all trainers and wait until they are gone."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            for run in self._runs:
                _send_interrupt(run.process)
            for run in self._runs:
                try:
                    run.process.wait(_STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    run.process.kill()
                    run.process.wait()
        self.watch()


def _launch(
    folder: Path, config: dict[str, Any], *, job_id: str
) -> tuple[subprocess.Popen[bytes], Path]:
    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder / "log.txt"
    _rotate(log_path)
    config_path = folder / ".job_config.json"
    config_path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    with log_path.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            _command(config_path),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(job_id),
            start_new_session=True,
        )
    (folder / "pid.txt").write_text(str(process.pid), encoding="utf-8")
    return process, log_path


def _command(config_path: Path) -> Sequence[str]:
    return [sys.executable, "-m", "aitk_sandbox.trainer", str(config_path)]


def _environment(job_id: str) -> dict[str, str]:
    # Matrices are too small to gain from threads, and several runs share the cores.
    return {
        **os.environ,
        "AITK_JOB_ID": job_id,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _rotate(log_path: Path) -> None:
    if not log_path.exists():
        return
    logs = log_path.parent / "logs"
    logs.mkdir(exist_ok=True)
    number = 0
    while (logs / f"{number}_log.txt").exists():
        number += 1
    log_path.replace(logs / f"{number}_log.txt")


def _send_interrupt(process: subprocess.Popen[bytes]) -> None:
    # Windows has no SIGINT for another process; there the trainer sees the flag in its row.
    if os.name == "posix":
        process.send_signal(signal.SIGINT)
