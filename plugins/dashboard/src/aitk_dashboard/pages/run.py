"""One run: its state, and what was found in it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aitk_core.backend.ids import checked_job_id
from aitk_core.errors import BackendError
from aitk_dashboard.pages.actions import Offer
from aitk_dashboard.pages.asking import ask, within
from aitk_dashboard.pages.checkpoints import checkpoints
from aitk_dashboard.pages.glances import judge, sorted_findings
from aitk_dashboard.pages.log import log
from aitk_dashboard.pages.samples import samples

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aitk_core.backend.records import JobRow
    from aitk_core.protocols import ToolContext

_OFFERED: Final[Mapping[str, tuple[str, ...]]] = {
    "running": ("save-and-stop", "stop", "watch"),
    "queued": ("unqueue", "watch"),
    "stopped": ("start",),
    "error": ("start",),
}
"""Actions by status."""


async def whole(context: ToolContext, job_id: str, *, wait_s: float | None) -> dict[str, Any]:
    """Return what the page shows at first; the rest follows by itself.

    Args:
        context: Of the request.
        job_id: The run.
        wait_s: How long the first answer waits for the run's state, which may take its log and
            metrics; None: for all of the page, which a browser without script is given.

    Raises:
        JobNotFoundError: There is no such job.
        InvalidArgumentsError: The id is malformed.
    """
    job: JobRow | None = None
    # Its parts say so where the backend does not answer.
    with suppress(BackendError):
        job = await within(wait_s, context.backend.job(checked_job_id(job_id)))
    parts: dict[str, Any] = dict.fromkeys(PARTS)
    if wait_s is None:
        # The log last: its lines are marked by what was found.
        for name, part in PARTS.items():
            parts[name] = await part(context, job_id)
    else:
        parts["state"] = await within(wait_s, state(context, job_id))
    return {
        "job_id": job_id,
        "name": None if job is None else job.name,
        "parts": parts,
    }


async def state(context: ToolContext, job_id: str) -> dict[str, Any]:
    """Return how the run is called, how it is, and what can be done with it.

    Raises:
        JobNotFoundError: There is no such job.
    """
    status = await ask(context, "get-training-status", job_id=job_id)
    data = status.data
    offers = [
        Offer(name=name, subject=job_id, label=data.get("job_name") or job_id)
        for name in _OFFERED.get(data.get("status") or "", ())
    ]
    return {
        "job_id": job_id,
        "status": data,
        "problem": status.problem,
        "offers": [offer for offer in offers if context.offers(offer.action.tool)],
    }


async def findings(context: ToolContext, job_id: str) -> dict[str, Any]:
    """Return what was found, without the dataset, which has pages of its own.

    Raises:
        JobNotFoundError: There is no such job.
        InvalidArgumentsError: The id is malformed.
        BackendError: In its kinds.
    """
    job = await context.backend.job(checked_job_id(job_id))
    report = await judge(context, row_of(job), with_next=True)
    data = report.data
    run = data.get("run_report") or {}
    return {
        "problem": report.problem,
        "health": data.get("overall_health"),
        "summary": run.get("summary"),
        "findings": sorted_findings(run.get("findings") or ()),
        "not_assessed": run.get("not_assessed") or {},
        "evaluation": data.get("evaluation"),
        "next": data.get("next_experiment"),
    }


async def config(context: ToolContext, job_id: str) -> dict[str, Any]:
    """Return the config as the job has it.

    Raises:
        JobNotFoundError: There is no such job.
        InvalidArgumentsError: The id is malformed.
        BackendError: In its kinds.
    """
    job = await context.backend.job(checked_job_id(job_id))
    text = "" if job.config is None else json.dumps(job.config, indent=2, ensure_ascii=False)
    return {"config": context.redacted(text).splitlines()}


def row_of(job: JobRow) -> dict[str, Any]:
    """Return what tells whether a run has moved, as list-training-jobs has it."""
    return {"id": job.id, "status": job.status, "step": job.step, "info": job.info}


PARTS: Final[Mapping[str, Callable[[ToolContext, str], Awaitable[dict[str, Any]]]]] = {
    "state": state,
    "findings": findings,
    "samples": samples,
    "checkpoints": checkpoints,
    "log": log,
    "config": config,
}
"""What is fetched anew, in the order in which a page without script is made."""
