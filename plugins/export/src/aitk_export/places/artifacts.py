"""The files of a job, and where each can be read."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from attrs import frozen

from aitk_core.backend.records import JobRow
from aitk_core.errors import AitkError, NotFoundError, PathOutsideRootsError
from aitk_core.evidence.checkpoints import Artifact, artifacts_of
from aitk_export.places.references import JOB, OUTPUTS, ModelRef
from aitk_export.places.sources import BackendSource, local_source

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.protocols import ToolContext
    from aitk_export.places.sources import LocalSource


@frozen(kw_only=True)
class Left:
    """What a run left behind."""

    job: JobRow
    artifacts: tuple[Artifact, ...]
    training_folder: str | None
    """On the backend's machine; None where the backend does not tell."""


async def left_by(context: ToolContext, job: JobRow) -> Left:
    """Ask the backend for a job's files.

    Raises:
        BackendError: In its kinds.
    """
    files = await context.backend.files(job.id)
    try:
        folder = (await context.backend.settings()).training_folder
    except AitkError:
        folder = None
    return Left(job=job, artifacts=artifacts_of(files, job.name), training_folder=folder)


async def open_artifact(
    context: ToolContext, left: Left, artifact: Artifact
) -> tuple[ModelRef, LocalSource | BackendSource]:
    """Return a file's name for tools and the way to read it: here where this machine sees it.

    Raises:
        BackendError: Only the backend sees it, and does not answer.
        FileMissingError: It is gone.
    """
    relative = _relative(artifact.path, left.training_folder)
    if relative is not None:
        local = await _here(context, relative, artifact.size_bytes)
        if local is not None:
            return ModelRef(root=OUTPUTS, path=relative), local
    ref = ModelRef(root=JOB, path=f"{left.job.id}/{artifact.name}")
    return ref, await backend_source(context, artifact)


async def backend_source(context: ToolContext, artifact: Artifact) -> BackendSource:
    """Return a file as the backend hands it out.

    Raises:
        FileMissingError: It is gone.
        BackendError: In its kinds.
    """
    size = artifact.size_bytes
    if size is None:
        size = (await context.backend.read_file(artifact.path, 0, 0)).size_bytes
    return BackendSource(context=context, path=artifact.path, name=artifact.name, size_bytes=size)


def _relative(path: str, folder: str | None) -> str | None:
    if not folder:
        return None
    base = folder.replace("\\", "/").rstrip("/") + "/"
    slashed = path.replace("\\", "/")
    if not slashed.startswith(base):
        return None
    relative = slashed[len(base) :]
    return None if ".." in PurePosixPath(relative).parts else relative


async def _here(context: ToolContext, relative: str, size_bytes: int | None) -> LocalSource | None:
    try:
        path: Path = await context.run(context.paths.inside, OUTPUTS, relative)
        found = await local_source(context, path)
    except (NotFoundError, PathOutsideRootsError):
        return None
    # Another size is another file: the folders are not the same, or it is being written.
    return found if size_bytes in (None, found.size_bytes) else None
