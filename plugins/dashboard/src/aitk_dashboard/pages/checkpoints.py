"""The weights that a run left, and what its validation loss says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.backend.ids import checked_job_id
from aitk_core.errors import AitkError
from aitk_core.evidence.checkpoints import artifacts_of
from aitk_core.evidence.records import VALIDATION_LOSS
from aitk_core.wording import size_text
from aitk_dashboard.pages.actions import Offer

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.checkpoints import Artifact
    from aitk_core.protocols import ToolContext
    from aitk_core.statistics.results import CheckpointChoice


async def checkpoints(context: ToolContext, job_id: str) -> dict[str, Any]:
    """Return the table of weights, and which of them the evidence prefers.

    Raises:
        JobNotFoundError: There is no such job.
        InvalidArgumentsError: The id is malformed.
    """
    job = await context.backend.job(checked_job_id(job_id))
    found: dict[str, Any] = {
        "job_id": job_id,
        "name": job.name,
        "files": [],
        "files_problem": None,
        "choice": None,
    }
    try:
        listed = artifacts_of(await context.backend.files(job.id), job.name)
    except AitkError as error:
        return {**found, "files_problem": str(error)}
    weights = [each for each in listed if each.kind in ("final", "step")]
    choice = await _choice(context, job, weights)
    judged: dict[int | None, float] = (
        {} if choice is None else {each.step: each.loss for each in choice.judged}
    )
    return {
        **found,
        "choice": choice,
        "files": [
            {
                "name": each.name,
                "kind": each.kind,
                "step": _step(job, each),
                "size": "" if each.size_bytes is None else size_text(each.size_bytes),
                "path": f"/models/job:{job_id}/{each.name}",
                "export": _export(job, each) if context.offers("export-model") else None,
                "loss": judged.get(_step(job, each)),
                "is_good": choice is not None and _step(job, each) in choice.as_good,
            }
            for each in weights
        ],
    }


def _export(job: JobRow, artifact: Artifact) -> Offer:
    return Offer(
        name="export",
        subject=job.id,
        label=artifact.name,
        detail="final" if artifact.kind == "final" else str(artifact.step),
    )


def _step(job: JobRow, artifact: Artifact) -> int | None:
    if artifact.kind == "final":
        # Of another status the row's step is that of something else.
        return job.step if job.status == "completed" else None
    return artifact.step


async def _choice(
    context: ToolContext, job: JobRow, weights: list[Artifact]
) -> CheckpointChoice | None:
    saved = sorted({step for each in weights if (step := _step(job, each)) is not None})
    if not saved:
        return None
    try:
        series = await context.backend.metric_series(job.id, VALIDATION_LOSS)
    except AitkError:
        return None

    def choose() -> CheckpointChoice:
        # Here: numpy, which a page without weights does without.
        from aitk_core.statistics.checkpoint_choice import choose_checkpoint

        return choose_checkpoint(list(series.values), list(series.steps), saved)

    return await context.run(choose)
