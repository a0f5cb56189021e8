"""Models in the folders of this machine, and those that only the backend sees."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from aitk_core.errors import AitkError, NotFoundError
from aitk_core.evidence.checkpoints import artifact_of, artifacts_of
from aitk_core.weights.beside import metadata_beside, text_of, trigger_of
from aitk_core.weights.index import SeenFile, look_up
from aitk_core.weights.walk import walk_weights
from aitk_export.exporting.about import named_by
from aitk_export.listing.records import ModelLine
from aitk_export.places.references import JOB, OUTPUTS, ModelRef

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.backend.records import JobRow
    from aitk_core.evidence.checkpoints import Artifact
    from aitk_core.protocols import ToolContext
    from aitk_core.weights.index import Indexed
    from aitk_core.weights.walk import Walked

_JOBS: Final = 200
"""Ours: jobs whose files are asked for, the newest; one request each."""
_AT_ONCE: Final = 4


@frozen(kw_only=True)
class Found:
    """The models of one place."""

    lines: tuple[ModelLine, ...]
    seen: Mapping[str, SeenFile] = field(factory=dict)
    """The files behind them, by `model_path`, where they are on this machine."""


def visible(context: ToolContext, root: str) -> Path | None:
    """Return a root that is a folder here; blocking."""
    try:
        folder = context.paths.root(root)
    except NotFoundError:
        return None
    return folder if folder.is_dir() else None


async def jobs_by_name(context: ToolContext, notes: list[str]) -> dict[str, JobRow]:
    """Return the jobs, whose configs say what their models were made of."""
    try:
        return {job.name: job for job in (await context.backend.jobs()).jobs if job.name}
    except AitkError as error:
        notes.append(f"Base models and trigger words of runs are not known: {error.code}.")
        return {}


async def in_folder(
    context: ToolContext, root: str, folder: Path, jobs: Mapping[str, JobRow], notes: list[str]
) -> Found:
    """Return the models below a root of this machine."""
    walked = await context.run(walk_weights, folder)
    _tell(root, walked, notes)
    files = [
        seen for seen in walked.files if artifact_of(seen.path.name, None).kind in ("final", "step")
    ]
    looked = await look_up(context, files)
    if looked.left:
        notes.append(f"{looked.left} headers were not read in this call's time; ask again.")

    def lines() -> Found:
        found = [_line(root, folder, seen, looked.known.get(seen.path), jobs) for seen in files]
        return Found(
            lines=tuple(found),
            seen={line.model_path: seen for line, seen in zip(found, files, strict=True)},
        )

    return await context.run(lines)


async def with_backend(context: ToolContext, jobs: Mapping[str, JobRow], notes: list[str]) -> Found:
    """Return the models that the backend lists, by the names of their files alone."""
    rows = list(jobs.values())
    if len(rows) > _JOBS:
        notes.append(f"Only the models of the {_JOBS} newest of {len(rows)} jobs are listed.")
    limit = asyncio.Semaphore(_AT_ONCE)

    async def of_job(job: JobRow) -> list[ModelLine]:
        async with limit:
            try:
                files = await context.backend.files(job.id)
            except AitkError as error:
                notes.append(f"The files of {job.name!r} could not be listed: {error.code}.")
                return []
        artifacts = artifacts_of(files, job.name)
        return [_of_job(job, each) for each in artifacts if each.kind in ("final", "step")]

    found = await asyncio.gather(*(of_job(job) for job in rows[:_JOBS]))
    return Found(lines=tuple(line for lines in found for line in lines))


def _tell(root: str, walked: Walked, notes: list[str]) -> None:
    if walked.unreadable:
        notes.append(f"{walked.unreadable} entries of {root} could not be read and are left out.")
    if walked.outside:
        notes.append(f"{walked.outside} links of {root} lead out of it and were not followed.")
    if walked.limited:
        notes.append(f"There is more below {root} than is looked at.")


def _line(
    root: str,
    folder: Path,
    seen: SeenFile,
    indexed: Indexed | None,
    jobs: Mapping[str, JobRow],
) -> ModelLine:
    relative = seen.path.relative_to(folder)
    facts = None if indexed is None else indexed.facts
    training = None if facts is None else facts.training
    beside, _ = metadata_beside(seen.path) or ({}, "")
    run = beside.get("run") if isinstance(beside.get("run"), dict) else None
    name = str(run.get("name")) if run and run.get("name") else None
    if name is None and root == OUTPUTS and len(relative.parts) > 1:
        name = relative.parts[0]
    job = None if name is None else jobs.get(name)
    # The name of a run may be part of another's: the file's own folder says whose it is.
    artifact = artifact_of(seen.path.name, None)
    model, trigger = (None, None) if job is None else named_by(job)
    words = () if training is None else training.trigger_words
    return ModelLine(
        model_path=ModelRef(root=root, path=relative.as_posix()).text,
        name=seen.path.name,
        where=root,
        kind=artifact.kind,
        run=name,
        job_id=None if job is None else job.id,
        step=artifact.step if artifact.step is not None else getattr(training, "step", None),
        epoch=None if training is None else training.epoch,
        size_bytes=seen.size_bytes,
        modified=seen.modified,
        base_model=text_of(beside, "base_model")
        or model
        or (None if training is None else training.base_model),
        trigger_word=trigger_of(beside) or trigger or (words[0] if words else None),
        rank=None if facts is None else facts.rank,
        parameters=None if facts is None else facts.parameters,
        dtypes={} if facts is None else facts.dtypes,
        sha256=None if indexed is None else indexed.sha256,
        problem=None if facts is None else facts.error,
    )


def _of_job(job: JobRow, artifact: Artifact) -> ModelLine:
    model, trigger = named_by(job)
    final = job.step if job.status == "completed" else None
    return ModelLine(
        model_path=ModelRef(root=JOB, path=f"{job.id}/{artifact.name}").text,
        name=artifact.name,
        where="backend",
        kind=artifact.kind,
        run=job.name,
        job_id=job.id,
        step=artifact.step if artifact.step is not None else final,
        epoch=None,
        size_bytes=artifact.size_bytes,
        modified=None,
        base_model=model,
        trigger_word=trigger,
        rank=None,
        parameters=None,
        dtypes={},
        sha256=None,
        problem=None,
    )
