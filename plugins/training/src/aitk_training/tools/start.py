"""start-training: a new job from a saved config, or an existing job again."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from aitk_core.backend.ids import checked_gpu_ids
from aitk_core.backend.records import JobRow
from aitk_core.convert import unstructure
from aitk_core.errors import AitkError, ConflictError, InvalidArgumentsError
from aitk_core.evidence.checkpoints import ResumePoint, checkpoints_of, resume_point
from aitk_core.records.results import ToolResult
from aitk_training.configs.validate import check_config
from aitk_training.lifecycle import (
    changes_between,
    half_done,
    queue_state,
    sharing_gpus,
    start_lock,
    status_word,
)
from aitk_training.text import name_of, one_line
from aitk_training.tools.configs import store_of
from aitk_training.tools.outputs_configs import ConfigChange
from aitk_training.tools.outputs_jobs import StartedTraining
from aitk_training.tools.start_checks import (
    CHANGES_IN_DETAILS,
    CHANGES_SHOWN,
    check_agreed,
    check_something_left,
    check_stored,
    files_text,
)

if TYPE_CHECKING:
    from typing import Literal

    from aitk_core.backend.protocol import Backend
    from aitk_core.protocols import ToolContext
    from aitk_training.arguments import StartTraining
    from aitk_training.tools.outputs_jobs import QueueState

_FIRST_GPU: Final = "0"
"""The contract's queue for new jobs."""


@frozen(kw_only=True)
class _Plan:
    """What is going to be started."""

    job: JobRow
    config: dict[str, Any] | None = None
    """To be stored in place of the job's own, where it differs."""
    changes: tuple[ConfigChange, ...] = ()
    resume: ResumePoint
    is_new: bool = False
    notes: list[str] = field(factory=list)


async def start_training(arguments: StartTraining, context: ToolContext) -> ToolResult:
    """Queue a job and start its queue; report the status that the backend then has.

    Raises:
        InvalidArgumentsError: Not exactly one of config_name and job_id, or a config or GPU
            list that cannot be sent.
        ConflictError: The job is active, or starting it again needs resume or replace_config.
    """
    _check(arguments)
    backend = context.backend
    config = None
    notes: list[str] = []
    if arguments.config_name is not None:
        config = await context.run(store_of(context).read, arguments.config_name)
        check_config(config)
        config = _with_training_folder(config, await backend.settings(), notes)
    async with start_lock(backend):
        if config is None:
            plan = await _plan_of_job(arguments, backend, await backend.job(str(arguments.job_id)))
        else:
            plan = await _plan_of_config(arguments, backend, config)
        plan.notes[:0] = notes
        if plan.job.status == "queued":
            action: Literal["created", "restarted", "resumed", "queue_started"] = "queue_started"
            await backend.start_queue(plan.job.gpu_ids or _FIRST_GPU)
        else:
            action = await _start(arguments, backend, plan)
    return await _answer(arguments, backend, plan, action)


def _check(arguments: StartTraining) -> None:
    if (arguments.config_name is None) == (arguments.job_id is None):
        message = "give either config_name or job_id"
        raise InvalidArgumentsError(
            message,
            remedy="config_name starts a saved config, job_id an existing job",
            faults=[{"path": "/config_name", "message": message}],
        )
    if arguments.job_id is not None and arguments.replace_config:
        message = "replace_config needs config_name: a job alone brings no other config"
        raise InvalidArgumentsError(
            message,
            remedy="name the saved config that is to replace the job's own",
            faults=[{"path": "/replace_config", "message": message}],
        )
    if arguments.gpu_ids is not None:
        checked_gpu_ids(arguments.gpu_ids)


def _with_training_folder(config: dict[str, Any], settings: Any, notes: list[str]) -> Any:
    """Return the config with the backend's own folder, as its form always writes it.

    Elsewhere the backend would not find samples, checkpoints and metrics (API.md section 4.2).
    """
    folder = settings.training_folder
    process = config["config"]["process"][0]
    if not folder or process.get("training_folder") == folder:
        return config
    notes.append(
        f"process.0.training_folder was {one_line(str(process.get('training_folder')))!r} and is "
        f"sent as {one_line(folder)!r}, the backend's own"
    )
    config = deepcopy(config)
    config["config"]["process"][0]["training_folder"] = folder
    return config


async def _plan_of_config(
    arguments: StartTraining, backend: Backend, config: dict[str, Any]
) -> _Plan:
    name = config["config"]["name"]
    existing = await _job_named(backend, name)
    if existing is not None:
        return await _plan_of_job(arguments, backend, existing, config)
    gpu_ids = arguments.gpu_ids or _FIRST_GPU
    try:
        job = await backend.create_job(name, gpu_ids, config)
    except ConflictError:
        taken = await _job_named(backend, name)
        if taken is None:
            raise
        # Another server or the backend's own pages made it between our two requests; starting
        # it as well could start it twice.
        raise ConflictError(
            f"job {name!r} was created by someone else at the same moment; its status is "
            f"{status_word(taken)!r}",
            remedy=f"ask get-training-status for job {taken.id}",
            job_id=taken.id,
            job_status=taken.status,
        ) from None
    try:
        saved = checkpoints_of(await backend.files(job.id), name)
    except AitkError as error:
        raise await half_done(backend, job.id, "created but not started", error) from error
    if saved and not arguments.resume:
        raise ConflictError(
            f"job {name!r} was created but not started: its folder already holds checkpoints "
            f"({files_text(saved)}), and training would go on from them",
            remedy=f"call start-training with job_id {job.id} and resume true, or use another "
            "name in the config",
            job_id=job.id,
            job_status=job.status,
            checkpoints=list(saved.files)[-CHANGES_SHOWN:],
        )
    return _Plan(job=job, resume=resume_point(job, saved), is_new=True)


async def _job_named(backend: Backend, name: str) -> JobRow | None:
    found = await backend.jobs()
    return next((job for job in found.jobs if job.name == name), None)


async def _plan_of_job(
    arguments: StartTraining,
    backend: Backend,
    job: JobRow,
    config: dict[str, Any] | None = None,
) -> _Plan:
    changes = () if config is None else tuple(changes_between(job.config or {}, config))
    if job.is_active:
        return await _plan_of_active(backend, job, changes)
    if not job.is_terminal:
        raise ConflictError(
            f"job {name_of(job.name)!r} has the status {status_word(job)!r}, which is none that "
            "the backend documents",
            remedy="look at the job in the backend's own pages",
            job_id=job.id,
            job_status=job.status,
        )
    if config is None:
        check_stored(job)
    saved = checkpoints_of(await backend.files(job.id), job.name)
    point = resume_point(job, saved)
    check_agreed(arguments, job, changes, saved, point)
    check_something_left(job, config if changes else None, point)
    plan = _Plan(job=job, config=config if changes else None, changes=changes, resume=point)
    if point.step is None:
        plan.notes.append("the step it goes on from stands in the checkpoint itself")
    if not saved and job.step:
        plan.notes.append(
            "it begins at step 0: no checkpoint is listed (those of a full fine-tune never are, "
            "and are resumed from all the same)"
        )
    return plan


async def _plan_of_active(
    backend: Backend, job: JobRow, changes: tuple[ConfigChange, ...]
) -> _Plan:
    """Refuse an active job; one that waits in a queue that is off gets its queue started."""
    queues = await backend.queues()
    mine = next((queue for queue in queues if queue.gpu_ids == job.gpu_ids), None)
    is_off = mine is None or mine.is_running is False
    if job.status == "queued" and is_off and not changes:
        note = "the job was queued already; only its queue was started, with all that wait in it"
        return _Plan(job=job, resume=ResumePoint(step=job.step), notes=[note])
    state = "stopping" if job.shown_status == "stopping" else status_word(job)
    raise ConflictError(
        f"job {name_of(job.name)!r} ({job.id}) is {state} at step {job.step}; nothing was changed",
        remedy=(
            "wait for it, or stop it with stop-training; get-training-status says whether it is "
            "alive, and stop-training with recover frees one that is not"
        ),
        job_id=job.id,
        job_status=job.status,
        step=job.step,
        changes=[unstructure(each) for each in changes[:CHANGES_IN_DETAILS]],
    )


async def _start(
    arguments: StartTraining, backend: Backend, plan: _Plan
) -> Literal["created", "restarted", "resumed"]:
    job = plan.job
    moved = arguments.gpu_ids is not None and arguments.gpu_ids != job.gpu_ids
    gpu_ids = arguments.gpu_ids or job.gpu_ids or _FIRST_GPU
    done = "created but not started" if plan.is_new else "not started"
    if not plan.is_new:
        await _check_startable(backend, job)
    try:
        if plan.config is not None or moved:
            await backend.update_job(job.id, config=plan.config, gpu_ids=gpu_ids if moved else None)
            done = "changed but not started"
        await backend.start_job(job.id)
        done = "queued, but its queue was not started"
        await backend.start_queue(gpu_ids)
    except AitkError as error:
        raise await half_done(backend, job.id, done, error) from error
    if plan.is_new:
        return "created"
    return "restarted" if plan.resume.step == 0 else "resumed"


async def _check_startable(backend: Backend, job: JobRow) -> None:
    """Look once more before anything is changed: a start of a running job starts it twice."""
    now = await backend.job(job.id)
    if now.is_active:
        raise ConflictError(
            f"job {name_of(job.name)!r} ({job.id}) has become {status_word(now)} meanwhile; it "
            "was not started again",
            remedy="ask get-training-status for it",
            job_id=job.id,
            job_status=now.status,
        )


async def _answer(
    arguments: StartTraining, backend: Backend, plan: _Plan, action: Any
) -> ToolResult:
    """Read back what the start came to; the start itself is done whatever happens here."""
    try:
        job = await backend.job(plan.job.id)
        jobs = (await backend.jobs()).jobs if job.status == "queued" else ()
        queues = await backend.queues() if job.status == "queued" else ()
    except AitkError as error:
        raise await half_done(
            backend, plan.job.id, "started, but could not be looked at", error
        ) from error
    place = queue_state(job, jobs, queues) if job.status == "queued" else None
    plan.notes.extend(
        f"job {name_of(each.name)!r} ({each.id}) runs on GPU {each.gpu_ids} too: the queues do "
        "not see each other"
        for each in sharing_gpus(job, jobs)
    )
    data = StartedTraining(
        job_id=job.id,
        job_name=job.name,
        config_name=arguments.config_name,
        action=action,
        status=job.status or "unknown",
        info=job.info or "",
        gpu_ids=job.gpu_ids,
        queue=place,
        resume_step=plan.resume.step,
        resume_file=plan.resume.file,
        changes=plan.changes,
        notes=tuple(plan.notes),
    )
    return ToolResult(data=unstructure(data), summary=_text(data))


_SAID: Final = {
    "created": "Training started as a new job.",
    "restarted": "Training started again from step 0.",
    "queue_started": "The queue was started.",
}


def _text(data: StartedTraining) -> str:
    at = "the newest checkpoint" if data.resume_step is None else f"step {data.resume_step}"
    lines = [_SAID.get(data.action, f"Training resumes from {at}."), ""]
    lines.append(f"- Job ID: {data.job_id}")
    lines.append(f"- Configuration: {data.config_name or name_of(data.job_name)}")
    lines.append(f"- Status: {data.status}{_place_text(data.queue)}")
    if data.resume_file:
        lines.append(f"- Goes on from: {one_line(data.resume_file)}")
    lines += [
        f"- Replaced: {each.path}: {one_line(repr(each.old), 60)} to {one_line(repr(each.new), 60)}"
        for each in data.changes[:CHANGES_SHOWN]
    ]
    lines += [f"- Note: {note}" for note in data.notes]
    return "\n".join([*lines, "", f"Follow it with get-training-status, job_id {data.job_id}."])


def _place_text(place: QueueState | None) -> str:
    if place is None:
        return ""
    off = ", which is switched off" if place.is_running is False else ""
    if not place.behind:
        return f", next on GPU {place.gpu_ids}{off}"
    ahead = ", ".join(f"{name_of(each.name)} ({each.status})" for each in place.behind[:3])
    return f" on GPU {place.gpu_ids}{off}, behind {len(place.behind)}: {ahead}"
