"""What may be done with a job in its state, and what it would cost; no tool acts without it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from aitk_core.configkeys.differences import config_diff
from aitk_core.errors import AitkError
from aitk_training.tools.outputs_configs import ConfigChange
from aitk_training.tools.outputs_jobs import JobAhead, JobLine, QueueState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aitk_core.backend.protocol import Backend
    from aitk_core.backend.records import JobRow, Queue

_NOT_TRAINED: Final = ("training_metadata", "meta")
"""Blocks of a config that the trainer does not read."""
_STATUS_CHARS: Final = 40


def changes_between(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[ConfigChange]:
    """Return what of a job's stored config would train differently."""
    return [
        ConfigChange(path=each.path, old=each.a, new=each.b)
        for each in config_diff(stored, wanted)
        if each.path.partition(".")[0] not in _NOT_TRAINED
    ]


def queue_state(job: JobRow, jobs: Sequence[JobRow], queues: Sequence[Queue]) -> QueueState:
    """Return the place of a job that waits.

    Args:
        job: Its row.
        jobs: All jobs, in any order.
        queues: All queues.
    """
    waiting = waiting_in(jobs, job.gpu_ids)
    before = waiting[: next((i for i, each in enumerate(waiting) if each.id == job.id), 0)]
    active = [each for each in jobs if each.gpu_ids == job.gpu_ids and _occupies(each)]
    mine = next((queue for queue in queues if queue.gpu_ids == job.gpu_ids), None)
    return QueueState(
        gpu_ids=job.gpu_ids,
        is_running=None if mine is None else mine.is_running,
        position=len(before) + 1,
        behind=tuple(
            JobAhead(id=each.id, name=each.name, status=each.status)
            for each in (*active, *before)
            if each.id != job.id
        ),
    )


def waiting_in(jobs: Iterable[JobRow], gpu_ids: str | None) -> list[JobRow]:
    """Return the waiting jobs of a queue, the next one first."""
    waiting = [each for each in jobs if each.status == "queued" and each.gpu_ids == gpu_ids]
    return sorted(waiting, key=lambda each: (each.queue_position or 0, each.created_at or ""))


def sharing_gpus(job: JobRow, jobs: Iterable[JobRow]) -> list[JobRow]:
    """Return running jobs of other queues that use a GPU of this one.

    The backend's queues do not see each other: `0` and `0,1` run side by side
    (backend/API.md section 5).
    """
    mine = set((job.gpu_ids or "").split(","))
    return [
        each
        for each in jobs
        if _occupies(each)
        and each.gpu_ids != job.gpu_ids
        and mine & set((each.gpu_ids or "").split(","))
    ]


def _occupies(job: JobRow) -> bool:
    return job.is_active and job.status != "queued"


def job_line(job: JobRow, position: int | None = None) -> JobLine:
    """Return a job in short.

    Args:
        job: Its row.
        position: Its place among the waiting jobs of its queue.
    """
    total = job.planned_steps
    return JobLine(
        id=job.id,
        name=job.name,
        status=job.status,
        stop_requested=bool(job.stop) and job.status == "running",
        step=job.step,
        total_steps=total,
        progress=job.progress_percent,
        gpu_ids=job.gpu_ids,
        queue_position=position,
        info=job.info,
        created_at=job.created_at,
        faults=faults_of(job),
    )


def faults_of(job: JobRow) -> tuple[str, ...]:
    """Return what in a job's row is not as it should be."""
    total = job.planned_steps
    if job.step is not None and total and job.step > total:
        return (*job.faults, f"step {job.step} is beyond the {total} that are configured")
    return job.faults


def status_word(job: JobRow) -> str:
    """Return the status as the backend says it, or `unknown`."""
    return (job.status or "unknown")[:_STATUS_CHARS]


_LOCKS: Final[WeakValueDictionary[int, asyncio.Lock]] = WeakValueDictionary()
"""By id of the backend; one lives as long as a call holds it."""


def start_lock(backend: Backend) -> asyncio.Lock:
    """Return the lock under which this server starts jobs of a backend, one at a time.

    The backend starts a running job a second time (backend/RUNBOOK.md section 4), so reading
    the state and starting must not be torn apart by another call.
    """
    lock = _LOCKS.get(id(backend))
    if lock is None:
        lock = _LOCKS[id(backend)] = asyncio.Lock()
    return lock


async def half_done(backend: Backend, job_id: str, done: str, error: AitkError) -> AitkError:
    """Return an error of the same kind that says how far a change of several steps came.

    Args:
        backend: Asked for the state that the job was left in.
        job_id: The job.
        done: What has happened, such as `created but not started`.
        error: What went wrong then.
    """
    state: str | None = None
    with suppress(AitkError):
        state = status_word(await backend.job(job_id))
    left = "its state could not be read back" if state is None else f"its status is {state!r}"
    return type(error)(
        f"job {job_id!r} was {done}: {error}; {left}",
        remedy=f"ask get-training-status for job {job_id}, then call start-training with its "
        "job_id",
        **{**error.details, "job_id": job_id, "job_status": state},
    )
