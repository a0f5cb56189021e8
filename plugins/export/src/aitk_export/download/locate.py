"""From the name of a model to its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from aitk_core.backend.ids import checked_job_id
from aitk_core.backend.records import JobRow
from aitk_core.errors import FileMissingError, InvalidArgumentsError, NotFoundError
from aitk_core.evidence.checkpoints import artifact_of
from aitk_core.weights.index import SeenFile
from aitk_export.places.artifacts import left_by, open_artifact
from aitk_export.places.references import JOB, ModelRef, parse_ref
from aitk_export.places.sources import BackendSource, LocalSource, local_source

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext


@frozen(kw_only=True)
class Located:
    """A model that is there."""

    ref: ModelRef
    source: LocalSource | BackendSource
    job: JobRow | None = None
    """Of one that was named by its job."""

    @property
    def seen(self) -> SeenFile | None:
        """Return the file as the index knows it; None where it is not on this machine."""
        if not isinstance(self.source, LocalSource):
            return None
        return SeenFile(
            path=self.source.path,
            size_bytes=self.source.size_bytes,
            modified_ns=self.source.modified_ns,
        )


async def locate(context: ToolContext, model_path: str) -> Located:
    """Return the model of a name.

    Raises:
        InvalidArgumentsError: It is no name of a model.
        PathOutsideRootsError: It leads out of its folder.
        NotFoundError: Its folder is not configured, its job is gone, or there is no such file.
        BackendError: Only the backend has it, and does not answer.
    """
    ref = parse_ref(model_path)
    if artifact_of(ref.path, None).kind == "optimizer":
        raise InvalidArgumentsError(
            "the optimizer's state is no model",
            remedy="list-exported-models shows the models that there are",
            faults=[{"path": "/model_path", "message": "is the optimizer's state"}],
        )
    if ref.root == JOB:
        return await _of_job(context, ref)
    try:
        path = await context.run(context.paths.inside, ref.root, ref.path)
    except NotFoundError as error:
        raise NotFoundError(
            str(error),
            remedy="set AITK_OUTPUTS_DIR to the training outputs where this machine sees them, or "
            "name the file by its job: job:<id>/<file>",
            **error.details,
        ) from error
    return Located(ref=ref, source=await local_source(context, path))


async def _of_job(context: ToolContext, ref: ModelRef) -> Located:
    job_id, _, name = ref.path.partition("/")
    job = await context.backend.job(checked_job_id(job_id, "model_path"))
    left = await left_by(context, job)
    # Only what the job lists: the name is compared, never joined to a path.
    found = [each for each in left.artifacts if each.name == name]
    if not found:
        raise FileMissingError(
            f"job {job.name or job.id!r} has no file {name[:200]!r}",
            remedy=f"it has: {', '.join(each.name for each in left.artifacts[:20]) or 'none'}",
        )
    _, source = await open_artifact(context, left, found[0])
    return Located(ref=ref, source=source, job=job)
