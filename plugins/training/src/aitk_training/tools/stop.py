"""stop-training: stop a run, leave a queue, or free a row whose run is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Literal

from aitk_core.convert import unstructure
from aitk_core.errors import AitkError, BackendError, ConflictError
from aitk_core.evidence.checkpoints import checkpoints_of, steps_at_risk
from aitk_core.records.results import ToolResult
from aitk_training.lifecycle import half_done, status_word
from aitk_training.status import look_at
from aitk_training.text import bullets, name_of, one_line
from aitk_training.tools.outputs_jobs import StoppedTraining

if TYPE_CHECKING:
    from aitk_core.backend.protocol import Backend
    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.checkpoints import Checkpoints
    from aitk_core.evidence.liveness import Liveness
    from aitk_core.protocols import ToolContext
    from aitk_training.arguments import StopTraining

_OBSERVE_S: Final = 3.0
"""Ours: a second look before a row is called stuck."""
_SAVE_WAIT_S: Final = 30.0
"""Ours: a step and a LoRA's save take seconds."""
_SAVE_POLL_S: Final = 1.0
_RESERVE_S: Final = 8.0
"""Ours: of the call's time, kept for the stop itself."""
_LOOKS: Final = 3
"""Ours: the row says stopped at once (backend/RUNBOOK.md section 5)."""
_LOOK_PAUSE_S: Final = 0.5


async def stop_training(arguments: StopTraining, context: ToolContext) -> ToolResult:
    """Stop a job by the way its state asks for, and read back what came of it.

    Raises:
        JobNotFoundError: There is no such job.
        ConflictError: It has ended already, lives where a recovery was asked for, or its save
            was not seen in time.
    """
    backend = context.backend
    job = await backend.job(arguments.job_id)
    if job.status == "queued":
        return await _leave_queue(backend, job)
    if job.status != "running":
        raise _ended(job)
    if arguments.recover:
        return await _recover(context, job)
    if job.stop:
        raise ConflictError(
            f"job {name_of(job.name)!r} ({job.id}) was asked to stop already and still runs",
            remedy=(
                "ask get-training-status in a minute; if its process is gone, recover true frees it"
            ),
            job_id=job.id,
            job_status=job.status,
        )
    return await _stop(arguments, context, job)


def _ended(job: JobRow) -> ConflictError:
    return ConflictError(
        f"job {name_of(job.name)!r} ({job.id}) is {status_word(job)} already; nothing was changed",
        remedy="nothing is left to stop",
        job_id=job.id,
        job_status=job.status,
    )


async def _leave_queue(backend: Backend, job: JobRow) -> ToolResult:
    # The stop route leaves a queued job queued, and it runs anyway (backend/RUNBOOK.md, 5).
    await backend.mark_stopped(job.id)
    return await _answer(backend, job, "removed_from_queue", await _saved(backend, job))


async def _recover(context: ToolContext, job: JobRow) -> ToolResult:
    look = await look_at(context, job.id, observe_s=_OBSERVE_S)
    job, verdict = look.job, look.liveness
    if job.status not in ("running", "queued"):
        raise _ended(job)
    if job.status == "running" and verdict.verdict not in ("stuck", "dead"):
        limit = (
            "" if verdict.limit_s is None else f"; {verdict.limit_s:.0f} s of silence are allowed"
        )
        raise ConflictError(
            f"job {name_of(job.name)!r} ({job.id}) is not shown to be stuck or dead but "
            f"{verdict.verdict}: {one_line(verdict.reason)}{limit}; nothing was changed",
            remedy="stop it without recover, or ask again later",
            job_id=job.id,
            job_status=job.status,
            verdict=verdict.verdict,
        )
    saved = await _saved(context.backend, job)
    await context.backend.mark_stopped(job.id)
    return await _answer(context.backend, job, "recovered", saved, verdict)


async def _stop(arguments: StopTraining, context: ToolContext, job: JobRow) -> ToolResult:
    backend = context.backend
    saved = await _saved(backend, job)
    if arguments.save_first and steps_at_risk(job, saved)[1] != 0:
        saved = await _save(context, job)
    # Stopping a run that has ended signals whatever process has its number now
    # (backend/API.md section 4.4), so the row is read right before.
    job = await backend.job(job.id)
    if job.status != "running":
        raise _ended(job)
    await backend.stop_job(job.id)
    return await _answer(backend, job, "stopped", saved)


async def _saved(backend: Backend, job: JobRow) -> Checkpoints | None:
    try:
        return checkpoints_of(await backend.files(job.id), job.name)
    except BackendError:
        return None


async def _save(context: ToolContext, job: JobRow) -> Checkpoints | None:
    """Ask for a checkpoint and wait until the trainer has taken up the wish and has saved.

    Raises:
        ConflictError: It did not within the bound; the job goes on.
    """
    backend = context.backend
    before = await _saved(backend, job)
    await backend.save_now(job.id)
    waited = 0.0
    remaining = context.remaining_s()
    bound = _SAVE_WAIT_S if remaining is None else min(_SAVE_WAIT_S, remaining - _RESERVE_S)
    while waited < bound:
        await context.progress(waited, bound, "waiting for the checkpoint")
        await asyncio.sleep(_SAVE_POLL_S)
        waited += _SAVE_POLL_S
        row = await backend.job(job.id)
        if row.status != "running":
            raise _ended(row)
        # The flag falls before or after the file is there: both have to be seen.
        if not row.save_now and (row.info or "").strip() != "Saving model":
            after = await _saved(backend, row)
            if after is not None and (before is None or after.steps != before.steps):
                return after
    raise ConflictError(
        f"job {name_of(job.name)!r} ({job.id}) was not stopped: the checkpoint that was asked for "
        f"was not seen within {waited:.0f} s",
        remedy=(
            "the wish stands and the job goes on: call again, or without save_first to give up "
            "the steps since the last checkpoint"
        ),
        job_id=job.id,
        job_status=job.status,
    )


async def _answer(
    backend: Backend,
    before: JobRow,
    action: Literal["stopped", "removed_from_queue", "recovered"],
    saved: Checkpoints | None,
    liveness: Liveness | None = None,
) -> ToolResult:
    try:
        after = await _read_back(backend, before.id)
    except AitkError as error:
        done = "asked to stop, but could not be looked at"
        raise await half_done(backend, before.id, done, error) from error
    verified = after.status == "stopped"
    newest, lost = steps_at_risk(before, saved)
    data = StoppedTraining(
        job_id=before.id,
        job_name=before.name,
        action=action,
        status=after.status or "unknown",
        verified=verified,
        step=before.step,
        last_save_step=newest,
        steps_lost=lost if before.status == "running" else 0,
        verdict=None if liveness is None else liveness.verdict,
        reason=None if liveness is None else one_line(liveness.reason),
        notes=tuple(_notes(action, saved, verified=verified)),
    )
    return ToolResult(data=unstructure(data), summary=_text(data))


async def _read_back(backend: Backend, job_id: str) -> Any:
    row = await backend.job(job_id)
    for _ in range(_LOOKS - 1):
        if row.status == "stopped":
            break
        await asyncio.sleep(_LOOK_PAUSE_S)
        row = await backend.job(job_id)
    return row


def _notes(action: str, saved: Checkpoints | None, *, verified: bool) -> list[str]:
    notes = []
    if not verified:
        notes.append(
            "the row does not say stopped yet: ask get-training-status; if the process is gone, "
            "recover true frees the row"
        )
    elif action == "stopped":
        notes.append("the process may need some seconds more to end and to free its memory")
    if action == "recovered":
        notes.append(
            "no process was signalled: one that still hangs keeps its GPU memory until it is ended "
            "on the training machine"
        )
    if saved is None:
        notes.append("the checkpoints could not be read, so lost steps are not known")
    return notes


_SAID: Final = {
    "stopped": "was stopped",
    "removed_from_queue": "was taken out of its queue",
    "recovered": "was freed",
}


def _text(data: StoppedTraining) -> str:
    said = _SAID[data.action] if data.verified else "was asked to stop, which is not verified"
    lines = [f"Training job {data.job_id} ({name_of(data.job_name)}) {said}.", ""]
    lost = None
    if data.steps_lost is not None and data.action != "removed_from_queue":
        lost = f"{data.steps_lost} (step {data.step}, newest checkpoint {data.last_save_step})"
    lines += bullets(
        (
            ("Status", data.status),
            ("Steps lost", lost),
            ("Why it could be freed", data.reason),
        )
    )
    lines += [f"- Note: {note}" for note in data.notes]
    if data.action != "removed_from_queue":
        lines += ["", f"Resume: start-training with job_id {data.job_id} and resume true."]
    return "\n".join(lines)
