"""What keeps a job from being started again; nothing is changed by looking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.convert import unstructure
from aitk_core.errors import ConflictError
from aitk_core.evidence.config import read_config
from aitk_training.lifecycle import status_word
from aitk_training.text import name_of, one_line

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.checkpoints import Checkpoints, ResumePoint
    from aitk_training.arguments import StartTraining
    from aitk_training.tools.outputs_configs import ConfigChange

CHANGES_SHOWN: Final = 20
"""Ours: differences named in one message; the details name a hundred."""
CHANGES_IN_DETAILS: Final = 100


def check_stored(job: JobRow) -> None:
    """Refuse a job on whose config the backend's worker breaks (backend/API.md section 4.2).

    Raises:
        ConflictError: It has no list of processes, or is encoded twice.
    """
    inner = (job.config or {}).get("config")
    processes = inner.get("process") if isinstance(inner, dict) else None
    broken = [each for each in job.faults if "job_config" in each]
    if broken or not isinstance(processes, list) or not processes:
        raise ConflictError(
            f"job {name_of(job.name)!r} has no config that the backend can run",
            remedy="start a saved config of that name with replace_config true",
            job_id=job.id,
            faults=broken,
        )


def check_agreed(
    arguments: StartTraining,
    job: JobRow,
    changes: tuple[ConfigChange, ...],
    saved: Checkpoints,
    point: ResumePoint,
) -> None:
    """Refuse what the caller has not agreed to: another config, going on from a checkpoint.

    Raises:
        ConflictError: Naming all that has to be said.
    """
    needs = []
    reasons = []
    if changes and not arguments.replace_config:
        needs.append("replace_config")
        reasons.append(f"its stored config differs in {_changes_text(changes)}")
    if saved and not arguments.resume:
        needs.append("resume")
        at = "the newest checkpoint" if point.step is None else f"step {point.step}"
        reasons.append(f"it has trained before and would go on from {at} ({files_text(saved)})")
    if not needs:
        return
    wanted = " and ".join(f"{each} true" for each in needs)
    raise ConflictError(
        f"job {name_of(job.name)!r} ({job.id}) exists with status {status_word(job)!r}: "
        f"{'; '.join(reasons)}; nothing was changed",
        remedy=f"say {wanted}, or give the config another name to start afresh",
        job_id=job.id,
        job_status=job.status,
        needs=needs,
        resume_step=point.step,
        changes=[unstructure(each) for each in changes[:CHANGES_IN_DETAILS]],
    )


def _changes_text(changes: tuple[ConfigChange, ...]) -> str:
    shown = [
        f"{each.path} ({one_line(repr(each.old), 60)} to {one_line(repr(each.new), 60)})"
        for each in changes[:CHANGES_SHOWN]
    ]
    more = f" and {len(changes) - CHANGES_SHOWN} more" if len(changes) > CHANGES_SHOWN else ""
    return ", ".join(shown) + more


def files_text(saved: Checkpoints) -> str:
    """Return the newest file names for a message."""
    names = [*saved.files[-2:], *([saved.final] if saved.final else [])]
    return ", ".join(one_line(each) for each in names) or "no checkpoint is left"


def check_something_left(job: JobRow, config: dict[str, Any] | None, point: ResumePoint) -> None:
    """Refuse a run that would end at once: the trainer counts on from the checkpoint's step.

    Raises:
        ConflictError: All configured steps are done.
    """
    total = job.planned_steps if config is None else read_config(config).steps
    if job.status != "completed" or not total or point.step is None or point.step < total:
        return
    raise ConflictError(
        f"job {name_of(job.name)!r} ({job.id}) is completed: all {total} steps are done",
        remedy=(
            "raise process.0.train.steps in the config and start it with resume and "
            "replace_config, or clone the job with create-training-config"
        ),
        job_id=job.id,
        job_status=job.status,
    )
