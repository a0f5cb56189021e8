"""export-model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.convert import unstructure
from aitk_core.errors import AitkError, FileMissingError, InvalidArgumentsError
from aitk_core.records.results import Link, ToolResult
from aitk_core.weights.recognition import recognise
from aitk_core.weights.training import training_facts
from aitk_export.checks.verify import look, verify
from aitk_export.choice.choose import choose
from aitk_export.exporting.about import about_run, named_by
from aitk_export.exporting.copying import copy_model, find_target
from aitk_export.exporting.facts import sidecar
from aitk_export.exporting.records import (
    CheckpointTried,
    Choice,
    CopyMade,
    Exported,
    ModelFile,
    ValueCheck,
)
from aitk_export.exporting.text import summarize
from aitk_export.places.artifacts import left_by, open_artifact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.evidence.checkpoints import Artifact
    from aitk_core.protocols import ToolContext
    from aitk_core.records.results import Block
    from aitk_export.arguments import ExportModel
    from aitk_export.checks.verify import Verified
    from aitk_export.choice.choose import Chosen
    from aitk_export.exporting.about import About
    from aitk_export.exporting.copying import Target
    from aitk_export.places.artifacts import Left

_SAMPLES: Final = "aitk://runs/{job_id}/samples"


async def export_model(arguments: ExportModel, context: ToolContext) -> ToolResult:
    """Find a run's checkpoint, check it, and copy it where that is asked for.

    Raises:
        JobNotFoundError: There is no such job.
        FileMissingError: The run left no such weights.
        BrokenWeightsError: They are cut off; or they are damaged and were to be copied.
        ConflictError: Another file has the name of the copy.
        InvalidArgumentsError: A checkpoint, folder or name that is none.
        BackendError: In its kinds.
    """
    job = await context.backend.job(arguments.job_id)
    left = await left_by(context, job)
    if arguments.format == "ckpt":
        _refuse_pickles(left)
    chosen = await choose(context, left, arguments.checkpoint)
    about = await about_run(context, job) if arguments.copy_to != "none" else None
    target = (
        None
        if arguments.copy_to == "none" or not chosen.artifacts
        else await find_target(context, arguments.copy_to, arguments.subfolder)
    )
    notes: list[str] = []
    files = [
        await _file(arguments, context, left, chosen, artifact, about, target, notes)
        for artifact in chosen.artifacts
    ]
    base_model, trigger_word = named_by(job)
    answer = Exported(
        job_id=job.id,
        job_name=job.name,
        format=arguments.format,
        checkpoint=_choice(chosen),
        files=tuple(files),
        base_model=base_model,
        trigger_word=trigger_word,
        notes=tuple(notes),
    )
    return ToolResult(
        data=unstructure(answer),
        summary=summarize(answer),
        blocks=await _samples(context, job.id) if not chosen.artifacts else (),
    )


def _refuse_pickles(left: Left) -> None:
    """Raise: the trainer writes safetensors only, and a file is not renamed into another format.

    Raises:
        FileMissingError: Always.
    """
    raise FileMissingError(
        f"run {left.job.name or left.job.id!r} left no .ckpt file, and none is made: a .ckpt is a "
        "pickle, which can run code when it is opened",
        remedy="ask for safetensors, which every current program reads",
    )


async def _file(
    arguments: ExportModel,
    context: ToolContext,
    left: Left,
    chosen: Chosen,
    artifact: Artifact,
    about: About | None,
    target: Target | None,
    notes: list[str],
) -> ModelFile:
    ref, source = await open_artifact(context, left, artifact)
    copy: CopyMade | None = None
    if target is not None and about is not None:

        def describe(verified: Verified) -> Mapping[str, Any]:
            return sidecar(about, verified, artifact, chosen, context.now())

        stem = _stem(arguments, artifact, len(chosen.artifacts))
        copied = await copy_model(context, source, target, stem, describe)
        verified = copied.verified
        copy = CopyMade(
            model_path=copied.ref.text,
            sidecar=copied.sidecar.text,
            already_there=copied.already_there,
        )
        if copied.already_there:
            notes.append(f"{copied.ref.text} was there already, with the same bytes.")
    elif arguments.verify == "full":
        verified = await verify(context, source)
    else:
        verified = await look(source)
    if verified.verdict in ("damaged", "no_effect"):
        notes.append(f"{artifact.name}: {verified.reason}.")
    header, numbers = verified.header, verified.numbers
    facts = training_facts(header.metadata)
    network = recognise(header).network
    alphas = {} if numbers is None else numbers.alphas
    return ModelFile(
        model_path=ref.text,
        name=artifact.name,
        size_bytes=source.size_bytes,
        step_in_header=facts.step,
        epoch_in_header=facts.epoch,
        tensors=len(header.tensors),
        parameters=header.parameters,
        dtypes=header.dtypes,
        rank=None if network is None else network.rank,
        ranks={} if network is None else {str(rank): n for rank, n in network.ranks.items()},
        alpha=next(iter(alphas)) if len(alphas) == 1 else None,
        check=ValueCheck(
            verdict=verified.verdict,
            reason=verified.reason,
            sha256=verified.sha256,
            nonfinite=None if numbers is None else numbers.nonfinite,
            nonfinite_examples=() if numbers is None else numbers.nonfinite_examples,
            zero_tensors=None if numbers is None else numbers.zero_tensors,
        ),
        copy=copy,
    )


def _stem(arguments: ExportModel, artifact: Artifact, files: int) -> str:
    own = artifact.name.rpartition(".")[0]
    if arguments.name is None:
        return own
    name = arguments.name.removesuffix(".safetensors")
    if not name:
        raise InvalidArgumentsError(
            "the name is empty",
            remedy="give a name without extension",
            faults=[{"path": "/name", "message": "is empty"}],
        )
    # Both halves of a two-expert model go by one name.
    return name if files == 1 else f"{name}_{artifact.expert or own}_noise"


def _choice(chosen: Chosen) -> Choice:
    found = chosen.evidence
    if found is None:
        return Choice(
            asked=chosen.asked,
            step=chosen.step,
            decided=True,
            reason=chosen.reason,
            method=None,
            estimate=None,
            interval=None,
            n=None,
            false_alarm_rate=None,
            as_good=(),
            judged=(),
            not_judged=(),
        )
    return Choice(
        asked=chosen.asked,
        step=chosen.step,
        decided=found.verdict == "chosen",
        reason=chosen.reason,
        method=found.method,
        estimate=found.estimate,
        interval=found.interval,
        n=found.n,
        false_alarm_rate=unstructure(found.false_alarm_rate),
        as_good=found.as_good,
        judged=tuple(CheckpointTried(step=each.step, loss=each.loss) for each in found.judged),
        not_judged=found.not_judged,
    )


async def _samples(context: ToolContext, job_id: str) -> tuple[Block, ...]:
    """Return what a person can choose by: the samples, where a plugin shows them."""
    if not context.offers("evaluate-lora"):
        return ()
    blocks: list[Block] = [
        Link(
            uri=_SAMPLES.format(job_id=job_id),
            name="samples",
            description="Samples of the run, by step and prompt.",
            mime_type="image/png",
        )
    ]
    if context.shows_images:
        asked = {"job_id": job_id, "include_dataset": False, "charts": "light"}
        try:
            blocks += (await context.call_tool("evaluate-lora", asked)).blocks
        except AitkError:
            return tuple(blocks)
    return tuple(blocks)
