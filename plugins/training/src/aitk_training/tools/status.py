"""get-training-status: one job, or without one the backend as a whole."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from aitk_core.convert import unstructure
from aitk_core.errors import BackendError, NotFoundError
from aitk_core.records.results import ToolResult
from aitk_training.lifecycle import faults_of
from aitk_training.status import liveness_state, look_at, time_left_of
from aitk_training.text import bullets, duration, name_of, one_line
from aitk_training.tools.jobs import line_of, positions, short
from aitk_training.tools.outputs_jobs import (
    GpuLine,
    Overview,
    Problem,
    QueueLine,
    TrainingStatus,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from aitk_core.backend.records import GpuAnswer, JobRow, Queue
    from aitk_core.errors import AitkError
    from aitk_core.protocols import ToolContext
    from aitk_training.arguments import GetTrainingStatus
    from aitk_training.status import Look
    from aitk_training.tools.outputs_jobs import Eta, JobLine, LivenessState, QueueState

T = TypeVar("T")
AgeSince = Literal["launched", "queued", "created"]

_LISTED: Final = 50
_AHEAD: Final = 5
"""Jobs ahead in the queue that are named."""
"""Ours: running and waiting jobs named in an overview; list-training-jobs pages through all."""


async def get_training_status(arguments: GetTrainingStatus, context: ToolContext) -> ToolResult:
    """Say whether a job is alive; without one, what the backend is doing."""
    if arguments.job_id is None:
        return await _overview(context)
    look = await look_at(context, arguments.job_id, observe_s=arguments.observe_seconds)
    job = look.job
    total = job.planned_steps
    age_s, since = _age(look)
    data = TrainingStatus(
        job_id=job.id,
        job_name=job.name,
        found=True,
        status=job.status or "unknown",
        stop_requested=bool(job.stop) and job.status == "running",
        progress=job.progress_percent,
        current_step=job.step,
        total_steps=total or 0,
        info=job.info or "",
        speed_string=job.speed_string or "",
        gpu_ids=job.gpu_ids,
        liveness=liveness_state(look),
        age_s=age_s,
        age_since=since,
        eta=await context.run(time_left_of, look),
        queue=look.queue,
        next_step=_next_step(look),
        faults=faults_of(job),
        overview=None,
        notes=tuple(f"not read: {what}: {why}" for what, why in look.missing.items()),
    )
    return ToolResult(data=unstructure(data), summary=_job_text(data))


def _age(look: Look) -> tuple[float | None, AgeSince | None]:
    job = look.job
    since: AgeSince = "created"
    text = job.created_at
    # The backend writes the row when it queues and when it launches (backend/RUNBOOK.md, 3).
    if job.status == "running":
        since, text = "launched", job.updated_at
    elif job.status == "queued":
        since, text = "queued", job.updated_at
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None, None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(max(0.0, look.seen_at - moment.timestamp()), 1), since


def _next_step(look: Look) -> str | None:
    verdict, job = look.liveness, look.job
    if job.status == "running" and verdict.verdict in ("stuck", "dead"):
        return (
            "stop-training with recover true frees the row, then start-training with this job_id "
            "and resume true goes on from the newest checkpoint"
        )
    if job.status == "error":
        return "get-training-observability names the cause and what to change"
    if job.status != "queued" or look.queue is None:
        return None
    if look.queue.is_running is False:
        return "start-training with this job_id starts its queue"
    running = next((each for each in look.queue.behind if each.status != "queued"), None)
    if running is None:
        return None
    return f"get-training-status for {running.id} says whether the job before it is alive"


async def _overview(context: ToolContext) -> ToolResult:
    faults: dict[str, AitkError] = {}
    backend = context.backend
    jobs, queues, settings, gpu = await asyncio.gather(
        _optional("jobs", backend.jobs(), faults),
        _optional("queues", backend.queues(), faults),
        _optional("settings", backend.settings(), faults),
        _optional("gpu", backend.gpu(), faults),
    )
    rows = None if jobs is None else jobs.jobs
    overview = Overview(
        url=backend.url,
        up=any(answer is not None for answer in (jobs, queues, settings)),
        problem=_problem(faults.get("jobs")),
        folders={
            "training": None if settings is None else settings.training_folder,
            "datasets": None if settings is None else settings.datasets_folder,
            "models": None if settings is None else settings.models_path,
            "configs": _configs_folder(context),
        },
        queues=None if queues is None else _queue_lines(queues, rows),
        running=None if rows is None else _running_lines(rows),
        queued=None if rows is None else _waiting_lines(rows),
        counts=None if rows is None else dict(Counter(job.status or "unknown" for job in rows)),
        gpus=_gpu_lines(gpu),
        gpu_error=None if gpu is None or gpu.error is None else one_line(gpu.error),
    )
    notes = [f"not read: {what}: {error.code}: {error}" for what, error in faults.items()]
    notes += [] if jobs is None else [f"no job: {one_line(each)}" for each in jobs.skipped[:10]]
    if sum(job.is_active for job in rows or ()) > _LISTED:
        notes.append(f"only {_LISTED} of each are listed: list-training-jobs pages through all")
    data = _without_job(overview, tuple(notes))
    return ToolResult(data=unstructure(data), summary=_overview_text(overview, notes))


def _without_job(overview: Overview, notes: tuple[str, ...]) -> TrainingStatus:
    return TrainingStatus(
        job_id=None,
        job_name=None,
        found=None,
        status=None,
        stop_requested=None,
        progress=None,
        current_step=None,
        total_steps=None,
        info=None,
        speed_string=None,
        gpu_ids=None,
        liveness=None,
        age_s=None,
        age_since=None,
        eta=None,
        queue=None,
        next_step=None,
        faults=(),
        overview=overview,
        notes=notes,
    )


async def _optional(what: str, request: Awaitable[T], faults: dict[str, AitkError]) -> T | None:
    try:
        return await request
    except BackendError as error:
        faults[what] = error
        return None


def _problem(error: AitkError | None) -> Problem | None:
    if error is None:
        return None
    return Problem(code=error.code, message=str(error), remedy=error.remedy)


def _configs_folder(context: ToolContext) -> str | None:
    try:
        return str(context.paths.root("configs"))
    except NotFoundError:
        return None


def _running_lines(rows: Sequence[JobRow]) -> tuple[JobLine, ...]:
    running = [job for job in rows if job.is_active and job.status != "queued"]
    return tuple(short(job, None) for job in running[:_LISTED])


def _waiting_lines(rows: Sequence[JobRow]) -> tuple[JobLine, ...]:
    places = positions(rows)
    waiting = [job for job in rows if job.status == "queued"]
    waiting.sort(key=lambda job: (job.gpu_ids or "", places[job.id]))
    return tuple(short(job, places[job.id]) for job in waiting[:_LISTED])


def _queue_lines(queues: Sequence[Queue], rows: Sequence[JobRow] | None) -> tuple[QueueLine, ...]:
    lines = []
    for queue in queues:
        mine = [job for job in rows or () if job.gpu_ids == queue.gpu_ids and job.is_active]
        waiting = sum(job.status == "queued" for job in mine)
        lines.append(
            QueueLine(
                gpu_ids=queue.gpu_ids,
                is_running=queue.is_running,
                running=None if rows is None else len(mine) - waiting,
                waiting=None if rows is None else waiting,
            )
        )
    return tuple(lines)


def _gpu_lines(gpu: GpuAnswer | None) -> tuple[GpuLine, ...] | None:
    if gpu is None:
        return None
    return tuple(
        GpuLine(
            index=one.index,
            name=one.name,
            memory_used_mib=one.memory_used_mib,
            memory_total_mib=one.memory_total_mib,
            utilization_percent=one.utilization_percent,
            temperature_c=one.temperature_c,
        )
        for one in gpu.gpus
    )


def _job_text(data: TrainingStatus) -> str:
    status = "stopping" if data.stop_requested else data.status
    progress = "unknown" if data.progress is None else f"{data.progress}%"
    step = "unknown" if data.current_step is None else data.current_step
    lines = [f"Training status for job {data.job_id} ({name_of(data.job_name)}):", ""]
    lines += bullets(
        (
            ("Status", status),
            ("Alive", _alive_text(data.liveness)),
            ("Progress", progress),
            ("Step", f"{step}/{data.total_steps or 'unknown'}"),
            ("ETA", _eta_text(data.eta)),
            ("Speed", one_line(data.speed_string) if data.status == "running" else ""),
            ("Info", one_line(data.info)),
            ("Queue", _queue_text(data.queue)),
            ("Age", _age_text(data)),
        )
    )
    if data.liveness is not None:
        lines += [f"- Evidence: {each}" for each in data.liveness.evidence]
        lines += [f"- Possible cause: {each}" for each in data.liveness.causes]
    lines += [f"- Malformed: {one_line(each)}" for each in data.faults]
    lines += [f"- Note: {one_line(each)}" for each in data.notes]
    if data.next_step:
        lines += ["", f"Next: {data.next_step}."]
    return "\n".join(lines)


def _alive_text(liveness: LivenessState | None) -> str:
    if liveness is None:
        return ""
    failed = ", failed" if liveness.failed and liveness.verdict == "finished" else ""
    return f"{liveness.verdict}{failed} - {liveness.reason}"


def _age_text(data: TrainingStatus) -> str:
    return "" if data.age_s is None else f"{duration(data.age_s)} since it was {data.age_since}"


def _eta_text(eta: Eta | None) -> str:
    if eta is None:
        return ""
    between = ""
    if eta.interval is not None:
        low, high = (duration(each) for each in eta.interval)
        between = low if low == high else f"{low} to {high}"
    if eta.seconds is None:
        return between or f"unknown ({eta.reason})"
    about = f"about {duration(eta.seconds)}"
    return f"{about} ({between})" if between else f"{about} (error not known)"


def _queue_text(queue: QueueState | None) -> str:
    if queue is None:
        return ""
    on = {True: "on", False: "switched off", None: "state unknown"}[queue.is_running]
    ahead = ", ".join(
        f"{name_of(each.name)} ({one_line(each.status, 40)})" for each in queue.behind[:_AHEAD]
    )
    left_out = len(queue.behind) - _AHEAD
    more = f" and {left_out} more" if left_out > 0 else ""
    behind = f", behind {ahead}{more}" if ahead else ""
    place = "" if queue.position is None else f"number {queue.position} "
    return f"{place}in the queue of GPU {one_line(queue.gpu_ids, 40)} ({on}){behind}"


def _overview_text(overview: Overview, notes: Sequence[str]) -> str:
    problem = overview.problem
    if problem is not None:
        fails = "lists no jobs" if overview.up else "does not answer"
        lines = [f"The backend at {overview.url} {fails}: {problem.code}: {problem.message}."]
        if problem.remedy:
            lines.append(f"Remedy: {problem.remedy.rstrip('.')}.")
        lines += ["", *bullets((("Configs folder", overview.folders["configs"]),))]
        return "\n".join(lines)
    by_status = sorted((overview.counts or {}).items())
    counts = ", ".join(f"{n} {one_line(status, 40)}" for status, n in by_status)
    lines = [f"The backend at {overview.url} is up. Jobs: {counts or 'none'}.", ""]
    lines += ["Running:", *(map(line_of, overview.running) if overview.running else ["- none"])]
    lines += ["Waiting:", *(map(line_of, overview.queued) if overview.queued else ["- none"])]
    lines += [_queue_line(each) for each in overview.queues or ()]
    lines += [_gpu_line(each) for each in overview.gpus or ()]
    if not overview.gpus and overview.gpu_error:
        lines.append(f"- GPU: none seen ({overview.gpu_error})")
    lines += bullets((f"Folder of {what}", path) for what, path in overview.folders.items())
    lines += [f"- Note: {one_line(note)}" for note in notes]
    return "\n".join(lines)


def _queue_line(queue: QueueLine) -> str:
    on = {True: "on", False: "off", None: "unknown"}[queue.is_running]
    return f"- Queue of GPU {queue.gpu_ids}: {on}, {queue.running} running, {queue.waiting} waiting"


def _gpu_line(gpu: GpuLine) -> str:
    def said(value: Any) -> str:
        return "unknown" if value is None else f"{value:g}"

    return (
        f"- GPU {gpu.index} {one_line(gpu.name)}: {said(gpu.memory_used_mib)} of "
        f"{said(gpu.memory_total_mib)} MiB used, {said(gpu.utilization_percent)} % busy, "
        f"{said(gpu.temperature_c)} °C"
    )
