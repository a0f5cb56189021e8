"""final, latest, best or a step: which files that is, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from attrs import frozen

from aitk_core.errors import AitkError, FileMissingError, InvalidArgumentsError
from aitk_core.evidence.checkpoints import Artifact
from aitk_core.evidence.records import VALIDATION_LOSS
from aitk_core.statistics.results import CheckpointChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.protocols import ToolContext
    from aitk_export.places.artifacts import Left

_SHOWN: Final = 20
Asked = Literal["default", "final", "latest", "best", "step"]


@frozen(kw_only=True)
class Chosen:
    """One checkpoint; a two-expert model has two files of it."""

    asked: Asked
    artifacts: tuple[Artifact, ...]
    """Empty where `best` was asked for and the evidence does not choose."""
    step: int | None
    """Steps of training behind it; None where nobody knows."""
    reason: str
    evidence: CheckpointChoice | None = None
    """Of `best`."""


async def choose(context: ToolContext, left: Left, asked: str | int | None) -> Chosen:
    """Return the checkpoint that is meant.

    Args:
        context: Its backend has the validation loss.
        left: The run's files.
        asked: `final`, `latest`, `best`, a step, or None for the final one, else the latest.

    Raises:
        FileMissingError: The run left no weights, or not those.
        InvalidArgumentsError: It is none of these words, and no step.
        BackendError: In its kinds.
    """
    weights = [each for each in left.artifacts if each.kind in ("final", "step")]
    if not weights:
        raise FileMissingError(
            f"run {left.job.name or left.job.id!r} left no weights yet",
            remedy="weights appear at save.save_every and at the end of the run",
            files=[each.name for each in left.artifacts[:_SHOWN]],
        )
    if asked is None:
        return _default(left, weights)
    if asked == "final":
        return _final(left, weights)
    if asked == "latest":
        return _latest(left, weights)
    if asked == "best":
        return await _best(context, left, weights)
    return _at_step(weights, asked)


def _default(left: Left, weights: Sequence[Artifact]) -> Chosen:
    if any(each.kind == "final" for each in weights):
        chosen = _final(left, weights)
        return Chosen(
            asked="default", artifacts=chosen.artifacts, step=chosen.step, reason=chosen.reason
        )
    chosen = _latest(left, weights)
    return Chosen(
        asked="default",
        artifacts=chosen.artifacts,
        step=chosen.step,
        reason="the run left no final weights; these are of its highest step",
    )


def _final(left: Left, weights: Sequence[Artifact]) -> Chosen:
    found = tuple(each for each in weights if each.kind == "final")
    if not found:
        raise _missing("no final weights; they are saved when a run completes", weights)
    reason = "the run's final weights"
    if left.job.status != "completed":
        reason = f"final weights of an earlier run: the job is {left.job.status} now"
    return Chosen(asked="final", artifacts=found, step=_final_step(left), reason=reason)


def _final_step(left: Left) -> int | None:
    # Of another status the row's step is that of something else.
    return left.job.step if left.job.status == "completed" else None


def _latest(left: Left, weights: Sequence[Artifact]) -> Chosen:
    final = tuple(each for each in weights if each.kind == "final")
    steps = [each.step for each in weights if each.step is not None]
    if final and (left.job.status == "completed" or not steps):
        return Chosen(
            asked="latest",
            artifacts=final,
            step=_final_step(left),
            reason="the run completed, so its final weights are its latest",
        )
    newest = max(steps)
    reason = "the highest step that was saved"
    if final:
        reason += "; the final weights there are older than this run, which has not completed"
    return Chosen(asked="latest", artifacts=_of(weights, newest), step=newest, reason=reason)


def _at_step(weights: Sequence[Artifact], asked: str | int) -> Chosen:
    if isinstance(asked, str) and not (asked.isascii() and asked.isdigit()):
        message = f"checkpoint {asked[:40]!r} is none of final, latest, best, and no step"
        raise InvalidArgumentsError(
            message,
            remedy="give final, latest, best, or the step of a save",
            faults=[{"path": "/checkpoint", "message": message}],
        )
    step = int(asked)
    found = _of(weights, step)
    if not found:
        raise _missing(f"no save of step {step}", weights)
    return Chosen(asked="step", artifacts=found, step=step, reason="the step that was asked for")


async def _best(context: ToolContext, left: Left, weights: Sequence[Artifact]) -> Chosen:
    # Here: numpy, which the other choices do without.
    from aitk_core.statistics.checkpoint_choice import choose_checkpoint

    try:
        series = await context.backend.metric_series(left.job.id, VALIDATION_LOSS)
        losses, steps = list(series.values), list(series.steps)
        lacking = ""
    except AitkError as error:
        losses, steps, lacking = [], [], f" ({error.code})"
    saved = {each.step for each in weights if each.step is not None}
    final = _final_step(left)
    if final is not None and any(each.kind == "final" for each in weights):
        saved.add(final)
    choice = await context.run(choose_checkpoint, losses, steps, sorted(saved))
    if choice.step is None:
        return Chosen(
            asked="best",
            artifacts=(),
            step=None,
            reason=f"the evidence does not choose: {choice.reason}{lacking}. Training loss never "
            "chooses; look at samples of one prompt and seed side by side",
            evidence=choice,
        )
    found = _of(weights, choice.step) or tuple(each for each in weights if each.kind == "final")
    return Chosen(
        asked="best", artifacts=found, step=choice.step, reason=choice.reason, evidence=choice
    )


def _of(weights: Sequence[Artifact], step: int) -> tuple[Artifact, ...]:
    return tuple(each for each in weights if each.step == step)


def _missing(what: str, weights: Sequence[Artifact]) -> FileMissingError:
    there = [each.name for each in weights[:_SHOWN]]
    return FileMissingError(
        f"the run left {what}",
        remedy=f"there are: {', '.join(there)}",
        files=there,
    )
