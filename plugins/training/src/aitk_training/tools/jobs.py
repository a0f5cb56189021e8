"""list-training-jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.convert import unstructure
from aitk_core.records.results import ToolResult
from aitk_training.lifecycle import job_line, waiting_in
from aitk_training.text import name_of, one_line
from aitk_training.tools.outputs_jobs import JobPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext
    from aitk_training.arguments import ListTrainingJobs
    from aitk_training.tools.outputs_jobs import JobLine

_INFO_CHARS: Final = 500
"""Ours: of one job's info in the data; get-training-status has it whole."""
_SKIPPED: Final = 20
"""Ours: unreadable records that are named."""


async def list_training_jobs(arguments: ListTrainingJobs, context: ToolContext) -> ToolResult:
    """Return one page of the backend's jobs; a record that is malformed spoils no other."""
    found = await context.backend.jobs()
    places = positions(found.jobs)
    jobs = [job for job in found.jobs if _fits(job, arguments)]
    start = int(arguments.cursor or 0)
    page = jobs[start : start + arguments.limit]
    end = start + len(page)
    data = JobPage(
        jobs=tuple(short(job, places.get(job.id)) for job in page),
        total=len(jobs),
        returned=len(page),
        next_cursor=str(end) if page and end < len(jobs) else None,
        skipped=tuple(one_line(each) for each in found.skipped[:_SKIPPED]),
    )
    return ToolResult(data=unstructure(data), summary=_text(data, start, arguments))


def positions(jobs: Sequence[JobRow]) -> dict[str, int]:
    """Return the place of each waiting job in its queue, by id; 1 is next."""
    return {
        job.id: place
        for gpu_ids in {job.gpu_ids for job in jobs}
        for place, job in enumerate(waiting_in(jobs, gpu_ids), start=1)
    }


def short(job: JobRow, position: int | None) -> JobLine:
    """Return a job in short, its info cut: a failed job's may hold a whole traceback."""
    from attrs import evolve

    line = job_line(job, position)
    info = line.info
    if info is not None and len(info) > _INFO_CHARS:
        info = info[: _INFO_CHARS - 3] + "..."
    return evolve(line, info=info)


def line_of(job: JobLine) -> str:
    """Return a job as one line: `- <name> (<id>): <status> [step/total | pct%]`."""
    status = "stopping" if job.stop_requested else one_line(job.status, 40) or "unknown"
    line = f"- {name_of(job.name)} ({one_line(job.id, 128)}): {status}"
    if job.total_steps and job.step is not None:
        line += f" [{job.step}/{job.total_steps} | {job.progress}%]"
    if job.queue_position is not None:
        line += f", number {job.queue_position} in the queue of GPU {one_line(job.gpu_ids, 40)}"
    if job.status == "error" and job.info:
        line += f": {one_line(job.info, 120)}"
    if job.faults:
        line += f" (malformed: {one_line('; '.join(job.faults), 200)})"
    return line


def _fits(job: JobRow, arguments: ListTrainingJobs) -> bool:
    wanted = arguments.status
    if wanted == "active" and not job.is_active:
        return False
    if wanted not in (None, "active") and job.status != wanted:
        return False
    query = arguments.query
    return query is None or query.casefold() in (job.name or "").casefold()


def _text(data: JobPage, start: int, arguments: ListTrainingJobs) -> str:
    filtered = arguments.status is not None or arguments.query is not None
    if not data.total:
        lines = ["No training jobs fit." if filtered else "No training jobs."]
    elif not data.jobs:
        lines = [f"No more jobs: there are {data.total}."]
    else:
        lines = [f"Training jobs {start + 1} to {start + data.returned} of {data.total}:", ""]
        lines += [line_of(job) for job in data.jobs]
    if data.next_cursor is not None:
        lines += ["", f"More with cursor {data.next_cursor}."]
    if data.skipped:
        lines += ["", "Records of the backend that are no jobs:"]
        lines += [f"- {each}" for each in data.skipped]
    return "\n".join(lines)
