"""The weights that a run left, and where its next start would go on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.backend.records import FileEntry, JobRow

_STEP_SAVE: Final = re.compile(r"_([0-9]{9})(?:_(?:high|low)_noise)?\.safetensors$")
"""Step weights; two-expert models write two files (backend/API.md section 12.4)."""
_WEIGHTS: Final = ".safetensors"


@frozen(kw_only=True)
class Checkpoints:
    """The weights in a job's folder, as far as the backend lists them."""

    steps: tuple[int, ...] = ()
    """Steps of the step saves, ascending."""
    files: tuple[str, ...] = ()
    """Their file names, in the same order; the last of a step where it has several."""
    final: str | None = None
    """File name of the final weights."""

    def __bool__(self) -> bool:
        """Tell whether there is anything to go on from."""
        return bool(self.steps or self.final)

    @property
    def newest_step(self) -> int | None:
        """Return the highest step of a step save."""
        return self.steps[-1] if self.steps else None


@frozen(kw_only=True)
class ResumePoint:
    """Where a run would go on."""

    step: int | None
    """0 is a fresh start; None where only the file itself knows."""
    file: str | None = None


def checkpoints_of(files: Iterable[FileEntry], name: str | None) -> Checkpoints:
    """Return a job's weights; the trainer resumes from those that begin with the job's name."""
    found: dict[int, str] = {}
    final = None
    for entry in files:
        file = re.split(r"[\\/]", entry.path)[-1]
        if not file.endswith(_WEIGHTS) or not file.startswith(name or ""):
            continue
        step = _STEP_SAVE.search(file)
        if step is not None:
            found[int(step[1])] = file
        else:
            final = file
    steps = tuple(sorted(found))
    return Checkpoints(steps=steps, files=tuple(found[step] for step in steps), final=final)


def resume_point(job: JobRow, saved: Checkpoints) -> ResumePoint:
    """Return where the next start of a job goes on (backend/API.md section 12.4).

    The trainer takes the newest file; the route tells no times. After an end that it noticed
    itself the row's step is that of the last save, otherwise it may be a later one.
    """
    if not saved:
        return ResumePoint(step=0)
    if job.step in saved.steps:
        return ResumePoint(step=job.step, file=saved.files[saved.steps.index(job.step)])
    if saved.final is not None and (job.status == "completed" or not saved.steps):
        return ResumePoint(step=job.step if job.status == "completed" else None, file=saved.final)
    return ResumePoint(step=saved.steps[-1], file=saved.files[-1])


def steps_at_risk(job: JobRow, saved: Checkpoints | None) -> tuple[int | None, int | None]:
    """Return the step of the newest save, 0 without one, and the steps done since.

    Args:
        job: Its row while it runs, or as a run left it.
        saved: Its weights; None where they could not be read.
    """
    if saved is None or job.step is None:
        return None, None
    newest = max((step for step in saved.steps if step <= job.step), default=0)
    return newest, max(0, job.step - newest)
