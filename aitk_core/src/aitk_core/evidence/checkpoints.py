"""The weights that a run left, and where its next start would go on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.backend.records import FileEntry, JobRow

_STEP_SAVE: Final = re.compile(r"_([0-9]{9})(?:_(high|low)_noise)?\.safetensors$")
"""Step weights; two-expert models write two files (backend/API.md section 12.4)."""
_EXPERT: Final = re.compile(r"_(high|low)_noise\.safetensors$")
_WEIGHTS: Final = ".safetensors"
_STATES: Final = re.compile(r"optimizer\.(?:pt|safetensors)")
"""What the trainer keeps to go on with, and would be of no use anywhere else."""

ArtifactKind = Literal["final", "step", "optimizer", "other"]


@frozen(kw_only=True)
class Artifact:
    """One file that a run left, as the backend lists it."""

    path: str
    """Absolute, on the backend's machine."""
    name: str
    """Its last part."""
    kind: ArtifactKind
    """`other`: nothing that this run saved as its weights."""
    step: int | None = None
    """Of a step save; the number that its name has."""
    expert: Literal["high", "low"] | None = None
    """Which half of a two-expert model it is."""
    size_bytes: int | None = None


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


def artifacts_of(files: Iterable[FileEntry], name: str | None) -> tuple[Artifact, ...]:
    """Return what a run left, told apart by names as the trainer gives them.

    Args:
        files: As the backend lists them.
        name: Of the job; its weights begin with it.
    """
    return tuple(artifact_of(entry.path, name, entry.size_bytes) for entry in files)


def artifact_of(path: str, name: str | None, size_bytes: int | None = None) -> Artifact:
    """Return what a file is by its name; without a job's name all weights are somebody's."""
    file = re.split(r"[\\/]", path)[-1]
    kind: ArtifactKind = "other"
    step = expert = None
    if _STATES.fullmatch(file):
        kind = "optimizer"
    elif file.endswith(_WEIGHTS) and file.startswith(name or ""):
        numbered = _STEP_SAVE.search(file)
        half = _EXPERT.search(file)
        kind = "final" if numbered is None else "step"
        step = None if numbered is None else int(numbered[1])
        expert = None if half is None else half[1]
    return Artifact(
        path=path,
        name=file,
        kind=kind,
        step=step,
        expert="high" if expert == "high" else "low" if expert else None,
        size_bytes=size_bytes,
    )


def checkpoints_of(files: Iterable[FileEntry], name: str | None) -> Checkpoints:
    """Return a job's weights; the trainer resumes from those that begin with the job's name."""
    found: dict[int, str] = {}
    final = None
    for artifact in artifacts_of(files, name):
        if artifact.step is not None:
            found[artifact.step] = artifact.name
        elif artifact.kind == "final":
            final = artifact.name
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
