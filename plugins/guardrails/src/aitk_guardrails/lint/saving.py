"""Checkpoints, the space that they take, and whether anything is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.evidence.retention import retention
from aitk_guardrails.lint.lora_size import lora_numbers, optimizer_state, stored
from aitk_guardrails.lint.sources import CURVES, trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.evidence.retention import Retention
    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.lint.lora_size import Bytes
    from aitk_guardrails.lint.subject import Subject

_SAVES: Final = "jobs/process/BaseSDTrainProcess.py: clean_up_saves"
_NAMED: Final = 6
_MOST_KEPT: Final = 20
"""Ours: checkpoints that a fix proposes to keep at most."""


def metrics(subject: Subject) -> Iterator[Issue]:
    """No record of the loss."""
    if not subject.on("logging.use_ui_logger"):
        yield subject.issue(
            "METRICS_OFF",
            "warning",
            "logging.use_ui_logger",
            "the loss is not recorded: logging.use_ui_logger is off",
            why="the loss can then be read from the log only, rounded and with gaps, and neither "
            "a trend nor over-fitting can be told well",
            source=trainer("toolkit/logging_aitk.py; backend API, section 14.2"),
            expected=True,
            change={"logging.use_ui_logger": True},
        )


def _kept(subject: Subject) -> tuple[int, int, int, Retention] | None:
    """Return steps, steps between saves, saves kept and what is left; None where one is unknown."""
    steps, keep = subject.count("train.steps"), subject.number("save.max_step_saves_to_keep")
    every = subject.process.value("save.save_every")
    number = subject.number("save.save_every") if every is not None else 0.0
    if steps is None or keep is None or number is None:
        return None
    left = retention(steps=min(steps, 10_000_000), save_every=int(number), keep=int(keep))
    return steps, int(number), int(keep), left


def deleted(subject: Subject) -> Iterator[Issue]:
    """Checkpoints that the retention deletes, when they are from the first half of the run."""
    known = _kept(subject)
    if known is None:
        return
    steps, every, keep, left = known
    if not left.deleted_count or keep * every >= steps / 2:
        return
    written = left.deleted_count + len(left.kept)
    names = ", ".join(map(str, left.kept[-_NAMED:]))
    yield subject.issue(
        "CHECKPOINTS_DELETED",
        "warning",
        "save.max_step_saves_to_keep",
        f"{left.deleted_count} of {written} step checkpoints will be deleted: of {steps} steps "
        f"only {names} and the final weights stay",
        why="the best checkpoint often comes earlier, and is then gone",
        source=f"{CURVES}; {trainer(_SAVES)}",
        expected={"minimum": written},
        change={"save.max_step_saves_to_keep": written} if written <= _MOST_KEPT else None,
    )


def rare(subject: Subject) -> Iterator[Issue]:
    """No checkpoint before the end, or few."""
    known = _kept(subject)
    if known is None:
        return
    steps, every, _, left = known
    if left.kept and every <= steps / 5:
        return
    none = not left.kept
    yield subject.issue(
        "NO_STEP_CHECKPOINT" if none else "CHECKPOINTS_RARE",
        "warning" if none else "info",
        "save.save_every",
        f"no checkpoint is written in {steps} steps, only the final weights"
        if none
        else f"a checkpoint every {every} steps of {steps} leaves few to choose from",
        why="a run that dies loses everything since the last one, and the best may lie between",
        source=trainer(_SAVES),
        expected={"maximum": max(1, steps // 5)},
        change={"save.save_every": max(1, steps // 10)},
    )


def _checkpoint(subject: Subject) -> tuple[Bytes, Bytes] | None:
    """Return the size of one checkpoint and of the optimizer's state; None where unknown."""
    entry = subject.arch
    if entry is None:
        return None
    parameters = entry.transformer_params_billion
    if subject.process.given("network") is None:
        numbers = (parameters * 1e9, parameters * 1e9) if parameters else None
    elif subject.rank and (subject.text("network.type") or "").lower() in {"lora", "locon"}:
        numbers = lora_numbers(arch_id=entry.id, parameters_billion=parameters, rank=subject.rank)
    else:
        numbers = None
    if numbers is None:
        return None
    return (
        stored(numbers, subject.text("save.dtype")),
        optimizer_state(numbers, subject.text("train.optimizer")),
    )


def disk(subject: Subject) -> Iterator[Issue]:
    """Checkpoints that need more space than there is."""
    free, known, sizes = subject.facts.free_disk_bytes, _kept(subject), _checkpoint(subject)
    if free is None or known is None or sizes is None:
        return
    # One more than is kept: the newest is written before the oldest is deleted.
    files = len(known[3].kept) + 2
    need = sizes[0].times(files).plus(sizes[1])
    if need.high <= free:
        return
    sure = need.low > free
    yield subject.issue(
        "DISK_TOO_SMALL" if sure else "DISK_PERHAPS_TOO_SMALL",
        "error" if sure else "warning",
        "save.max_step_saves_to_keep",
        f"{files} checkpoints of {sizes[0].words()} and the optimizer's state need "
        f"{need.words()}, and {free / 1e9:.3g} GB are free",
        why="a full disk breaks the checkpoint that is being written and ends the run; samples, "
        "cached latents and the model itself come on top",
        source="ours: rank times inputs and outputs of the layers, see lora_size",
        expected={"free_bytes": int(need.high)},
    )


def name_taken(subject: Subject) -> Iterator[Issue]:
    """A name that already has checkpoints: the trainer resumes it without asking."""
    step, steps = subject.facts.existing_step, subject.count("train.steps")
    if not step:
        return
    done = steps is not None and step >= steps
    yield subject.issue(
        "NOTHING_LEFT_TO_TRAIN" if done else "WILL_RESUME",
        "error" if done else "warning",
        "train.steps",
        f"there is a checkpoint of step {step} under this name"
        + (f", and the run has {steps} steps" if done else ", which the trainer resumes"),
        why="the run ends at once" if done else "it is no new run, whatever else was changed",
        source=trainer("jobs/process/BaseSDTrainProcess.py: get_latest_save_path"),
        expected="a new name, for a run from the start",
    )


CHECKS: Final = (metrics, deleted, rare, disk, name_taken)
